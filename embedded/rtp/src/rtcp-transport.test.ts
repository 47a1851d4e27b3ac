import dgram from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { writeRtp } from './packet.js';
import { ReceptionStatistics } from './reception-statistics.js';
import { RTCP_PACKET_BYTES } from './rtcp.js';
import { RtcpSession } from './rtcp-session.js';
import { type RtcpTerms, RtcpTransport } from './rtcp-transport.js';
import { RtpSocket } from './rtp-socket.js';
import { createSrtpKey, SRTP_SUITES } from './srtp-keys.js';

const NOTHING = { packets: 1, octets: 160, timestamp: 0 };

interface Teardown {
  teardown(fn: () => unknown): void;
}

/** One end of a stream with its RTCP. */
class End {
  readonly session: RtcpSession;
  readonly transport: RtcpTransport;
  heard = 0;
  #waiting: (() => void)[] = [];
  #sequence = 1;

  private constructor(
    readonly socket: RtpSocket,
    readonly ssrc: number,
  ) {
    this.session = new RtcpSession(ssrc, 'end');
    this.transport = new RtcpTransport(socket, (packet, length) => {
      const isTaken = this.session.receive(packet, length, Date.now());
      if (isTaken) this.heard++;
      this.wake();
      return isTaken;
    });
    socket.onPacket = () => this.wake();
  }

  static async open(t: Teardown, ssrc: number): Promise<End> {
    const end = new End(await RtpSocket.bind(), ssrc);
    t.teardown(async () => {
      await end.transport.close();
      await end.socket.close();
    });
    return end;
  }

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  rtp(): void {
    const packet = Buffer.alloc(172);
    writeRtp(
      packet,
      { marker: false, payloadType: 0, sequence: this.#sequence++, timestamp: 0, ssrc: this.ssrc },
      Buffer.alloc(160),
    );
    this.socket.send(packet);
  }

  report(): boolean {
    const { buffer } = this.transport;
    const length = this.session.write(buffer, 0, Date.now(), new ReceptionStatistics(), -1, NOTHING);
    return this.transport.send(length);
  }
}

async function pair(t: Teardown, terms: (of: End) => RtcpTerms): Promise<[End, End]> {
  const [a, b] = [await End.open(t, 1), await End.open(t, 2)];
  a.socket.setRemote('127.0.0.1', b.socket.port);
  b.socket.setRemote('127.0.0.1', a.socket.port);
  await a.transport.configure(terms(b));
  await b.transport.configure(terms(a));
  return [a, b];
}

const MODES = {
  'on the port of RTP': (): RtcpTerms => ({ mux: true }),
  'on the next port': ({ socket }: End): RtcpTerms => ({ mux: false, host: '127.0.0.1', port: socket.port + 1 }),
};

for (const [mode, terms] of Object.entries(MODES)) {
  for (const suite of [undefined, ...SRTP_SUITES]) {
    t.test(
      `rtcp ${mode}, ${suite?.name ?? 'plain'}: reports come through, forged and repeated ones do not`,
      async (t) => {
        const [a, b] = await pair(t, terms);
        if (suite) {
          const keys = [createSrtpKey(suite), createSrtpKey(suite)] as const;
          a.socket.setSecurity({ send: keys[0], receive: keys[1] });
          b.socket.setSecurity({ send: keys[1], receive: keys[0] });
        }
        a.rtp();
        b.rtp();
        await a.until(() => a.socket.isLatched);
        await b.until(() => b.socket.isLatched);
        t.ok(a.report());
        await b.until(() => b.heard === 1);
        t.equal(b.session.heard.ssrc, 1);
        t.equal(b.session.peerPackets, 1);
        b.report();
        await a.until(() => a.heard === 1);
        if (!suite) return;
        // The same bytes again, and in the clear.
        const target = mode.includes('next') ? b.socket.port + 1 : b.socket.port;
        const length = a.session.write(a.transport.buffer, 0, Date.now(), new ReceptionStatistics(), -1, NOTHING);
        const plain = Buffer.from(a.transport.buffer.subarray(0, length));
        const secured = Buffer.alloc(RTCP_PACKET_BYTES + 200);
        plain.copy(secured);
        const size = a.socket.protectRtcp(secured, length);
        t.notOk(secured.subarray(8, length).equals(plain.subarray(8)), 'nothing of it is readable');
        const from = (packet: Buffer, bytes: number): void => {
          if (mode.includes('next')) a.transport.socket!.send(packet, 0, bytes, target, '127.0.0.1');
          else a.socket.sendRaw(packet, bytes, target, '127.0.0.1');
        };
        from(secured, size);
        await b.until(() => b.heard === 2);
        from(secured, size);
        from(plain, length);
        a.report();
        await b.until(() => b.heard === 3);
        t.equal(b.transport.unauthenticPackets, 2);
      },
    );
  }

  t.test(`rtcp ${mode}: another source is not heard, and nothing is sent to it`, async (t) => {
    const [a, b] = await pair(t, terms);
    a.rtp();
    b.rtp();
    await a.until(() => a.socket.isLatched);
    a.report();
    await b.until(() => b.heard === 1);
    const stranger = dgram.createSocket('udp4');
    t.teardown(() => stranger.close());
    // Another address of this machine: what comes from there is not where the RTP comes from.
    stranger.bind(0, '127.0.0.2');
    await once(stranger, 'listening');
    let answers = 0;
    stranger.on('message', () => answers++);
    const length = b.session.write(b.transport.buffer, 0, Date.now(), new ReceptionStatistics(), -1, NOTHING);
    const forged = Buffer.from(b.transport.buffer.subarray(0, length));
    const target = mode.includes('next') ? a.socket.port + 1 : a.socket.port;
    for (let i = 0; i < 5; i++) stranger.send(forged, target, '127.0.0.1');
    b.report();
    await a.until(() => a.heard >= 1);
    a.report();
    await b.until(() => b.heard === 2);
    t.equal(a.heard, 1);
    t.equal(a.transport.strayPackets, 5);
    t.equal(answers, 0);
  });
}

t.test('rtcp: behind a NAT reports go to the port from which the peer sends its own', async (t) => {
  const server = await End.open(t, 1);
  const phone = await End.open(t, 2);
  phone.socket.setRemote('127.0.0.1', server.socket.port);
  await phone.transport.configure({ mux: false, host: '127.0.0.1', port: server.socket.port + 1 });
  // What SDP says is nowhere.
  server.socket.setRemote('127.0.0.9', 40_000);
  await server.transport.configure({ mux: false, host: '127.0.0.9', port: 40_001 });
  phone.rtp();
  phone.rtp();
  await server.until(() => server.socket.isLatched);
  t.ok(server.report(), 'the port after that of its RTP is tried');
  await phone.until(() => phone.heard === 1);
  const mapped = await End.open(t, 3);
  await mapped.transport.configure({ mux: false, host: '127.0.0.1', port: server.socket.port + 1 });
  mapped.socket.setRemote('127.0.0.1', server.socket.port);
  // Two reports from another port of that host, as a NAT may make it: from then on only that port counts.
  mapped.report();
  mapped.report();
  await server.until(() => server.heard === 2);
  server.report();
  await mapped.until(() => mapped.heard === 1);
  phone.report();
  mapped.report();
  await server.until(() => server.heard === 3);
  t.equal(server.transport.strayPackets, 1);
});

t.test('rtcp: where the next port is taken reports leave from that of RTP', async (t) => {
  const [a, b] = [await End.open(t, 1), await End.open(t, 2)];
  const taken = dgram.createSocket('udp4');
  taken.bind(a.socket.port + 1, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  a.socket.setRemote('127.0.0.1', b.socket.port);
  b.socket.setRemote('127.0.0.1', a.socket.port);
  await a.transport.configure(MODES['on the next port'](b));
  await b.transport.configure(MODES['on the next port'](a));
  a.report();
  await b.until(() => b.heard === 1);
  t.pass();
});

t.test('rtcp: a call without it hears none, and counts what comes as bad', async (t) => {
  const [a, b] = await pair(t, MODES['on the port of RTP']);
  await b.transport.configure(undefined);
  a.report();
  a.rtp();
  await b.until(() => b.socket.packetsReceived === 1);
  t.equal(b.heard, 0);
  t.equal(b.socket.badPackets, 1);
  t.notOk(b.report());
});
