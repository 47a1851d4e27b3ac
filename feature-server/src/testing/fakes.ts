/**
 * Small stand-ins for what a session talks to, each behind the interface that the session knows. They post what is asked
 * of them to channels, so that a test waits for the call instead of sleeping.
 */
import { createLogger, type EventData, type EventSink, type EventType, type TimelineEntry } from '@ringwire/common';
import { MediaServerError } from '../errors.js';
import type { Beep, BeepDetector } from '../media/beeps.js';
import type { ConferenceControl } from '../media/conference.js';
import type { DubControl } from '../media/dub.js';
import type { ForkControl } from '../media/forks.js';
import type { KeySender } from '../media/keys.js';
import type { Digit, MediaEndpoint, MediaProblem, MediaServer, PlayOptions, PlayResult } from '../media/media.js';
import type {
  CallLeg,
  LegEnd,
  LegReply,
  LegRequest,
  LegRequestHandler,
  ModifyHandler,
  ReferHandler,
} from '../session/call-leg.js';
import { createJournal, type Journal } from '../session/journal.js';
import type { SynthesisRequest, Synthesizer } from '../speech/synthesizer.js';
import { FakeTap } from './fake-audio.js';

/** A logger that says nothing. */
export const silentLogger = createLogger({ name: 'test', level: 'silent' });

/** Values in order; taking one waits for it. */
export class Channel<T> {
  readonly #values: T[] = [];
  readonly #takers: ((value: T) => void)[] = [];

  post(value: T): void {
    const taker = this.#takers.shift();
    if (taker) taker(value);
    else this.#values.push(value);
  }

  /** Rejects after fifteen seconds: what was waited for did not happen. */
  take(what = 'value'): Promise<T> {
    const value = this.#values.shift();
    if (value !== undefined) return Promise.resolve(value);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${what} within 15 s`)), 15_000);
      this.#takers.push((taken) => {
        clearTimeout(timer);
        resolve(taken);
      });
    });
  }

  get size(): number {
    return this.#values.length;
  }
}

/** An event sink that keeps everything. */
export class CollectingSink implements EventSink {
  readonly events: { type: EventType; data: unknown; callSid?: string }[] = [];

  emit<T extends EventType>(type: T, data: EventData[T], about: { callSid?: string } = {}): void {
    this.events.push({ type, data, ...about });
  }

  get timeline(): TimelineEntry[] {
    return this.events.filter(({ type }) => type === 'call.timeline').map(({ data }) => data as TimelineEntry);
  }

  /** The timeline as lines `level kind text`. */
  get lines(): string[] {
    return this.timeline.map(({ level, kind, text }) => `${level} ${kind} ${text}`);
  }

  get alerts(): EventData['alert'][] {
    return this.events.filter(({ type }) => type === 'alert').map(({ data }) => data as EventData['alert']);
  }
}

/** A call's journal over a sink. */
export function journalOver(sink: EventSink): Journal {
  return createJournal(sink, silentLogger, { callSid: 'call-1', accountSid: 'acc-1', serviceProviderSid: 'sp-1' });
}

/** One playback that a fake endpoint was asked for. It lasts until the test or the abort ends it. */
export class FakePlayback {
  isStopped = false;
  #resolve: (result: PlayResult) => void = () => {};
  #reject: (error: Error) => void = () => {};
  readonly done: Promise<PlayResult>;

  constructor(
    readonly sources: readonly string[],
    readonly options: PlayOptions,
  ) {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const stop = (): void => {
      this.isStopped = true;
      this.#resolve({ playbackSeconds: '0', playbackMilliseconds: '1' });
    };
    if (options.signal.aborted) stop();
    else options.signal.addEventListener('abort', stop, { once: true });
  }

  finish(result: PlayResult = { playbackSeconds: '1', playbackMilliseconds: '1200' }): void {
    this.#resolve(result);
  }

  fail(error: Error): void {
    this.#reject(error);
  }
}

/** An endpoint whose playbacks the test ends and whose digits the test presses. */
export class FakeEndpoint implements MediaEndpoint {
  readonly id = 'fake';
  readonly localSdp = 'v=0 fake';
  readonly forks: ForkControl = { start: async () => Promise.reject(new MediaServerError('no forks in these tests')) };
  readonly tap = new FakeTap();
  /** What was asked of tracks and keys, as words. */
  readonly asked = new Channel<readonly (string | number | boolean)[]>();
  readonly dub: DubControl & { isInUse: boolean } = {
    isInUse: false,
    addTrack: async (track) => this.asked.post(['addTrack', track]),
    removeTrack: async (track) => this.asked.post(['removeTrack', track]),
    silenceTrack: async (track) => this.asked.post(['silenceTrack', track]),
    playOnTrack: async (track, source, { loop = false, gainDb = 0 } = {}) =>
      this.asked.post(['playOnTrack', track, source, loop, gainDb]),
    setGain: async (gainDb) => this.asked.post(['setGain', gainDb]),
  };
  /** What hears a beep now. */
  beep: ((beep: Beep) => void) | undefined;
  readonly beeps: BeepDetector = {
    listen: async (onBeep) => {
      this.beep = onBeep;
      return async () => {
        this.beep = undefined;
      };
    },
  };
  readonly keys: KeySender = { send: async (key, durationMs) => this.asked.post(['key', key, durationMs]) };
  readonly conference: ConferenceControl = {
    join: async () => Promise.reject(new MediaServerError('no conferences in these tests')),
    play: () => undefined,
    passKey: () => {},
  };
  readonly plays = new Channel<FakePlayback>();
  isDestroyed = false;
  /** Tells of something that could not be played. */
  problem: (problem: MediaProblem) => void = () => {};
  /** When set, playbacks end at once. */
  playsInstantly = false;
  readonly #digitListeners = new Set<(digit: Digit) => void>();
  #onLost: (reason: string) => void = () => {};

  async play(sources: readonly string[], options: PlayOptions): Promise<PlayResult> {
    const playback = new FakePlayback(sources, options);
    this.plays.post(playback);
    if (this.playsInstantly) playback.finish();
    return playback.done;
  }

  onDigit(listener: (digit: Digit) => void): () => void {
    this.#digitListeners.add(listener);
    return () => this.#digitListeners.delete(listener);
  }

  press(keys: string): void {
    for (const key of keys) for (const listener of this.#digitListeners) listener({ key });
  }

  onLost(listener: (reason: string) => void): void {
    this.#onLost = listener;
  }

  lose(reason: string): void {
    this.#onLost(reason);
  }

  onProblem(listener: (problem: MediaProblem) => void): void {
    this.problem = listener;
  }

  async bridge(): Promise<void> {}

  async unbridge(): Promise<void> {}

  async mute(isMuted: boolean): Promise<void> {
    this.asked.post(['mute', isMuted]);
  }

  passKey(): void {}

  async outlive(): Promise<void> {}

  async divertKeys(listener: (digit: Digit) => void): Promise<void> {
    this.onDigit(listener);
  }

  async modify(remoteSdp: string): Promise<string> {
    return `answer to ${remoteSdp}`;
  }

  async destroy(): Promise<void> {
    this.isDestroyed = true;
  }
}

/** A media server with one endpoint. */
export class FakeMediaServer implements MediaServer {
  available = true;
  readonly endpoint = new FakeEndpoint();
  failure: Error | undefined;

  async createEndpoint(): Promise<MediaEndpoint> {
    if (this.failure) throw this.failure;
    return this.endpoint;
  }
}

/** What a fake leg was told to send. */
export type LegAction =
  | { sent: '180' }
  | { sent: '183' | '200'; sdp: string }
  | { sent: 'request'; request: LegRequest }
  | { sent: 'BYE'; headers: Record<string, string> }
  | { sent: 'final'; status: number; reason: string | undefined; headers: Record<string, string> };

/** A leg that posts what it is told to send. */
export class FakeLeg implements CallLeg {
  readonly remoteSdp = 'v=0 offer';
  readonly actions = new Channel<LegAction>();
  isAnswered = false;
  #onEnd: (end: LegEnd) => void = () => {};
  #onDigit: (key: string, durationMs: number | undefined) => void = () => {};
  modify: ModifyHandler = async () => '';

  ring(): void {
    this.actions.post({ sent: '180' });
  }

  async earlyMedia(sdp: string): Promise<void> {
    this.actions.post({ sent: '183', sdp });
  }

  async answer(sdp: string): Promise<void> {
    this.isAnswered = true;
    this.actions.post({ sent: '200', sdp });
  }

  reject(status: number, reason: string | undefined, headers: Record<string, string>): void {
    this.actions.post({ sent: 'final', status, reason, headers });
  }

  async hangup(headers: Record<string, string>): Promise<void> {
    this.actions.post({ sent: 'BYE', headers });
  }

  onEnd(listener: (end: LegEnd) => void): void {
    this.#onEnd = listener;
  }

  /** The far end, or the SIP server, ends the leg. */
  end(end: LegEnd): void {
    this.#onEnd(end);
  }

  onDigit(listener: (key: string, durationMs: number | undefined) => void): void {
    this.#onDigit = listener;
  }

  info(key: string): void {
    this.#onDigit(key, undefined);
  }

  onModify(answer: ModifyHandler): void {
    this.modify = answer;
  }

  /** What requests of the session are answered. */
  reply: () => Promise<LegReply> = async () => ({ status: 200, reason: 'OK' });

  readonly peerHost = '127.0.0.9';

  request(request: LegRequest): Promise<LegReply> {
    this.actions.post({ sent: 'request', request });
    return this.reply();
  }

  takeRequest: LegRequestHandler | undefined;

  onRequest(handler: LegRequestHandler | undefined): void {
    this.takeRequest = handler;
  }

  refer: ReferHandler | undefined;

  onRefer(handler: ReferHandler | undefined): void {
    this.refer = handler;
  }
}

/** A vendor whose failures are scripted and whose requests are posted. */
export class FakeSynthesizer implements Synthesizer {
  readonly requests = new Channel<SynthesisRequest>();
  failures: Error[] = [];
  made = 0;

  constructor(readonly vendor = 'espeak') {}

  canonical({ text, language, voice }: SynthesisRequest): Record<string, unknown> {
    return { text, language, voice };
  }

  async synthesize(request: SynthesisRequest): Promise<Buffer> {
    this.requests.post(request);
    const failure = this.failures.shift();
    if (failure) throw failure;
    this.made += 1;
    return Buffer.from(`RIFF ${request.text}`);
  }
}
