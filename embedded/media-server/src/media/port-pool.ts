import { monotonicMs } from './tick-clock.js';

/** Which ports a {@link PortPool} gives. */
export interface PortPoolOptions {
  /** Lowest port; 0 lets the system choose (the pool then gives 0). */
  minPort: number;
  /** Highest port, inclusive. */
  maxPort: number;
  /** How long a port rests after use, so that late audio of one call never reaches the next. */
  quarantineMs: number;
  /** A monotonic clock in ms. */
  nowMs?: () => number;
}

/** Even RTP ports of a process, each given to one leg at a time; the one that rested longest is given first. */
export class PortPool {
  readonly #quarantineMs: number;
  readonly #nowMs: () => number;
  readonly #systemChooses: boolean;
  /** In the order in which they may be used again. */
  readonly #free: { port: number; fromMs: number }[] = [];
  /** First of {@link #free} that has not been taken: shifting a long array would cost. */
  #head = 0;

  constructor({ minPort, maxPort, quarantineMs, nowMs = monotonicMs }: PortPoolOptions) {
    this.#quarantineMs = quarantineMs;
    this.#nowMs = nowMs;
    this.#systemChooses = minPort === 0;
    if (this.#systemChooses) return;
    const first = minPort + (minPort & 1);
    const ports: number[] = [];
    for (let port = first; port <= maxPort; port += 2) ports.push(port);
    // A server started anew must not begin where its predecessor's calls may still receive.
    const start = Math.floor(Math.random() * ports.length);
    for (let i = 0; i < ports.length; i++) {
      this.#free.push({ port: ports[(start + i) % ports.length]!, fromMs: Number.NEGATIVE_INFINITY });
    }
  }

  /** A port that nobody has; 0 when the system is to choose, undefined when all are in use or resting. */
  take(): number | undefined {
    if (this.#systemChooses) return 0;
    const next = this.#free[this.#head];
    if (!next || next.fromMs > this.#nowMs()) return undefined;
    this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#free.length) {
      this.#free.splice(0, this.#head);
      this.#head = 0;
    }
    return next.port;
  }

  /** Gives a port back; it rests first. */
  release(port: number): void {
    if (this.#systemChooses || port === 0) return;
    this.#free.push({ port, fromMs: this.#nowMs() + this.#quarantineMs });
  }

  /** Ports that are not in use, resting ones included; 0 when the system chooses. */
  get freeCount(): number {
    return this.#free.length - this.#head;
  }
}
