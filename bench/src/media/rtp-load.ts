import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../src/media/rtp-load.py', import.meta.url));
/** Calls that share a socket of the load generator: few enough that a late reader loses nothing. */
const CALLS_PER_SOCKET = 16;
const PYTHON = 'python3';

/** p50, p99 and p99.9, ms. */
export interface Shares {
  p50: number;
  p99: number;
  p999: number;
}

/** What the load generator counted since {@link RtpLoad.measure}. */
export interface RtpCount {
  calls: number;
  /** Calls of which something was heard. */
  heard: number;
  packets: number;
  /** Packets of the call that had the fewest, and of the one that had the most. */
  fewest: number;
  most: number;
  /** Missing sequence numbers. */
  lost: number;
  disordered: number;
  /** Packets from elsewhere. */
  strays: number;
  /** Packets per call beyond one in 20 ms between its first and its last: the least and the most of all calls. */
  drift: [number, number];
  /** How far the time between two packets was from 20 ms, ms, by the kernel's time stamps. */
  gap: Shares & { max: number };
  /** From sending a mark to hearing it from the other leg, ms. */
  delay: Shares;
  marks: number;
  sent: number;
  sendErrors: number;
  /** How late the load generator itself was at worst, ms. */
  lateMs: number;
  /** Share of a core that it used. */
  cpu: number;
}

/** One call's place: a socket of the load generator. */
export interface RtpPlace {
  socket: number;
  port: number;
}

/** The callers' media, in a Python program of its own (see rtp-load.py). */
export class RtpLoad {
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #lines: Interface;
  readonly #waiting: Array<{ resolve: (answer: never) => void; reject: (error: Error) => void }> = [];
  #places: RtpPlace[] = [];
  #taken = 0;

  private constructor(child: ChildProcess, input: Writable, output: Readable) {
    this.#child = child;
    this.#input = input;
    this.#lines = createInterface({ input: output });
    this.#lines.on('line', (line) => this.#waiting.shift()?.resolve(JSON.parse(line) as never));
    child.once('exit', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the load generator has ended'));
    });
    input.on('error', () => {
      // It has ended: who waits is told by the exit.
    });
  }

  /** Starts it. Rejects, saying what to install, where there is no Python. */
  static async start(speechFile: string, digitFile: string): Promise<RtpLoad> {
    const child = spawn(PYTHON, [PROGRAM, speechFile, digitFile], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await once(child, 'spawn');
    } catch (error) {
      throw new Error(`the media benchmark needs ${PYTHON} (Debian: apt install python3)`, { cause: error });
    }
    return new RtpLoad(child, child.stdin, child.stdout);
  }

  /** Places for that many further calls. */
  async places(count: number): Promise<RtpPlace[]> {
    const missing = this.#taken + count - this.#places.length;
    if (missing > 0) {
      const sockets = Math.ceil(missing / CALLS_PER_SOCKET);
      const { ports, first } = await this.#ask<{ ports: number[]; first: number }>({ do: 'ports', count: sockets });
      const added = ports.map((port, index) => ({ socket: first + index, port }));
      for (let turn = 0; turn < CALLS_PER_SOCKET; turn++) this.#places.push(...added);
    }
    this.#taken += count;
    return this.#places.slice(this.#taken - count, this.#taken);
  }

  /** Begins to send to the server's ports, one for each place. */
  async start(calls: ReadonlyArray<{ place: RtpPlace; serverPort: number }>): Promise<void> {
    await this.#ask({ do: 'start', calls: calls.map(({ place, serverPort }) => [place.socket, serverPort]) });
  }

  /** Ends all calls; their places are free again. */
  async stop(): Promise<void> {
    await this.#ask({ do: 'stop' });
    this.#taken = 0;
  }

  /** Begins to count anew. Of `pairs`, by the server's ports, both legs send marks, and it is measured when the other hears them. */
  async measure(pairs: ReadonlyArray<readonly [number, number]> = []): Promise<void> {
    await this.#ask({ do: 'measure', pairs });
  }

  /** Every call sends one digit as a tone. */
  async digit(): Promise<void> {
    await this.#ask({ do: 'digit' });
  }

  /** What was counted since {@link measure}. */
  report(): Promise<RtpCount> {
    return this.#ask<RtpCount>({ do: 'report' });
  }

  /** Ends it. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#input.end();
    await ended;
  }

  #ask<T>(order: object): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#input.write(`${JSON.stringify(order)}\n`);
    });
  }
}
