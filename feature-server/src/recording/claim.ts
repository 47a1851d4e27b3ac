import { rename, rm, utimes } from 'node:fs/promises';

/** A claim that still holds says so as often. */
const ALIVE_EVERY_MS = 10_000;

/** A recording of the spool that one process works at: no other takes it unless this one dies. Whoever has it gives it back, or removes it. */
export class Claim {
  readonly #alive: NodeJS.Timeout;

  private constructor(
    /** Where the recording is as long as it is claimed. */
    readonly path: string,
    private readonly freePath: string,
    aliveEveryMs: number,
  ) {
    this.#alive = setInterval(() => {
      const now = new Date();
      utimes(path, now, now).catch(() => undefined);
    }, aliveEveryMs).unref();
  }

  /**
   * Claims the file at `from` by renaming it: of several processes one succeeds.
   * @returns undefined where another was faster
   * @throws errors of the file system
   */
  static async take(
    from: string,
    to: { path: string; freePath: string },
    aliveEveryMs = ALIVE_EVERY_MS,
  ): Promise<Claim | undefined> {
    try {
      // Before it is renamed: who looks at it afterwards must not believe that its process is dead.
      const now = new Date();
      await utimes(from, now, now);
      await rename(from, to.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    return new Claim(to.path, to.freePath, aliveEveryMs);
  }

  /** The MP3 that is made of it: nobody else writes there. */
  get mp3Path(): string {
    return `${this.path}.mp3`;
  }

  /** Is no more: the recording is stored, and gone from the spool. */
  drop(): void {
    clearInterval(this.#alive);
  }

  /** Leaves the recording to whoever comes next; never rejects. */
  async release(): Promise<void> {
    clearInterval(this.#alive);
    await rm(this.mp3Path, { force: true }).catch(() => undefined);
    await rename(this.path, this.freePath).catch(() => undefined);
  }
}
