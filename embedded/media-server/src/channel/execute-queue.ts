import { randomUUID } from 'node:crypto';
import type { Channel } from './channel.js';

/** How a client wants an application run. */
export interface ExecuteOptions {
  /** `Event-UUID` of the request; becomes `Application-UUID` of the events. */
  uuid: string;
  /** `Event-UUID-Name`: becomes `Application-UUID-Name`. */
  uuidName?: string | undefined;
  /** `event-lock: true`: what is asked for later waits until this one has ended. */
  lock: boolean;
  /**
   * How often to run it, below zero without end. As in FreeSWITCH it is not run again when it took less than half a second.
   * @defaultValue 1
   */
  loops?: number | undefined;
}

/** What a running application lets others do to it. */
export interface Stoppable {
  /** Makes a blocking application end now; set by the application while it can be broken. */
  stop: (() => void) | undefined;
  /** What a break does where that is less: it ends one file of a list. */
  skip?: (() => void) | undefined;
  /** Makes it end now because the channel goes on to something else, where a break does not end it. */
  leave?: (() => void) | undefined;
  /** A break came while nothing could be ended: what is played next is broken at once. */
  breakPending?: boolean;
}

/** A running application. */
export interface Execution extends Stoppable {
  readonly application: string;
  /** Under which it was asked for. */
  readonly uuid: string;
  /** It was broken from outside: it is not repeated. */
  broken: boolean;
  /** The channel goes on to something else: also what a break does not end must. */
  abandoned: boolean;
}

interface Waiting {
  application: string;
  argument: string;
  options: ExecuteOptions;
}

const RESPONSE = 'current_application_response';
/** A run shorter than this is not repeated, lest a channel does nothing but fail. */
const MIN_LOOP_MS = 500;
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
  #endListeners: (() => void)[] = [];
  #locks = 0;
  /** How often the channel has gone on to something else. */
  #departures = 0;
  /** While set, those that come to the top are broken too. */
  #breaking: 'one' | 'all' | undefined;

  constructor(channel: Channel, run: ExecuteQueue['run']) {
    this.#channel = channel;
    this.#run = run;
  }

  /** The function that runs one application and resolves with its `Application-Response`. */
  get run(): (channel: Channel, argument: string, execution: Execution) => Promise<string | undefined> {
    return this.#run;
  }

  /** Whether an application runs. */
  get isBusy(): boolean {
    return this.#running.length > 0;
  }

  /** Asks for an application. */
  add(application: string, argument: string, options: ExecuteOptions): void {
    if (this.#locks > 0 && !this.#channel.isEnded) {
      if (this.#waiting.length < MAX_WAITING) this.#waiting.push({ application, argument, options });
      return;
    }
    void this.#execute(application, argument, options);
  }

  /**
   * Breaks what runs, from the innermost application outwards, each when it is reached: of a list only the file that plays, with `all` the whole list, and
   * what waits is dropped. An application that takes no break just then (one that collects digits) has the next that it plays broken. `by` is left
   * alone.
   */
  breakNow(all: boolean, by?: Execution): void {
    if (all) this.#waiting.length = 0;
    const concerned = this.#running.filter((execution) => execution !== by);
    if (concerned.length === 0) return;
    for (const execution of concerned) execution.broken = true;
    this.#breaking = all ? 'all' : 'one';
    this.#breakInnermost(concerned[concerned.length - 1]!);
  }

  /**
   * Runs applications one after the other, each when the one before and what came above it have ended. Resolves with true when the last has ended, with
   * false when it is not gone on with: the channel has ended, waits (`park`) or has left since `departure`, which {@link leave} gave.
   */
  async runList(
    list: readonly (readonly [application: string, argument: string])[],
    departure: number,
  ): Promise<boolean> {
    const goesOn = (): boolean =>
      departure === this.#departures && !this.#channel.isEnded && !this.#channel.parking.isOn;
    for (const [application, argument] of list) {
      if (!goesOn()) return false;
      await this.#execute(application, argument, { uuid: randomUUID(), lock: false });
    }
    while (goesOn() && this.isBusy) await this.whenIdle();
    return goesOn();
  }

  /** Whether the channel has gone on to something else since that departure. */
  hasLeftSince(departure: number): boolean {
    return departure !== this.#departures;
  }

  /** Goes on with no list; what runs now may end by itself. Returns the number of this departure. */
  endList(): number {
    return ++this.#departures;
  }

  /** Ends everything because the channel goes on to something else. Returns the number of this departure. */
  leave(): number {
    this.#waiting.length = 0;
    for (const execution of [...this.#running].reverse()) {
      execution.abandoned = true;
      execution.broken = true;
      (execution.leave ?? execution.stop)?.();
    }
    return this.endList();
  }

  /** Ends what was asked for under this id, whether it runs or waits. */
  stop(uuid: string): void {
    const at = this.#waiting.findIndex(({ options }) => options.uuid === uuid);
    if (at >= 0) this.#waiting.splice(at, 1);
    const execution = this.#running.find((running) => running.uuid === uuid);
    if (!execution) return;
    execution.broken = true;
    execution.stop?.();
  }

  /** Resolves when nothing runs. */
  async whenIdle(): Promise<void> {
    if (this.#running.length === 0) return;
    await new Promise<void>((resolve) => this.#idleListeners.add(resolve));
  }

  async #execute(application: string, argument: string, options: ExecuteOptions): Promise<void> {
    const channel = this.#channel;
    if (application === 'park' && !channel.parking.isOn) {
      // It is over when the channel waits no more.
      channel.parking.enter({ application, argument });
      return;
    }
    const loops = options.loops ?? 1;
    if (options.lock) this.#locks++;
    try {
      for (let loop = 0; loop < loops || loops < 0; loop++) {
        const startedMs = performance.now();
        const { broken } = await this.#executeOnce(application, argument, options);
        if (broken || channel.isEnded || performance.now() - startedMs < MIN_LOOP_MS) break;
      }
    } finally {
      if (options.lock && --this.#locks === 0) this.#startWaiting();
      channel.digits.drain();
      if (this.#running.length === 0) {
        for (const listener of this.#idleListeners) listener();
        this.#idleListeners.clear();
      }
    }
  }

  async #executeOnce(application: string, text: string, options: ExecuteOptions): Promise<Execution> {
    const channel = this.#channel;
    const argument = channel.expand(text);
    this.#breaking = undefined;
    const execution: Execution = {
      application,
      uuid: options.uuid,
      stop: undefined,
      broken: false,
      abandoned: false,
    };
    this.#running.push(execution);
    const about: [string, string][] = [['Application', application]];
    if (argument !== '') about.push(['Application-Data', argument]);
    const ids: [string, string][] = [['Application-UUID', options.uuid]];
    if (options.uuidName) ids.push(['Application-UUID-Name', options.uuidName]);
    channel.lastExecuted = { application, argument };
    channel.setVariable('current_application', application);
    channel.setVariable('current_application_data', argument);
    channel.emit('CHANNEL_EXECUTE', [...about, ...ids]);
    channel.setVariable(RESPONSE, undefined);
    try {
      const response = await this.#run(channel, argument, execution);
      if (response !== undefined) channel.setVariable(RESPONSE, response);
    } finally {
      // One above it that still runs holds it up, as it would if both were functions of one thread.
      while (!execution.abandoned && this.#running[this.#running.length - 1] !== execution) await this.#nextEnd();
      this.#running.splice(this.#running.indexOf(execution), 1);
      // Where an application sets no response, that of one that ran within it stays.
      const response = channel.getVariable(RESPONSE) ?? '_none_';
      channel.emit('CHANNEL_EXECUTE_COMPLETE', [...about, ['Application-Response', response], ...ids]);
      for (const listener of this.#endListeners.splice(0)) listener();
      const outer = this.#running[this.#running.length - 1];
      if (outer && this.#breaking) this.#breakInnermost(outer);
    }
    return execution;
  }

  #breakInnermost(execution: Execution): void {
    const end = this.#breaking === 'one' ? (execution.skip ?? execution.stop) : execution.stop;
    if (end) end();
    else execution.breakPending = true;
  }

  #nextEnd(): Promise<void> {
    return new Promise((resolve) => this.#endListeners.push(resolve));
  }

  #startWaiting(): void {
    while (this.#locks === 0) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.add(next.application, next.argument, next.options);
    }
  }
}
