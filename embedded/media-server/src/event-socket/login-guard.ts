import { createHash, timingSafeEqual } from 'node:crypto';

/** How hard guessing the password is. */
export interface LoginLimits {
  /** Connections one address may have that have not given the password. */
  pendingPerAddress: number;
  /** Wrong passwords of one address before each further attempt waits. */
  freeFailures: number;
  /** How long an attempt waits then. */
  delayMs: number;
  /** When wrong passwords are forgotten. */
  forgetMs: number;
  /** How long a connection may take to give the password. */
  authTimeoutMs: number;
}

/** At most 20 guesses per second and address after five wrong ones; a mistyped password is not felt. */
export const LOGIN_LIMITS: LoginLimits = {
  pendingPerAddress: 20,
  freeFailures: 5,
  delayMs: 1000,
  forgetMs: 60_000,
  authTimeoutMs: 25_000,
};

/** Addresses remembered; more at once and the oldest are forgotten. */
const MAX_ADDRESSES = 10_000;

interface Address {
  pending: number;
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

  /** A connection came; false when its address has too many that have not given the password. */
  enter(address: string): boolean {
    const known = this.#of(address);
    if (known.pending >= this.#limits.pendingPerAddress) return false;
    known.pending++;
    return true;
  }

  /** A connection that entered has given the password or is gone. */
  leave(address: string): void {
    const known = this.#addresses.get(address);
    if (!known) return;
    known.pending = Math.max(0, known.pending - 1);
    if (known.pending === 0 && known.failures === 0) this.#addresses.delete(address);
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
      if (this.#addresses.size >= MAX_ADDRESSES) {
        const [oldest] = this.#addresses.keys();
        this.#addresses.delete(oldest!);
      }
      known = { pending: 0, failures: 0, lastFailureMs: 0 };
      this.#addresses.set(address, known);
    }
    return known;
  }
}

/** Equal lengths whatever the text, so that the comparison tells nothing. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
