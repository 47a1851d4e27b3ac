import { setTimeout as sleep } from 'node:timers/promises';
import type { ActionHookDelaySpec, FillerNoiseSpec, VerbSpec } from '@ringwire/verb-specs';
import { checkVerbs } from '../app-client/read-verbs.js';
import type { CallMedia, NestedVerbs } from '../verbs/verb.js';
import type { Journal } from './journal.js';
import type { SessionDefaults } from './session-defaults.js';

/** Soft noise, for those who ask for noise and name none. */
const COMFORT_NOISE = 'silence_stream://3600000,1400';
/** Noise that is over at once is not begun again sooner. */
const SHORTEST_NOISE_MS = 200;

/** What a verb says of the time in which its application thinks; where it says nothing the session's defaults count. */
export interface WaitSettings {
  fillerNoise?: FillerNoiseSpec;
  actionHookDelayAction?: ActionHookDelaySpec;
}

/** What an {@link ApplicationWait} is made of. */
export interface ApplicationWaitOptions {
  defaults: Pick<SessionDefaults, 'fillerNoise' | 'actionHookDelay'>;
  journal: Journal;
  media: Pick<CallMedia, 'play' | 'resolveSource'>;
  /** Asked for when there is something to run. */
  nested(): Pick<NestedVerbs, 'run'>;
  /** Replaces everything that runs and waits. */
  replace(verbs: VerbSpec[]): void;
  /** Aborts when the call is over. */
  over: AbortSignal;
}

/**
 * What the caller hears while the application thinks (compat 1.5, slow action hooks): noise after a while, words after another, and when nothing comes the
 * application's last words.
 */
export class ApplicationWait {
  #running: { stop: AbortController; ended: Promise<void> } | undefined;

  constructor(private readonly options: ApplicationWaitOptions) {}

  /** The application was asked; nothing where it is awaited already, or nothing is to be heard meanwhile. */
  begin(own: WaitSettings = {}): void {
    const { defaults, over } = this.options;
    this.#begin(own.fillerNoise ?? defaults.fillerNoise, own.actionHookDelayAction ?? defaults.actionHookDelay, over);
  }

  /** No verbs are left, and it is for the application to send some: words are heard, but no noise, for the caller may be meant to speak. */
  beginIdle(): void {
    this.#begin(undefined, this.options.defaults.actionHookDelay, this.options.over);
  }

  /** The application has answered, or speaks. Resolves when nothing is heard any more; never rejects. */
  async end(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    running.stop.abort();
    await running.ended;
    if (this.#running === running) this.#running = undefined;
  }

  #begin(noise: FillerNoiseSpec | undefined, delay: ActionHookDelaySpec | undefined, over: AbortSignal): void {
    if (this.#running || over.aborted) return;
    const isNoisy = isOn(noise);
    const isDelayed = isOn(delay);
    if (!isNoisy && !isDelayed) return;
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, over]);
    const filler = new Noise(this.options, isNoisy ? noise : undefined, signal);
    const ended = Promise.all([filler.run(), isDelayed ? this.#delay(delay, filler, signal) : undefined]).then(
      () => undefined,
      (error: unknown) => {
        if (signal.aborted) return;
        const text = error instanceof Error ? error.message : String(error);
        this.options.journal.timeline.error('verb', `while the application is awaited: ${text}`);
      },
    );
    this.#running = { stop, ended };
  }

  async #delay(spec: ActionHookDelaySpec, noise: Noise, signal: AbortSignal): Promise<void> {
    const { noResponseTimeout = 0, noResponseGiveUpTimeout = 0, retries = 0 } = spec;
    const giveUp = new AbortController();
    const timer =
      noResponseGiveUpTimeout > 0
        ? setTimeout(() => giveUp.abort(), Math.min(noResponseGiveUpTimeout * 1000, 2 ** 31 - 1))
        : undefined;
    const until = AbortSignal.any([signal, giveUp.signal]);
    try {
      const actions = this.#verbsOf('actions', spec.actions);
      const isExhausted = await this.#actions(actions, noResponseTimeout * 1000, retries, noise, until);
      // The time is that of the whole wait, however soon nothing more is to be said.
      if (timer) await aborted(until);
      if (signal.aborted || !(isExhausted || giveUp.signal.aborted)) return;
    } finally {
      clearTimeout(timer);
    }
    const { journal, replace } = this.options;
    const text = 'the application did not answer in time, nobody waits for it any longer';
    journal.timeline.error('hook', text);
    journal.alert('bot-action-delay-giveup', text);
    const last = this.#verbsOf('giveUpActions', spec.giveUpActions);
    replace(last.length > 0 ? last : [{ verb: 'hangup' }]);
  }

  /**
   * Runs actions in turn; with retries one after each wait, which ends the one before, else only the first.
   * @returns whether all retries were made in vain
   */
  async #actions(
    actions: readonly VerbSpec[],
    waitMs: number,
    retries: number,
    noise: Noise,
    signal: AbortSignal,
  ): Promise<boolean> {
    let cut = new AbortController();
    let heard: Promise<void> = Promise.resolve();
    try {
      for (let count = 0; ; count++) {
        await pause(waitMs, signal);
        if (signal.aborted) return false;
        if (retries > 0 && count === retries) return true;
        cut.abort();
        await heard;
        const action = actions[count % actions.length];
        if (!action) return false;
        cut = new AbortController();
        heard = this.#run(action, noise, AbortSignal.any([signal, cut.signal]));
        if (retries === 0 || waitMs === 0) {
          await heard;
          return false;
        }
      }
    } finally {
      cut.abort();
      await heard;
    }
  }

  async #run(action: VerbSpec, noise: Noise, signal: AbortSignal): Promise<void> {
    await noise.hold();
    try {
      await this.options.nested().run([action], ['say', 'play'], signal);
    } catch (error) {
      // The media server is lost: the session ends by itself.
      this.options.journal.log.debug({ err: error }, 'an action was not run while the application was awaited');
    } finally {
      noise.release();
    }
  }

  #verbsOf(name: string, verbs: unknown): VerbSpec[] {
    if (!Array.isArray(verbs) || verbs.length === 0) return [];
    try {
      return checkVerbs(verbs, JSON.stringify(verbs));
    } catch (error) {
      const { journal } = this.options;
      const text = `actionHookDelayAction.${name}: ${error instanceof Error ? error.message : String(error)}`;
      journal.timeline.error('verb', text);
      journal.alert('invalid-app-payload', text);
      return [];
    }
  }
}

/** Noise that gives way to words. */
class Noise {
  #held = new AbortController();
  #isHeld = false;
  #changed: () => void = () => {};
  #playing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly options: Pick<ApplicationWaitOptions, 'media' | 'journal'>,
    private readonly spec: FillerNoiseSpec | undefined,
    private readonly signal: AbortSignal,
  ) {}

  /** Resolves when the signal has aborted and it is silent. */
  async run(): Promise<void> {
    const { spec, signal } = this;
    if (!spec) return;
    const { media, journal } = this.options;
    await pause((spec.startDelaySecs ?? 0) * 1000, signal);
    if (signal.aborted) return;
    const source = await media.resolveSource(spec.url ?? COMFORT_NOISE);
    journal.timeline.info('media', 'filler noise while the application is awaited');
    while (!signal.aborted) {
      if (this.#isHeld) {
        await new Promise<void>((resolve) => {
          this.#changed = resolve;
          void aborted(signal).then(resolve);
        });
        continue;
      }
      const startedAt = performance.now();
      const until = AbortSignal.any([signal, this.#held.signal]);
      const playing = media.play([source], { signal: until });
      this.#playing = playing.catch(() => undefined);
      await playing;
      if (performance.now() - startedAt < SHORTEST_NOISE_MS) await pause(SHORTEST_NOISE_MS, until);
    }
  }

  /** Silent until it is released. */
  async hold(): Promise<void> {
    this.#isHeld = true;
    this.#held.abort();
    await this.#playing;
  }

  release(): void {
    this.#isHeld = false;
    this.#held = new AbortController();
    this.#changed();
  }
}

/** The schema's spelling is `enable` for the one and `enabled` for the other; applications write both. */
function isOn<T extends object>(spec: T | undefined): spec is T {
  const { enable, enabled } = (spec ?? {}) as { enable?: unknown; enabled?: unknown };
  return enable === true || enabled === true;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.min(ms, 2 ** 31 - 1), undefined, { signal }).catch(() => undefined);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
