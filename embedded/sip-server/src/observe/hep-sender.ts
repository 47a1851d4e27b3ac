import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { lookup } from 'node:dns';
import { connect as connectTcp, isIP, isIPv6, type Socket as TcpSocket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Logger } from '@ringwire/common/log/logger.js';
import { encodeHep, type HepIdentity } from './hep.js';
import { maskSecrets } from './mask-secrets.js';
import type { WireMessage } from './wire-message.js';

/** Where packets go. */
export interface HepTarget {
  host: string;
  port: number;
  protocol: 'udp' | 'tcp' | 'tls';
}

/** What became of the packets. */
export interface HepCounters {
  /** Handed to the operating system. */
  sent: number;
  /** Homer did not take them fast enough, or was not there. */
  dropped: number;
  /** Messages too large for a packet. */
  oversize: number;
}

/** One way to Homer. */
interface HepLink {
  /** Whether packets would go out now. */
  readonly isReady: boolean;
  readonly waitingBytes: number;
  /** Never throws, never waits; `done` is called once, with whether the packet went out. */
  send(packet: Buffer, done: (isSent: boolean) => void): void;
  close(): void;
}

/** What may wait for a socket, in bytes. Larger shows more after a short outage; smaller costs less memory in a long one. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** Between two attempts to reach Homer. */
const RETRY_MS = 2_000;

/** Sends messages to Homer as HEP 3. Whatever Homer does costs at most 4 MB of memory and no call any time. */
export class HepSender {
  readonly counters: HepCounters = { sent: 0, dropped: 0, oversize: 0 };
  private readonly link: HepLink;

  constructor(
    target: HepTarget,
    private readonly identity: HepIdentity,
    logger: Logger,
    retryMs = RETRY_MS,
  ) {
    const note = oncePerMinute(logger, target);
    this.link = target.protocol === 'udp' ? new UdpLink(target, retryMs, note) : new StreamLink(target, retryMs, note);
  }

  take(message: WireMessage): void {
    const packet = encodeHep(message, maskSecrets(message.bytes), this.identity);
    if (packet) this.link.send(packet, this.count);
    else this.counters.oversize++;
  }

  /** Whether Homer's address is known and, but for UDP, connected to. */
  get isReady(): boolean {
    return this.link.isReady;
  }

  /** Bytes that Homer has not taken yet. */
  get waitingBytes(): number {
    return this.link.waitingBytes;
  }

  close(): void {
    this.link.close();
  }

  private readonly count = (isSent: boolean): void => {
    if (isSent) this.counters.sent++;
    else this.counters.dropped++;
  };
}

/** Tells of a failure. */
type Note = (err: Error) => void;

/** With a dead Homer every packet fails. */
function oncePerMinute(logger: Logger, { host, port, protocol }: HepTarget): Note {
  let toldAtMs = -Infinity;
  return (err) => {
    if (performance.now() - toldAtMs < 60_000) return;
    toldAtMs = performance.now();
    logger.warn({ err, host, port, protocol }, 'homer cannot be reached; calls go on without');
  };
}

/** Datagrams to an address that is looked up once; refusals (ICMP) are noted and change nothing. */
class UdpLink implements HepLink {
  private socket: UdpSocket | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  waitingBytes = 0;

  constructor(
    private readonly target: HepTarget,
    private readonly retryMs: number,
    private readonly note: Note,
  ) {
    this.open();
  }

  get isReady(): boolean {
    return this.socket !== undefined;
  }

  send(packet: Buffer, done: (isSent: boolean) => void): void {
    const { socket } = this;
    if (!socket || this.waitingBytes + packet.length > MAX_WAITING_BYTES) {
      done(false);
      return;
    }
    this.waitingBytes += packet.length;
    socket.send(packet, (err) => {
      this.waitingBytes -= packet.length;
      if (err) this.note(err);
      done(!err);
    });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = undefined;
  }

  private open(): void {
    lookup(this.target.host, (err, address) => {
      if (this.closed) return;
      if (err) {
        this.note(err);
        this.timer = setTimeout(() => this.open(), this.retryMs).unref();
        return;
      }
      const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
      socket.unref();
      socket.on('error', (error) => this.note(error));
      socket.connect(this.target.port, address, () => {
        if (!this.closed) this.socket = socket;
        else socket.close();
      });
    });
  }
}

/** One connection, made again when it is lost; packets of an outage are dropped beyond {@link MAX_WAITING_BYTES}. */
class StreamLink implements HepLink {
  private socket: TcpSocket;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly target: HepTarget,
    private readonly retryMs: number,
    private readonly note: Note,
  ) {
    this.socket = this.open();
  }

  get isReady(): boolean {
    return this.socket.readyState === 'open';
  }

  get waitingBytes(): number {
    return this.socket.writableLength;
  }

  send(packet: Buffer, done: (isSent: boolean) => void): void {
    const { socket } = this;
    if (socket.destroyed || socket.writableLength + packet.length > MAX_WAITING_BYTES) done(false);
    else socket.write(packet, (err) => done(!err));
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket.destroy();
  }

  private open(): TcpSocket {
    const { host, port, protocol } = this.target;
    const socket =
      protocol === 'tls'
        ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }) })
        : connectTcp({ host, port, noDelay: true });
    socket.unref();
    // Homer says nothing; what it says is not kept.
    socket.resume();
    socket.on('error', (err) => this.note(err));
    socket.on('close', () => {
      if (this.closed) return;
      this.timer = setTimeout(() => {
        this.socket = this.open();
      }, this.retryMs).unref();
    });
    return socket;
  }
}
