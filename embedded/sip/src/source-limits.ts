import { hasCredentials, isKnownScanner } from './scanner-signs.js';

/** What one source address may do; 0 stands for no limit. */
export interface SourceLimitOptions {
  /** Requests a second; twice as many may come at once. */
  requestsPerSecond: number;
  /** Bytes a second, of datagrams and streams; twice as many may come at once. */
  bytesPerSecond: number;
  /** Connections open at the same time. */
  connections: number;
  /** Requests that wait for an answer at the same time. */
  openRequests: number;
  /** After so many refused requests without one that succeeded, a source is suspect; 0 switches suspicion off. */
  refusals: number;
  /** The same for a stranger: a source that never had success. */
  strangerRefusals: number;
  /**
   * So many requests that wait for an answer make a stranger without refusals suspect; with half of its refusals, half as
   * many do. A slow application alone must not condemn a trunk that nobody announced.
   */
  strangerWaiting: number;
  /** While more requests of strangers wait than this, each counts as a refused one: so does a flood that nobody answers. */
  strangersWaiting: number;
  /** Requests a second of a stranger; ten times as many may come at once. */
  strangerRequestsPerSecond: number;
  /** A stranger on a connection may have so many times more waiting, and send as many times faster: its address is no lie. */
  connectedTimes: number;
  /** Requests a second of all strangers together; twice as many may come at once. */
  strangersPerSecond: number;
  /** Requests of a stranger that may wait for an answer at the same time, however slowly they came. */
  strangerOpenRequests: number;
  /** The same for all strangers together. */
  strangersOpenRequests: number;
  /** Requests a second of a suspect source, until one succeeds; as many again with credentials. */
  suspectRequestsPerSecond: number;
  /** A source that was silent for so long is no longer suspect. */
  forgiveAfterMs: number;
  /** Sources that are remembered; those that were silent longest are forgotten first. */
  maxSources: number;
  /** Sources without limits, asked once per source that is not remembered. */
  isTrusted: (host: string) => boolean;
}

/**
 * Far above a carrier that sends 1,000 calls a second from one address (3,000 requests, some 6 MB); a scanner is told by
 * its refusals. What is said of strangers bounds the first second of a flood, before it is recognised: 100 addresses get
 * 1,000 requests to the applications then, some 200 a second after that, and 50 a second once each has had 100 refusals.
 * One stranger alone is a trunk that nobody announced more often than a scanner: 100 of its calls may wait.
 */
export const DEFAULT_SOURCE_LIMITS: SourceLimitOptions = {
  requestsPerSecond: 20_000,
  bytesPerSecond: 50_000_000,
  connections: 500,
  openRequests: 20_000,
  refusals: 100,
  strangerRefusals: 10,
  strangerWaiting: 100,
  strangersWaiting: 1000,
  strangerRequestsPerSecond: 10,
  connectedTimes: 5,
  strangersPerSecond: 1000,
  strangerOpenRequests: 50,
  strangersOpenRequests: 20_000,
  suspectRequestsPerSecond: 2,
  forgiveAfterMs: 600_000,
  maxSources: 100_000,
  isTrusted: () => false,
};

/** A source with ten times the refusals that make it suspect has a quarter of a suspect's rate. */
const HARDENED_TIMES = 10;

/** What a stranger may send at once: it should not be less than what may wait. */
const STRANGER_BURST_SECONDS = 10;

/** Why something of a source was turned away. */
export type LimitReason =
  | 'requests'
  | 'open'
  | 'suspect'
  | 'scanner'
  | 'stranger'
  | 'strangers'
  | 'bytes'
  | 'connections';

/** Whether a request may go on; 'drop' is said to those who should not even learn that there is somebody. */
export type Admission = 'admit' | 'refuse' | 'drop';

/** A source with requests that wait for an answer. */
export interface SourceHandle {
  /** How many. */
  readonly open: number;
}

interface Source extends SourceHandle {
  trusted: boolean;
  /** It had success: neither stranger nor, for its first refusals, suspect. */
  known: boolean;
  filledAtMs: number;
  requests: number;
  bytes: number;
  strangerRequests: number;
  suspectRequests: number;
  suspectCredentials: number;
  /** Refused requests since the last success. */
  refusals: number;
  /** Requests that wait for an answer. */
  open: number;
}

/**
 * Token buckets per source address, in bounded memory: sources are kept in two generations, and the older one is
 * forgotten when the younger is full. Called for every packet: nothing is allocated for a known source.
 *
 * A source is trusted (by configuration), known (it had success), a stranger (it had none yet) or suspect (it was refused
 * too often in a row). Only requests of strangers and suspects are looked at more closely.
 */
export class SourceLimits {
  /** How much was turned away. */
  readonly limited: Record<LimitReason, number> = {
    requests: 0,
    open: 0,
    suspect: 0,
    scanner: 0,
    stranger: 0,
    strangers: 0,
    bytes: 0,
    connections: 0,
  };
  private readonly options: SourceLimitOptions;
  private young = new Map<string, Source>();
  private old = new Map<string, Source>();
  private readonly connections = new Map<string, number>();
  /** Of all strangers together. */
  private strangers: { tokens: number; filledAtMs: number; open: number };

  constructor(
    options: Partial<SourceLimitOptions> = {},
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.options = { ...DEFAULT_SOURCE_LIMITS, ...options };
    this.strangers = { tokens: 2 * this.options.strangersPerSecond, filledAtMs: this.nowMs(), open: 0 };
  }

  /** Sources remembered; never more than `maxSources`. */
  get size(): number {
    return this.young.size + this.old.size;
  }

  /** Requests of strangers that wait for an answer. */
  get openOfStrangers(): number {
    return this.strangers.open;
  }

  /**
   * Takes a request of a source into account; an ACK is never held against a suspect.
   * @param bytes the request as it came; undefined leaves what it says out of account
   * @param isConnected it came over TCP, TLS or a WebSocket, whose handshake proves the address
   */
  admitRequest(host: string, isAck: boolean, bytes?: Buffer, isConnected = false): Admission {
    const source = this.find(host);
    if (source.trusted) return 'admit';
    const { requestsPerSecond, openRequests, refusals } = this.options;
    if (requestsPerSecond > 0 && !take(source, 'requests')) return this.turnAway('requests', 'refuse');
    const isFull = openRequests > 0 && source.open >= openRequests;
    if (isFull && !isAck && !endsCall(bytes)) return this.turnAway('open', 'refuse');
    if (isAck || refusals === 0) return 'admit';
    if (this.isSuspect(source, isConnected)) return this.admitSuspect(source, bytes);
    return source.known ? 'admit' : this.admitStranger(source, bytes, isConnected);
  }

  /** Takes received bytes into account; false when they are over the limit. */
  admitBytes(host: string, count: number): boolean {
    if (this.options.bytesPerSecond === 0) return true;
    const source = this.find(host);
    if (source.trusted) return true;
    source.bytes -= count;
    if (source.bytes >= 0) return true;
    source.bytes = 0;
    this.limited.bytes++;
    return false;
  }

  /** Takes a new connection into account; false when there are too many. Give it back with {@link releaseConnection}. */
  admitConnection(host: string): boolean {
    const open = this.connections.get(host) ?? 0;
    const { connections } = this.options;
    if (connections > 0 && open >= connections && !this.find(host).trusted) {
      this.limited.connections++;
      return false;
    }
    this.connections.set(host, open + 1);
    return true;
  }

  /** An admitted connection has ended. */
  releaseConnection(host: string): void {
    const open = this.connections.get(host) ?? 0;
    if (open > 1) this.connections.set(host, open - 1);
    else this.connections.delete(host);
  }

  /** A request of the source waits for its answer from now on; give what is returned to {@link noteClosed}, once. */
  noteOpen(host: string): SourceHandle {
    const source = this.find(host);
    source.open++;
    if (!source.known) this.strangers.open++;
    return source;
  }

  /** A request is answered or gone. */
  noteClosed(handle: SourceHandle): void {
    const source = handle as Source;
    source.open--;
    if (!source.known) this.strangers.open--;
  }

  /**
   * Learns from an answer to a request of the source: a success (also that it rings) clears it, a refusal counts against it.
   * @param method of the request; anybody may have OPTIONS and CANCEL answered, so that their success says nothing
   */
  noteAnswer(host: string, status: number, method = 'INVITE'): void {
    const source = this.find(host);
    if (status > 100 && status < 300) {
      if (method === 'OPTIONS' || method === 'CANCEL') return;
      source.refusals = 0;
      if (!source.known) this.strangers.open -= source.open;
      source.known = true;
    } else if (isRefusal(status)) source.refusals++;
  }

  private isSuspect(source: Source, isConnected: boolean): boolean {
    const { refusals, strangerRefusals, strangerWaiting, strangersWaiting, connectedTimes } = this.options;
    if (source.known || strangerRefusals === 0) return source.refusals >= refusals;
    const isCrowded = this.strangers.open >= strangersWaiting;
    const mayWait = (isCrowded ? strangerRefusals : strangerWaiting) * (isConnected ? connectedTimes : 1);
    return source.refusals + (source.open * strangerRefusals) / mayWait >= strangerRefusals;
  }

  private admitSuspect(source: Source, bytes: Buffer | undefined): Admission {
    const { strangerOpenRequests } = this.options;
    if (!source.known && strangerOpenRequests > 0 && source.open >= strangerOpenRequests) {
      return this.turnAway('suspect', 'drop');
    }
    // Who was challenged in the midst of others' refusals may prove himself.
    const bucket = bytes && hasCredentials(bytes) ? 'suspectCredentials' : 'suspectRequests';
    return take(source, bucket) ? 'admit' : this.turnAway('suspect', 'drop');
  }

  private admitStranger(source: Source, bytes: Buffer | undefined, isConnected: boolean): Admission {
    const { strangerRequestsPerSecond, strangersPerSecond, strangersOpenRequests, strangerRefusals } = this.options;
    const price = isConnected ? 1 / this.options.connectedTimes : 1;
    if (bytes && isKnownScanner(bytes)) {
      source.refusals += Math.max(1, strangerRefusals);
      return this.turnAway('scanner', 'drop');
    }
    if (strangerRequestsPerSecond > 0 && !take(source, 'strangerRequests', price)) {
      return this.turnAway('stranger', 'drop');
    }
    if (strangersOpenRequests > 0 && this.strangers.open >= strangersOpenRequests) {
      return this.turnAway('strangers', 'drop');
    }
    if (strangersPerSecond === 0) return 'admit';
    const { strangers } = this;
    const seconds = (source.filledAtMs - strangers.filledAtMs) / 1000;
    strangers.filledAtMs = source.filledAtMs;
    strangers.tokens = Math.min(2 * strangersPerSecond, strangers.tokens + seconds * strangersPerSecond);
    return take(strangers, 'tokens') ? 'admit' : this.turnAway('strangers', 'drop');
  }

  private turnAway(reason: LimitReason, admission: Admission): Admission {
    this.limited[reason]++;
    return admission;
  }

  private find(host: string): Source {
    const now = this.nowMs();
    const known = this.young.get(host);
    if (known) {
      this.refill(known, now);
      return known;
    }
    const aged = this.old.get(host);
    const source = aged ?? this.make(host, now);
    if (aged) {
      this.old.delete(host);
      this.refill(aged, now);
    }
    if (this.young.size >= Math.max(1, this.options.maxSources >> 1)) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(host, source);
    return source;
  }

  private make(host: string, now: number): Source {
    const { options } = this;
    const trusted = options.isTrusted(host);
    return {
      trusted,
      known: trusted,
      filledAtMs: now,
      requests: 2 * options.requestsPerSecond,
      bytes: 2 * options.bytesPerSecond,
      strangerRequests: STRANGER_BURST_SECONDS * options.strangerRequestsPerSecond,
      suspectRequests: options.suspectRequestsPerSecond,
      suspectCredentials: options.suspectRequestsPerSecond,
      refusals: 0,
      open: 0,
    };
  }

  private refill(source: Source, now: number): void {
    const seconds = (now - source.filledAtMs) / 1000;
    if (seconds <= 0) return;
    const { options } = this;
    source.filledAtMs = now;
    if (seconds * 1000 >= options.forgiveAfterMs) source.refusals = 0;
    const refilled = (tokens: number, perSecond: number, burst: number): number =>
      Math.min(burst, tokens + seconds * perSecond);
    source.requests = refilled(source.requests, options.requestsPerSecond, 2 * options.requestsPerSecond);
    source.bytes = refilled(source.bytes, options.bytesPerSecond, 2 * options.bytesPerSecond);
    source.strangerRequests = refilled(
      source.strangerRequests,
      options.strangerRequestsPerSecond,
      STRANGER_BURST_SECONDS * options.strangerRequestsPerSecond,
    );
    const hardened = source.refusals >= HARDENED_TIMES * (source.known ? options.refusals : options.strangerRefusals);
    const suspectRate = hardened ? options.suspectRequestsPerSecond / 4 : options.suspectRequestsPerSecond;
    const suspectBurst = Math.max(1, options.suspectRequestsPerSecond);
    source.suspectRequests = refilled(source.suspectRequests, suspectRate, suspectBurst);
    source.suspectCredentials = refilled(source.suspectCredentials, suspectRate, suspectBurst);
  }
}

/** CANCEL and BYE: who has too much open must be able to end it. */
function endsCall(bytes: Buffer | undefined): boolean {
  const method = bytes?.toString('latin1', 0, 7) ?? '';
  return method === 'CANCEL ' || method.startsWith('BYE ');
}

/** Takes a token; what is less than one stays, so that a source that asks all the time gets its rate too. */
function take<K extends string>(from: Record<K, number>, bucket: K, price = 1): boolean {
  if (from[bucket] < price) return false;
  from[bucket] -= price;
  return true;
}

/** Answers that scanners get; busy, no answer and our own failures say nothing about who asked. */
function isRefusal(status: number): boolean {
  switch (status) {
    case 408:
    case 480:
    case 481:
    case 482:
    case 483:
    case 486:
    case 487:
    case 491:
      return false;
    default:
      return (status >= 400 && status < 500) || status === 501 || status === 505 || status === 513;
  }
}
