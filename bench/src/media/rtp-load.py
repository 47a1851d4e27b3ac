"""The callers of `bench -- media`: sends and receives the RTP of many calls, with the kernel's time stamps, which Node does not give.

    python3 rtp-load.py <speech.ulaw> <digit.ulaw>

Commands come as lines of JSON on stdin, one answer each on stdout:

    {"do": "ports", "count": 8}                    opens sockets on loopback     -> {"ports": [...]}
    {"do": "start", "calls": [[socket, port]...]}  calls: our socket, their port -> {}
    {"do": "stop"}                                 ends all calls                -> {}
    {"do": "measure", "pairs": [[port, port]...]}  begins to count anew; pairs: marks instead of speech -> {}
    {"do": "digit"}                                every call sends a digit      -> {}
    {"do": "report"}                               what was counted since        -> {...}

Every call sends a packet each 20 ms; the calls are spread over the 20 ms. Sockets are shared by several calls, told apart by the
other side's port, and are read once in 20 ms: when a packet came is what the kernel noted, so reading late does no harm.
"""
import gc
import json
import os
import re
import select
import socket
import struct
import sys
import time

SLICE_NS = 1_000_000
SLICES = 20
PACKET_NS = 20_000_000
PAYLOAD = 160
SO_TIMESTAMPNS = 35
# Linux: beyond net.core.rmem_max for who may.
SO_RCVBUFFORCE = 33
RECEIVE_BUFFER = 4 << 20
BIN_NS = 100_000
BINS = 2000
SILENCE = b"\xff" * PAYLOAD
# A loud square wave, told from silence in any place and after any transcoding.
MARK = b"\x10\x10\x10\x10\x90\x90\x90\x90" * (PAYLOAD // 8)
LOUD = re.compile(rb"[\x00-\x3f\x80-\xbf]")
MARK_EVERY = 10
SAMPLE_NS = 125_000
# What is received per call, as a list for speed.
LAST_SEQUENCE, LAST_NS, FIRST_NS, COUNT, PEER, MARK_SENT_NS = range(6)


def packets(path):
    with open(path, "rb") as file:
        audio = file.read()
    return [audio[at : at + PAYLOAD] for at in range(0, len(audio) - PAYLOAD + 1, PAYLOAD)]


class Load:
    def __init__(self, speech, digit):
        self.speech = speech
        self.digit = digit
        self.sockets = []
        self.by_slice = [[] for _ in range(SLICES)]
        self.by_port = {}
        self.digit_left = [0] * SLICES
        self.marks = False
        self.slice = 0
        self.started = 0
        self.buffer = bytearray(2048)
        self.reset()

    def reset(self):
        self.histogram = [0] * (BINS + 1)
        self.lost = self.disordered = self.strays = self.sent = self.send_errors = 0
        self.longest = 0
        self.late = 0
        self.delays = []
        for call in self.by_port.values():
            call[LAST_SEQUENCE] = -1
            call[COUNT] = call[MARK_SENT_NS] = 0
        self.cpu = time.process_time()
        self.since = time.monotonic()

    def obey(self, order):
        what = order["do"]
        if what == "ports":
            first = len(self.sockets)
            for _ in range(order["count"]):
                self.sockets.append(open_socket())
            return {"ports": [one.getsockname()[1] for one in self.sockets[first:]], "first": first}
        if what == "start":
            for at, port in order["calls"]:
                call = [-1, 0, 0, 0, None, 0]
                self.by_port[port] = call
                emptiest = min(self.by_slice, key=len)
                emptiest.append((self.sockets[at].sendto, ("127.0.0.1", port), call))
            return {}
        if what == "stop":
            self.by_slice = [[] for _ in range(SLICES)]
            self.by_port = {}
            self.marks = False
            return {}
        if what == "measure":
            for one, other in order.get("pairs", []):
                self.by_port[one][PEER] = self.by_port[other]
                self.by_port[other][PEER] = self.by_port[one]
                self.marks = True
            self.reset()
            return {}
        if what == "digit":
            self.digit_left = [len(self.digit)] * SLICES
            return {}
        return self.report()

    def report(self):
        elapsed = time.monotonic() - self.since
        heard = [call for call in self.by_port.values() if call[COUNT] > 0]
        # How many packets more or less than one each 20 ms came between the first and the last.
        drifts = [c[COUNT] - 1 - round((c[LAST_NS] - c[FIRST_NS]) / PACKET_NS) for c in heard] or [0]
        self.delays.sort()
        return {
            "calls": len(self.by_port),
            "heard": len(heard),
            "packets": sum(call[COUNT] for call in heard),
            "fewest": min((call[COUNT] for call in heard), default=0),
            "most": max((call[COUNT] for call in heard), default=0),
            "lost": self.lost,
            "disordered": self.disordered,
            "strays": self.strays,
            "drift": [min(drifts), max(drifts)],
            "gap": {**self.percentiles(), "max": self.longest / 1e6},
            "delay": {name: share_of(self.delays, share) / 1e6 for name, share in SHARES.items()},
            "marks": len(self.delays),
            "sent": self.sent,
            "sendErrors": self.send_errors,
            "lateMs": self.late / 1e6,
            "cpu": (time.process_time() - self.cpu) / elapsed if elapsed > 0 else 0,
        }

    def percentiles(self):
        total = sum(self.histogram)
        found = {}
        for name, share in SHARES.items():
            left = total * share
            for bin, count in enumerate(self.histogram):
                left -= count
                if left <= 0:
                    break
            found[name] = (bin + 1) * BIN_NS / 1e6 if total else 0
        return found

    def run_slice(self):
        """Sends what is due in this millisecond and reads a twentieth of the sockets."""
        tick, at = divmod(self.slice, SLICES)
        self.slice += 1
        calls = self.by_slice[at]
        if calls:
            header = struct.pack("!BBHII", 0x80, 0, tick & 0xFFFF, (tick * PAYLOAD) & 0xFFFFFFFF, 0x52494E47 + at)
            try:
                if self.marks and tick % MARK_EVERY == 0:
                    packet = header + MARK
                    for sendto, address, call in calls:
                        call[MARK_SENT_NS] = time.time_ns()
                        sendto(packet, address)
                else:
                    packet = header + self.payload(tick, at)
                    for sendto, address, _ in calls:
                        sendto(packet, address)
                self.sent += len(calls)
            except OSError:
                self.send_errors += 1
        for index in range(at, len(self.sockets), SLICES):
            self.read(self.sockets[index])

    def payload(self, tick, at):
        if self.marks:
            return SILENCE
        left = self.digit_left[at]
        if left > 0:
            self.digit_left[at] = left - 1
            return self.digit[-left]
        # Each slice is elsewhere in the speech, so that not all talk at once.
        return self.speech[(tick + at * 11) % len(self.speech)]

    def read(self, one):
        receive = one.recvmsg_into
        buffer = self.buffer
        buffers = [buffer]
        find = self.by_port.get
        histogram = self.histogram
        unpack = struct.Struct("@qq").unpack
        try:
            while True:
                length, ancillary, _, address = receive(buffers, 32)
                call = find(address[1])
                if call is None or length < 12:
                    self.strays += 1
                    continue
                seconds, nanoseconds = unpack(ancillary[0][2])
                now = seconds * 1_000_000_000 + nanoseconds
                sequence = buffer[2] << 8 | buffer[3]
                last = call[0]
                if last < 0:
                    call[2] = now
                else:
                    step = (sequence - last) & 0xFFFF
                    off = abs(now - call[1] - PACKET_NS)
                    histogram[off // BIN_NS if off < BINS * BIN_NS else BINS] += 1
                    if off > self.longest:
                        self.longest = off
                    if step != 1:
                        if step == 0 or step > 0x8000:
                            self.disordered += 1
                        else:
                            self.lost += step - 1
                call[0] = sequence
                call[1] = now
                call[3] += 1
                peer = call[4]
                if peer is not None and peer[5]:
                    loud = LOUD.search(buffer, 12, length)
                    if loud:
                        self.delays.append(now + (loud.start() - 12) * SAMPLE_NS - peer[5])
                        peer[5] = 0
        except BlockingIOError:
            pass

    def run(self):
        next_ns = time.monotonic_ns()
        pending = b""
        while True:
            idle = not self.by_port
            wait = 3600.0 if idle else max(0.0, (next_ns - time.monotonic_ns()) / 1e9)
            if select.select([0], [], [], wait)[0]:
                received = os.read(0, 1 << 16)
                if not received:
                    return
                *lines, pending = (pending + received).split(b"\n")
                for line in lines:
                    print(json.dumps(self.obey(json.loads(line))), flush=True)
                if idle:
                    next_ns = time.monotonic_ns()
            if idle:
                continue
            late = time.monotonic_ns() - next_ns
            if late < 0:
                continue
            if late > self.late:
                self.late = late
            self.run_slice()
            next_ns += SLICE_NS


SHARES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


def share_of(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def open_socket():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setblocking(False)
    try:
        one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except OSError:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    one.bind(("127.0.0.1", 0))
    return one


if __name__ == "__main__":
    # Nothing here is in cycles; collections would only make packets late.
    gc.disable()
    try:
        # Callers elsewhere would be on time, however busy this machine is.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        pass
    Load(packets(sys.argv[1]), packets(sys.argv[2])).run()
