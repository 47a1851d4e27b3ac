import dgram from 'node:dgram';
import { PortRangeExhaustedError } from './errors.js';
import { createRtpPacket, parseRtp, RTP_HEADER_BYTES, type RtpPacket } from './packet.js';
import { looksLikeRtcp } from './rtcp.js';
import type { SrtpAgreement } from './sdes.js';
import { SRTP_OVERHEAD_BYTES, SrtpContext } from './srtp.js';
import type { SrtpKey } from './srtp-keys.js';

/** Where an {@link RtpSocket} listens and what it does with what comes. */
export interface RtpSocketOptions {
  /** Address to bind. @defaultValue 127.0.0.1 */
  host?: string;
  /** Lowest port; 0 takes any free port of the system. @defaultValue 0 */
  minPort?: number;
  /** Highest port, inclusive. @defaultValue minPort */
  maxPort?: number;
  /**
   * After so long without a packet of the latched source another one may take its place, as when a NAT gave the peer another port;
   * with two packets in sequence. 0: never, once the source is believed. @defaultValue 0
   */
  relatchAfterMs?: number;
  /** The peer that had this port before: it may still be sending, and must not latch unless it is named. */
  formerPeer?: { host: string; port: number } | undefined;
  /** Called with each valid packet of the latched source. Both arguments are reused after return. */
  onPacket?: (packet: RtpPacket, datagram: Buffer) => void;
}

/** Takes RTCP datagrams as they came from the network. */
export type RtcpReceiver = (datagram: Buffer, source: dgram.RemoteInfo) => void;

/**
 * A source that SDP does not name is believed after so many packets (a second of most calls), and never loses its place by silence
 * then. More: a caller behind NAT who pauses early can lose its place to a stranger until it speaks again; fewer: a stranger who
 * sends a short burst keeps the place of a caller behind NAT.
 */
const PACKETS_TO_BELIEVE = 50;
/** So long without a packet, and a source that is not believed yet may be replaced; longer than what networks delay a steady stream. */
const UNBELIEVED_SILENCE_MS = 200;

const MAX_PORT_TRIES = 512;
const RECEIVE_BUFFER_BYTES = 256 * 1024;

/** Longest packet that is secured, and how many buffers are used in turn: the kernel may still read the last one. */
const MAX_SECURED_BYTES = 2048;
const SECURED_BUFFERS = 4;

/**
 * A UDP socket for one RTP stream both ways, on an even port. Symmetric: the first source that sends RTP (at once from the address
 * named, else two packets in sequence) is where packets go from then on, and the only one that is heard. The address named takes the
 * place of any other as soon as it sends, and keeps it until {@link setRemote} names another. A source that is not named is replaced
 * by whoever sends two packets in sequence while it is silent, until it has sent for a second, and again after {@link setRemote}.
 * Counters tell what was dropped. Errors of the network are counted, never thrown.
 */
export class RtpSocket {
  readonly host: string;
  readonly port: number;
  /** Valid packets from the latched source. */
  packetsReceived = 0;
  packetsSent = 0;
  /** Datagrams that are not RTP. */
  badPackets = 0;
  /** Valid packets from another source than the latched one. */
  strayPackets = 0;
  /** SRTP packets that were forged, damaged, seen already or under another key; none of them can latch. */
  unauthenticPackets = 0;
  /** Failed sends and socket errors, such as ICMP unreachable. */
  networkErrors = 0;
  readonly #socket: dgram.Socket;
  readonly #packet = createRtpPacket();
  readonly #onSent = (error: Error | null): void => {
    if (error) this.networkErrors++;
  };
  #onPacket: (packet: RtpPacket, datagram: Buffer) => void;
  #onRtcp: RtcpReceiver | undefined;
  #remoteHost = '';
  #remotePort = 0;
  #namedHost = '';
  #namedPort = 0;
  #latched = false;
  /** Packets that the latched source still has to send until it is believed; 0 for the one that SDP names. */
  #untilBelieved = 0;
  readonly #relatchAfterMs: number;
  #lastHeardMs = 0;
  /** Where the peer was before its address changed: its last packets must not latch us back. */
  #abandoned = '';
  #probation: { key: string; ssrc: number; sequence: number } | undefined;
  #closed = false;
  #srtpKeys: SrtpAgreement | undefined;
  #protector: SrtpContext | undefined;
  #opener: SrtpContext | undefined;
  #secured: Buffer[] = [];
  #turn = 0;

  private constructor(socket: dgram.Socket, { onPacket, relatchAfterMs = 0, formerPeer }: RtpSocketOptions) {
    this.#socket = socket;
    if (formerPeer) this.#abandoned = keyOf(formerPeer.host, formerPeer.port);
    this.#relatchAfterMs = relatchAfterMs;
    this.#onPacket = onPacket ?? (() => undefined);
    const address = socket.address();
    this.host = address.address;
    this.port = address.port;
    socket.on('message', (datagram, source) => this.#receive(datagram, source));
    socket.on('error', () => {
      this.networkErrors++;
    });
  }

  /**
   * Binds the first free even port of the range, beginning at a random place.
   *
   * @throws PortRangeExhaustedError when none was free; the system's error when the address is not ours.
   */
  static async bind(options: RtpSocketOptions = {}): Promise<RtpSocket> {
    const { host = '127.0.0.1', minPort = 0 } = options;
    const maxPort = options.maxPort ?? minPort;
    if (minPort === 0) return new RtpSocket(await bindAnyEven(host), options);
    const first = minPort + (minPort & 1);
    const count = Math.floor((maxPort - first) / 2) + 1;
    if (count < 1) throw new PortRangeExhaustedError(minPort, maxPort);
    const start = Math.floor(Math.random() * count);
    for (let i = 0; i < count; i++) {
      const socket = await tryBind(host, first + ((start + i) % count) * 2);
      if (socket) return new RtpSocket(socket, options);
    }
    throw new PortRangeExhaustedError(minPort, maxPort);
  }

  /** Replaces the receiver of packets. */
  set onPacket(receiver: (packet: RtpPacket, datagram: Buffer) => void) {
    this.#onPacket = receiver;
  }

  /** Takes RTCP that shares the port (RFC 5761), from whatever source; without a receiver it counts among the bad packets. */
  set onRtcp(receiver: RtcpReceiver | undefined) {
    this.#onRtcp = receiver;
  }

  /** Where packets go now: the latched source, else the address last named; undefined when neither is known. */
  get remote(): { host: string; port: number } | undefined {
    return this.#remotePort === 0 ? undefined : { host: this.#remoteHost, port: this.#remotePort };
  }

  /** Whether packets go elsewhere than to the address last named: the peer's RTP comes from there. */
  get isElsewhere(): boolean {
    return this.#remotePort !== this.#namedPort || this.#remoteHost !== this.#namedHost;
  }

  /** Whether a source has been latched. */
  get isLatched(): boolean {
    return this.#latched;
  }

  /**
   * Names the peer's address as its SDP has it, for each SDP anew. A new address lifts the latch. The same one keeps it, but a source
   * that is not named has to be believed anew: packets go there still, and whoever else sends takes its place when it is silent.
   */
  setRemote(host: string, port: number): void {
    if (host === this.#namedHost && port === this.#namedPort) {
      if (this.#latched && this.isElsewhere) this.#doubt();
      return;
    }
    if (this.#remotePort !== 0) this.#abandoned = keyOf(this.#remoteHost, this.#remotePort);
    if (this.#abandoned === keyOf(host, port)) this.#abandoned = '';
    this.#namedHost = host;
    this.#namedPort = port;
    this.#remoteHost = host;
    this.#remotePort = port;
    this.#latched = false;
  }

  /**
   * Secures both directions with these keys from now on, or neither. A direction whose key stays keeps its state, so that a new
   * agreement with the same keys does not disturb the stream.
   */
  setSecurity(keys: SrtpAgreement | undefined): void {
    if (!isSameKey(keys?.send, this.#srtpKeys?.send)) this.#protector = keys && new SrtpContext(keys.send);
    if (!isSameKey(keys?.receive, this.#srtpKeys?.receive)) this.#opener = keys && new SrtpContext(keys.receive);
    this.#srtpKeys = keys;
    if (keys && this.#secured.length === 0) {
      this.#secured = Array.from({ length: SECURED_BUFFERS }, () => Buffer.alloc(MAX_SECURED_BYTES));
    }
  }

  /** Sends the first `length` bytes of `packet`, which must stay unchanged for some ms; dropped while no peer is known. */
  send(packet: Uint8Array, length: number = packet.length): void {
    if (this.#closed || this.#remotePort === 0) return;
    if (this.#protector) {
      if (length + SRTP_OVERHEAD_BYTES > MAX_SECURED_BYTES) return;
      const secured = this.#secured[this.#turn]!;
      this.#turn = (this.#turn + 1) % SECURED_BUFFERS;
      secured.set(length === packet.length ? packet : packet.subarray(0, length));
      length = this.#protector.protect(secured, length);
      packet = secured;
    }
    this.packetsSent++;
    this.#socket.send(packet, 0, length, this.#remotePort, this.#remoteHost, this.#onSent);
  }

  /** Sends something else than the stream from this port: neither secured nor counted. The buffer must stay unchanged for some ms. */
  sendRaw(packet: Uint8Array, length: number, port: number, host: string): void {
    if (!this.#closed) this.#socket.send(packet, 0, length, port, host, this.#onSent);
  }

  /** Secures an RTCP packet in place where the stream is secured; room as {@link SrtpContext.protectRtcp}. Returns its length. */
  protectRtcp(packet: Buffer, length: number): number {
    return this.#protector ? this.#protector.protectRtcp(packet, length) : length;
  }

  /** Opens an RTCP packet in place where the stream is secured; returns its length, −1 when it is not genuine or was seen already. */
  unprotectRtcp(packet: Buffer): number {
    return this.#opener ? this.#opener.unprotectRtcp(packet) : packet.length;
  }

  /** Closes the socket; resolves when the port is free. Idempotent. */
  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #receive(datagram: Buffer, source: dgram.RemoteInfo): void {
    if (this.#onRtcp && looksLikeRtcp(datagram)) {
      this.#onRtcp(datagram, source);
      return;
    }
    if (this.#opener) {
      if (!looksLikeRtp(datagram)) {
        this.badPackets++;
        return;
      }
      const length = this.#opener.unprotect(datagram);
      if (length < 0) {
        this.unauthenticPackets++;
        return;
      }
      datagram = datagram.subarray(0, length);
    }
    if (!parseRtp(datagram, this.#packet)) {
      this.badPackets++;
      return;
    }
    if (!(this.#latched && this.#isRemote(source)) && !this.#latch(source)) {
      this.strayPackets++;
      return;
    }
    if (this.#untilBelieved > 0) {
      this.#untilBelieved--;
      this.#lastHeardMs = performance.now();
    } else if (this.#relatchAfterMs > 0) this.#lastHeardMs = performance.now();
    this.packetsReceived++;
    this.#onPacket(this.#packet, datagram);
  }

  #isRemote(source: dgram.RemoteInfo): boolean {
    return source.port === this.#remotePort && source.address === this.#remoteHost;
  }

  /** Gives the place to another source than the one that has it, if that may have it. */
  #latch(source: dgram.RemoteInfo): boolean {
    const isNamed = source.port === this.#namedPort && source.address === this.#namedHost;
    if (!isNamed && !((!this.#latched || this.#isSilent()) && this.#mayLatch(source))) return false;
    this.#latched = true;
    this.#remoteHost = source.address;
    this.#remotePort = source.port;
    if (isNamed) this.#untilBelieved = 0;
    else this.#doubt();
    return true;
  }

  #doubt(): void {
    this.#untilBelieved = PACKETS_TO_BELIEVE;
    this.#lastHeardMs = performance.now();
  }

  /** Whether the latched source has been silent for so long that another may take its place. */
  #isSilent(): boolean {
    const boundMs = this.#untilBelieved > 0 ? UNBELIEVED_SILENCE_MS : this.#relatchAfterMs;
    return boundMs > 0 && performance.now() - this.#lastHeardMs > boundMs;
  }

  /**
   * A source that SDP does not name, as behind NAT, is taken with two packets in sequence (RFC 3550 A.1), so that a stray datagram
   * takes nobody's place; the peer's address before the last change not at all.
   */
  #mayLatch({ address, port }: dgram.RemoteInfo): boolean {
    const key = keyOf(address, port);
    if (key === this.#abandoned) return false;
    const { sequence, ssrc } = this.#packet;
    const last = this.#probation;
    this.#probation = { key, ssrc, sequence };
    return last?.key === key && last.ssrc === ssrc && ((last.sequence + 1) & 0xffff) === sequence;
  }
}

function looksLikeRtp(datagram: Buffer): boolean {
  return (
    datagram.length >= RTP_HEADER_BYTES && datagram[0]! >> 6 === 2 && !(datagram[1]! >= 192 && datagram[1]! <= 223)
  );
}

function isSameKey(one: SrtpKey | undefined, other: SrtpKey | undefined): boolean {
  if (!one || !other) return one === other;
  return (
    one.suite === other.suite &&
    one.keySalt === other.keySalt &&
    one.mki?.value === other.mki?.value &&
    one.mki?.bytes === other.mki?.bytes
  );
}

/** The address as one text; only made of packets that could latch. */
function keyOf(host: string, port: number): string {
  return `${host}:${port}`;
}

async function bindAnyEven(host: string): Promise<dgram.Socket> {
  for (let i = 0; i < MAX_PORT_TRIES; i++) {
    const socket = await tryBind(host, 0);
    if (socket && socket.address().port % 2 === 0) return socket;
    socket?.close();
  }
  throw new PortRangeExhaustedError(1024, 65535);
}

/** @internal A bound UDP socket, or undefined when the port is taken. */
export function tryBind(
  host: string,
  port: number,
  recvBufferSize: number = RECEIVE_BUFFER_BYTES,
): Promise<dgram.Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket({
      type: host.includes(':') ? 'udp6' : 'udp4',
      recvBufferSize,
      // Addresses only, so that no name look-up runs on another thread for each packet.
      lookup: (address, _options, callback) => callback(null, address, address.includes(':') ? 6 : 4),
    });
    const onError = (error: NodeJS.ErrnoException): void => {
      socket.close();
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    };
    socket.once('error', onError);
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.off('error', onError);
      resolve(socket);
    });
  });
}
