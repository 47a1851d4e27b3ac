import type dgram from 'node:dgram';
import { RTCP_PACKET_BYTES } from './rtcp.js';
import { type RtpSocket, tryBind } from './rtp-socket.js';
import { SRTP_OVERHEAD_BYTES } from './srtp.js';

/** Where the peer has its RTCP. */
export type RtcpTerms =
  /** Where its RTP is, as ours (RFC 5761). */
  | { mux: true }
  /** A port of its own (RFC 3605); ours is then the one after that of our RTP. */
  | { mux: false; host: string; port: number };

/** A few reports, which are small. */
const RECEIVE_BUFFER_BYTES = 16 * 1024;

/**
 * Carries RTCP beside an {@link RtpSocket}: on its port, or on the one after it, for which a socket is opened only then. It hears nobody
 * but the source of the RTP, and answers nobody: reports go where the RTP goes, so that RTCP amplifies nothing.
 */
export class RtcpTransport {
  /** Datagrams of another source than the peer. */
  strayPackets = 0;
  /** SRTCP that was forged, damaged or seen already. */
  unauthenticPackets = 0;
  /** Buffer for the next packet, with room for its protection. */
  readonly buffer: Buffer = Buffer.alloc(RTCP_PACKET_BYTES + SRTP_OVERHEAD_BYTES);
  readonly #rtp: RtpSocket;
  readonly #onPacket: (packet: Buffer, length: number) => boolean;
  readonly #sources = { learned: '', probation: '' };
  #terms: RtcpTerms | undefined;
  /** @internal Its own port, where it has one. */
  socket: dgram.Socket | undefined;
  #opening: Promise<void> | undefined;
  #learnedPort = 0;
  #closed = false;

  /** `onPacket` takes opened datagrams of the peer and tells whether they are RTCP. The buffer is reused after its return. */
  constructor(rtp: RtpSocket, onPacket: (packet: Buffer, length: number) => boolean) {
    this.#rtp = rtp;
    this.#onPacket = onPacket;
  }

  /** Whether there is RTCP on this stream. */
  get isOn(): boolean {
    return this.#terms !== undefined;
  }

  /** Agrees on where RTCP is from now on; undefined: nowhere. Resolves when the port is open, or cannot be had. */
  configure(terms: RtcpTerms | undefined): Promise<void> {
    this.#terms = terms;
    this.#learnedPort = 0;
    this.#sources.learned = '';
    this.#rtp.onRtcp = terms?.mux ? (datagram, source) => this.#receive(datagram, source) : undefined;
    if (terms && !terms.mux && !this.socket) this.#opening ??= this.#open();
    return this.#opening ?? Promise.resolve();
  }

  /** Sends the first `length` bytes of {@link buffer}, secured as the stream is; false while nobody is known to send to. */
  send(length: number): boolean {
    const remote = this.#rtp.remote;
    if (!this.#terms || !remote) return false;
    const { host, port } = this.#destination(this.#terms, remote);
    const bytes = this.#rtp.protectRtcp(this.buffer, length);
    // Where the port after ours is taken, reports leave from ours.
    if (this.#terms.mux || !this.socket) this.#rtp.sendRaw(this.buffer, bytes, port, host);
    else this.socket.send(this.buffer, 0, bytes, port, host, () => undefined);
    return true;
  }

  /** Closes its own port. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#terms = undefined;
    this.#rtp.onRtcp = undefined;
    await this.#opening;
    const socket = this.socket;
    this.socket = undefined;
    if (socket) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  async #open(): Promise<void> {
    const { host, port } = this.#rtp;
    const socket = await tryBind(host, port + 1, RECEIVE_BUFFER_BYTES).catch(() => undefined);
    this.#opening = undefined;
    if (!socket) return;
    // Errors of the network, such as ICMP unreachable, change nothing.
    socket.on('error', () => undefined);
    socket.on('message', (datagram, source) => this.#receive(datagram, source));
    this.socket = socket;
    if (this.#closed) await this.close();
  }

  /** The port that the peer sends from, once it is known; else the one it names, unless its RTP comes from elsewhere: then the next. */
  #destination(terms: RtcpTerms, remote: { host: string; port: number }): { host: string; port: number } {
    if (terms.mux) return remote;
    if (this.#sources.learned === remote.host) return { host: remote.host, port: this.#learnedPort };
    return this.#rtp.isElsewhere ? { host: remote.host, port: remote.port + 1 } : terms;
  }

  #receive(datagram: Buffer, source: dgram.RemoteInfo): void {
    const terms = this.#terms;
    if (!terms) return;
    if (!this.#isPeer(terms, source)) {
      this.strayPackets++;
      return;
    }
    const length = this.#rtp.unprotectRtcp(datagram);
    if (length < 0) {
      this.unauthenticPackets++;
      return;
    }
    if (!this.#onPacket(datagram, length) || terms.mux) return;
    this.#learn(terms, source);
  }

  /** Whether a datagram comes from where the RTP comes from: its very port, or any port of that host until one is learned. */
  #isPeer(terms: RtcpTerms, { address, port }: dgram.RemoteInfo): boolean {
    const remote = this.#rtp.remote;
    if (!remote) return false;
    if (terms.mux) return remote.host === address && remote.port === port;
    if (!this.#rtp.isElsewhere && address === terms.host && port === terms.port) return true;
    if (address !== remote.host) return false;
    return this.#sources.learned !== address || this.#learnedPort === port;
  }

  /** As RTP does: the named port is taken at once, another one with its second packet. */
  #learn(terms: Extract<RtcpTerms, { mux: false }>, { address, port }: dgram.RemoteInfo): void {
    const remote = this.#rtp.remote;
    if (this.#sources.learned === address || address !== remote?.host) return;
    const key = `${address}:${port}`;
    if (port === terms.port || this.#sources.probation === key) {
      this.#sources.learned = address;
      this.#learnedPort = port;
    } else {
      this.#sources.probation = key;
    }
  }
}
