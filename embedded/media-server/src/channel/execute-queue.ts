import type { Channel } from './channel.js';

/** How a client wants an application run. */
export interface ExecuteOptions {
  /** `Event-UUID` of the request; becomes `Application-UUID` of the events. */
  uuid: string;
  /** `event-lock: true`: what is asked for later waits until this one has ended. */
  lock: boolean;
}

/** A running application. */
export interface Execution {
  readonly application: string;
  /** Makes a blocking application end now; set by the application while it can be broken. */
  stop: (() => void) | undefined;
}

interface Waiting {
  application: string;
  argument: string;
  options: ExecuteOptions;
}

/** Requests one channel may have waiting behind a lock. */
const MAX_WAITING = 1000;

/**
 * Runs the applications that clients ask for. As in FreeSWITCH's asynchronous mode an application starts at once even while
 * another blocks (a new playback is heard above the old one, which then goes on), unless that one was started with event-lock.
 */
export class ExecuteQueue {
  readonly #channel: Channel;
  readonly #run: (channel: Channel, argument: string, execution: Execution) => Promise<string | undefined>;
  readonly #running: Execution[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #idleListeners = new Set<() => void>();
  #locks = 0;

  constructor(channel: Channel, run: ExecuteQueue['run']) {
    this.#channel = channel;
    this.#run = run;
  }

  /** The function that runs one application and resolves with its `Application-Response`. */
  get run(): (channel: Channel, argument: string, execution: Execution) => Promise<string | undefined> {
    return this.#run;
  }

  /** Asks for an application. */
  add(application: string, argument: string, options: ExecuteOptions): void {
    if (this.#locks > 0 && !this.#channel.isEnded) {
      if (this.#waiting.length < MAX_WAITING) this.#waiting.push({ application, argument, options });
      return;
    }
    void this.#execute(application, argument, options);
  }

  /** Ends the innermost application that can be ended; with `all` every one, and what waits is dropped. */
  breakNow(all: boolean): void {
    if (all) {
      this.#waiting.length = 0;
      for (const execution of [...this.#running].reverse()) execution.stop?.();
      return;
    }
    for (let i = this.#running.length - 1; i >= 0; i--) {
      const stop = this.#running[i]!.stop;
      if (!stop) continue;
      stop();
      return;
    }
  }

  /** Resolves when nothing runs. */
  async whenIdle(): Promise<void> {
    if (this.#running.length === 0) return;
    await new Promise<void>((resolve) => this.#idleListeners.add(resolve));
  }

  async #execute(application: string, argument: string, options: ExecuteOptions): Promise<void> {
    const channel = this.#channel;
    const execution: Execution = { application, stop: undefined };
    this.#running.push(execution);
    if (options.lock) this.#locks++;
    const about: [string, string][] = [['Application', application]];
    if (argument !== '') about.push(['Application-Data', argument]);
    about.push(['Application-UUID', options.uuid]);
    channel.setVariable('current_application', application);
    channel.setVariable('current_application_data', argument);
    channel.emit('CHANNEL_EXECUTE', about);
    let response: string | undefined;
    try {
      response = await this.#run(channel, argument, execution);
    } finally {
      this.#running.splice(this.#running.indexOf(execution), 1);
      channel.setVariable('current_application_response', response);
      channel.emit('CHANNEL_EXECUTE_COMPLETE', [...about, ['Application-Response', response ?? '_none_']]);
      if (options.lock && --this.#locks === 0) this.#startWaiting();
      if (this.#running.length === 0) for (const listener of this.#idleListeners) listener();
    }
  }

  #startWaiting(): void {
    while (this.#locks === 0) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.add(next.application, next.argument, next.options);
    }
  }
}
