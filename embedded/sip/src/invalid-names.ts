import type { SipClock } from './timers.js';

/** Names that one connection may have; a peer that says many would fill the maps. */
const MAX_NAMES = 4;
/** Identities that one name may have. */
const MAX_IDENTITIES = 8;
/** How long, and of how many names at most, it is remembered whose they were when nobody is there any more. */
const REMEMBERED_MS = 3_600_000;
const MAX_REMEMBERED = 4096;

interface Name {
  /** Connections that said it, in the order in which they did; `undefined` is replaced by who they proved to be. */
  claims: Map<number, string | undefined>;
  /** Who the name belongs to: the first that proved to be somebody, and who else that one is. Empty before. */
  identities: Set<string>;
  /** When the last connection went. */
  leftAtMs: number;
}

/**
 * Which connection is at the other end of a name that cannot be looked up because a WebSocket client made it up (RFC 7118
 * Appendix B.1). Anybody can say any name, thus saying is not enough once somebody proved to be somebody (a REGISTER that
 * was answered with success): from then on the name belongs to the identity, and is at the newest connection that proved to
 * be the same. Before that it is at the connection that said it first.
 */
export class InvalidNames {
  private readonly names = new Map<string, Name>();
  private readonly ofConnection = new Map<number, Set<string>>();
  /** Names that nobody has, the one that was left first ahead. */
  private readonly left = new Map<string, Name>();

  constructor(private readonly clock: Pick<SipClock, 'nowMs'>) {}

  /** Names that somebody has or that are remembered. */
  get size(): number {
    return this.names.size;
  }

  /** A request on a connection said the name. */
  say(host: string, connectionId: number): void {
    this.claim(host, connectionId);
  }

  /** A connection with this name proved to be somebody. @param identity the address of record */
  prove(host: string, connectionId: number, identity: string): void {
    const name = this.claim(host, connectionId);
    if (!name) return;
    const isOwner = name.identities.size === 0 || this.ownerOf(name) === connectionId;
    if (isOwner && name.identities.size < MAX_IDENTITIES) name.identities.add(identity);
    const before = name.claims.get(connectionId);
    // Another account on the same connection does not lose it what it proved before.
    if (!name.identities.has(identity) && before !== undefined && name.identities.has(before)) return;
    name.claims.delete(connectionId);
    name.claims.set(connectionId, identity);
  }

  /** The connection that has the name. */
  find(host: string): number | undefined {
    const name = this.names.get(host.toLowerCase());
    return name && this.ownerOf(name);
  }

  /** A connection is gone: the next one has its names. */
  forget(connectionId: number): void {
    for (const key of this.ofConnection.get(connectionId) ?? []) {
      const name = this.names.get(key)!;
      name.claims.delete(connectionId);
      if (name.claims.size > 0) continue;
      if (name.identities.size === 0) this.names.delete(key);
      else this.leave(key, name);
    }
    this.ofConnection.delete(connectionId);
  }

  private claim(host: string, connectionId: number): Name | undefined {
    const key = host.toLowerCase();
    const own = this.ofConnection.get(connectionId) ?? new Set();
    if (!own.has(key)) {
      if (own.size >= MAX_NAMES) return undefined;
      this.ofConnection.set(connectionId, own.add(key));
    }
    let name = this.names.get(key);
    if (name && this.left.delete(key) && this.isForgotten(name)) name = undefined;
    name ??= { claims: new Map(), identities: new Set(), leftAtMs: 0 };
    this.names.set(key, name);
    if (!name.claims.has(connectionId)) name.claims.set(connectionId, undefined);
    return name;
  }

  private ownerOf({ claims, identities }: Name): number | undefined {
    if (identities.size === 0) return claims.keys().next().value;
    let owner: number | undefined;
    for (const [connectionId, identity] of claims) {
      if (identity !== undefined && identities.has(identity)) owner = connectionId;
    }
    return owner;
  }

  private leave(key: string, name: Name): void {
    name.leftAtMs = this.clock.nowMs;
    this.left.set(key, name);
    for (const [oldest, one] of this.left) {
      if (this.left.size <= MAX_REMEMBERED && !this.isForgotten(one)) return;
      this.left.delete(oldest);
      this.names.delete(oldest);
    }
  }

  private isForgotten({ leftAtMs }: Name): boolean {
    return this.clock.nowMs - leftAtMs > REMEMBERED_MS;
  }
}
