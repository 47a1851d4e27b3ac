/** What one source address may do; 0 stands for no limit. */
export interface SourceLimitOptions {
  /** Requests a second; twice as many may come at once. */
  requestsPerSecond: number;
  /** Bytes a second, of datagrams and streams; twice as many may come at once. */
  bytesPerSecond: number;
  /** Connections open at the same time. */
  connections: number;
  /** After so many refused requests without one that succeeded, a source is suspect. */
  refusals: number;
  /** Requests a second of a suspect source, until one succeeds. */
  suspectRequestsPerSecond: number;
  /** Sources that are remembered; those that were silent longest are forgotten first. */
  maxSources: number;
  /** Sources without limits, asked once per source that is not remembered. */
  isTrusted: (host: string) => boolean;
}

/** Far above a carrier that sends 1,000 calls a second from one address (3,000 requests, some 6 MB); a scanner is told by its refusals. */
export const DEFAULT_SOURCE_LIMITS: SourceLimitOptions = {
  requestsPerSecond: 20_000,
  bytesPerSecond: 50_000_000,
  connections: 500,
  refusals: 100,
  suspectRequestsPerSecond: 2,
  maxSources: 100_000,
  isTrusted: () => false,
};

/** Why something of a source was turned away. */
export type LimitReason = 'requests' | 'suspect' | 'bytes' | 'connections';

interface Source {
  trusted: boolean;
  filledAtMs: number;
  requests: number;
  bytes: number;
  suspectRequests: number;
  /** Refused requests since the last success. */
  refusals: number;
}

/**
 * Token buckets per source address, in bounded memory: sources are kept in two generations, and the older one is
 * forgotten when the younger is full. Called for every packet: nothing is allocated for a known source.
 */
export class SourceLimits {
  /** How much was turned away. */
  readonly limited: Record<LimitReason, number> = { requests: 0, suspect: 0, bytes: 0, connections: 0 };
  private readonly options: SourceLimitOptions;
  private young = new Map<string, Source>();
  private old = new Map<string, Source>();
  private readonly connections = new Map<string, number>();

  constructor(
    options: Partial<SourceLimitOptions> = {},
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.options = { ...DEFAULT_SOURCE_LIMITS, ...options };
  }

  /** Sources remembered; never more than `maxSources`. */
  get size(): number {
    return this.young.size + this.old.size;
  }

  /** Takes a request of a source into account; false when it is over a limit. An ACK (`isAck`) is never held against a suspect. */
  admitRequest(host: string, isAck: boolean): boolean {
    const source = this.find(host);
    if (source.trusted) return true;
    const { requestsPerSecond, refusals } = this.options;
    if (requestsPerSecond > 0 && --source.requests < 0) {
      source.requests = 0;
      this.limited.requests++;
      return false;
    }
    if (!isAck && refusals > 0 && source.refusals >= refusals && --source.suspectRequests < 0) {
      source.suspectRequests = 0;
      this.limited.suspect++;
      return false;
    }
    return true;
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

  /** Learns from the final answer to a request of the source: a success clears it, a refusal counts against it. */
  noteAnswer(host: string, status: number): void {
    const source = this.find(host);
    if (status >= 200 && status < 300) source.refusals = 0;
    else if (isRefusal(status)) source.refusals++;
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
    const { requestsPerSecond, bytesPerSecond, suspectRequestsPerSecond, isTrusted } = this.options;
    return {
      trusted: isTrusted(host),
      filledAtMs: now,
      requests: 2 * requestsPerSecond,
      bytes: 2 * bytesPerSecond,
      suspectRequests: suspectRequestsPerSecond,
      refusals: 0,
    };
  }

  private refill(source: Source, now: number): void {
    const seconds = (now - source.filledAtMs) / 1000;
    if (seconds <= 0) return;
    const { requestsPerSecond, bytesPerSecond, suspectRequestsPerSecond } = this.options;
    source.filledAtMs = now;
    source.requests = Math.min(2 * requestsPerSecond, source.requests + seconds * requestsPerSecond);
    source.bytes = Math.min(2 * bytesPerSecond, source.bytes + seconds * bytesPerSecond);
    source.suspectRequests = Math.min(
      Math.max(1, suspectRequestsPerSecond),
      source.suspectRequests + seconds * suspectRequestsPerSecond,
    );
  }
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
