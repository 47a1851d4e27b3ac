import { createHash, timingSafeEqual } from 'node:crypto';

/** How hard guessing the password is. */
export interface LoginLimits {
  /** Connections one address may have that are asked for the password and have not given it. */
  pendingPerAddress: number;
  /** Connections of one address that may wait to be asked. */
  waitingPerAddress: number;
  /** Wrong passwords of one address before each further attempt waits. */
  freeFailures: number;
  /** How long an attempt waits then. */
  delayMs: number;
  /** When wrong passwords are forgotten. */
  forgetMs: number;
  /** How long a connection may wait to be asked, and how long it may take to give the password then. */
  authTimeoutMs: number;
}

/** At most 20 guesses per second and address after five wrong ones; a mistyped password is not felt. */
export const LOGIN_LIMITS: LoginLimits = {
  pendingPerAddress: 20,
  waitingPerAddress: 1000,
  freeFailures: 5,
  delayMs: 1000,
  forgetMs: 60_000,
  authTimeoutMs: 25_000,
};

/** Addresses remembered; more at once and the oldest are forgotten. */
const MAX_ADDRESSES = 10_000;

/** Whether a connection may be asked for the password. */
export type Admission = 'now' | 'later' | 'never';

interface Address {
  pending: number;
  /** What to call when it is their turn, the longest waiting first. */
  readonly waiting: Set<() => void>;
  failures: number;
  lastFailureMs: number;
}

/** Keeps the event socket's password from being guessed by brute force, without shutting out those who know it. */
export class LoginGuard {
  readonly authTimeoutMs: number;
  readonly #digest: Buffer;
  readonly #limits: LoginLimits;
  readonly #addresses = new Map<string, Address>();

  constructor(password: string, limits: LoginLimits = LOGIN_LIMITS) {
    this.#digest = digestOf(password);
    this.#limits = limits;
    this.authTimeoutMs = limits.authTimeoutMs;
  }

  /** A connection came. If many of its address have not given the password it waits until `onTurn` is called; if many wait too it is refused. */
  enter(address: string, onTurn: () => void): Admission {
    const known = this.#of(address);
    if (known.pending < this.#limits.pendingPerAddress) {
      known.pending++;
      return 'now';
    }
    if (known.waiting.size >= this.#limits.waitingPerAddress) return 'never';
    known.waiting.add(onTurn);
    return 'later';
  }

  /** A connection that was asked has given the password or is gone: the next one's turn. */
  leave(address: string): void {
    const known = this.#addresses.get(address);
    if (!known) return;
    const [next] = known.waiting;
    if (next) {
      known.waiting.delete(next);
      next();
      return;
    }
    known.pending = Math.max(0, known.pending - 1);
    if (known.pending === 0 && known.failures === 0) this.#addresses.delete(address);
  }

  /** A connection that waited to be asked is gone. */
  giveUp(address: string, onTurn: () => void): void {
    this.#addresses.get(address)?.waiting.delete(onTurn);
  }

  /** Whether the password is right; after several wrong ones the answer takes its time. */
  async check(address: string, password: string): Promise<boolean> {
    const known = this.#of(address);
    if (Date.now() - known.lastFailureMs > this.#limits.forgetMs) known.failures = 0;
    if (known.failures >= this.#limits.freeFailures) {
      await new Promise((resolve) => setTimeout(resolve, this.#limits.delayMs));
    }
    if (timingSafeEqual(digestOf(password), this.#digest)) return true;
    known.failures++;
    known.lastFailureMs = Date.now();
    return false;
  }

  #of(address: string): Address {
    let known = this.#addresses.get(address);
    if (!known) {
      if (this.#addresses.size >= MAX_ADDRESSES) this.#forgetOldest();
      known = { pending: 0, waiting: new Set(), failures: 0, lastFailureMs: 0 };
      this.#addresses.set(address, known);
    }
    return known;
  }

  /** Those that have connections now are as few as the connections. */
  #forgetOldest(): void {
    for (const [address, { pending }] of this.#addresses) {
      if (pending > 0) continue;
      this.#addresses.delete(address);
      return;
    }
  }
}

/** Equal lengths whatever the text, so that the comparison tells nothing. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
