import type { SessionCommand } from '../control/commands.js';

/**
 * What goes on beside a call's verbs: a listening, a transcription, a recording, a background gather. It starts when it is made; `stop`
 * ends it, gives everything back, and never rejects.
 */
export interface BackgroundTask {
  /** @param isMoved - it goes on at another feature server, by its {@link continuation} */
  stop(isMoved?: boolean): Promise<void>;
  /** Commands that begin it again, as it stands, where the call goes on at another feature server; missing: it ends with the move. */
  continuation?(): SessionCommand[];
  /** Nothing is being done at present: it only has its end to wait for. */
  readonly isIdle?: boolean;
}

/** The tasks that live across verbs, one of each name; they end with the call at the latest. */
export class BackgroundTasks {
  readonly #tasks = new Map<string, BackgroundTask>();
  #isClosed = false;

  /** Names of those that run, and are not idle. */
  get names(): readonly string[] {
    return [...this.#tasks].filter(([, task]) => task.isIdle !== true).map(([name]) => name);
  }

  /** The running task of a name. */
  get(name: string): BackgroundTask | undefined {
    return this.#tasks.get(name);
  }

  /** Puts a task in the place of the one of this name, which ends. Stops it at once where the call is over. */
  async start(name: string, task: BackgroundTask): Promise<void> {
    const before = this.#tasks.get(name);
    if (this.#isClosed) {
      await task.stop();
      return;
    }
    this.#tasks.set(name, task);
    await before?.stop();
  }

  /** Commands that begin all of them again at another feature server. */
  continuation(): SessionCommand[] {
    return [...this.#tasks.values()].flatMap((task) => task.continuation?.() ?? []);
  }

  /** Forgets a task that has ended by itself. */
  ended(name: string, task: BackgroundTask): void {
    if (this.#tasks.get(name) === task) this.#tasks.delete(name);
  }

  /** Ends the task of a name; nothing without one. */
  async stop(name: string): Promise<void> {
    const task = this.#tasks.get(name);
    this.#tasks.delete(name);
    await task?.stop();
  }

  /** Ends all of them; never rejects. */
  async close(isMoved = false): Promise<void> {
    this.#isClosed = true;
    const tasks = [...this.#tasks.values()];
    this.#tasks.clear();
    await Promise.allSettled(tasks.map((task) => task.stop(isMoved)));
  }
}
