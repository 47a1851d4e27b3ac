import { maskText } from '@ringwire/common';
import type { CommandResult, TapStatus } from '../../control/commands.js';
import { HookForbiddenError } from '../../errors.js';
import type { AudioFork, ForkEvent } from '../../media/forks.js';
import type { Digit, MediaEndpoint } from '../../media/media.js';
import { opening, secondsToMs } from '../quantities.js';
import { Transcription } from '../transcription.js';
import type { VerbContext } from '../verb.js';
import { forkOptionsOf, type ListenSettings, ListenSettingsError } from './fork-options.js';
import { type AudioClip, PlayAudio } from './play-audio.js';

/** What jambonz plays before it listens: half a second of 1500 Hz. */
const BEEP = 'tone_stream://L=1;%(500,0,1500)';
/** RFC 4733 counts a key's duration in samples of 8000 Hz; so does what audio servers are told. */
const SAMPLES_PER_MS = 8;

/** How a listening ended. */
export interface ListenEnd {
  /** `server`: it closed, or asked to; `failed`: it was never reached, or could not be. */
  cause: 'key' | 'maxLength' | 'server' | 'failed' | 'stopped';
  /** The key that ended it. */
  digits?: string;
  /** Seconds from the connection on. */
  durationSec: number;
}

/**
 * A call's audio on its way to an application's WebSocket server, and what the server sends back: what `listen` is as verb, inside `dial`, and
 * in the background. It takes `listen:status` while it runs.
 */
export class Listening {
  /** How it ended; never rejects. */
  readonly ended: Promise<ListenEnd>;
  #resolve: (end: ListenEnd) => void = () => {};
  readonly #over = new AbortController();
  readonly #started: Promise<AudioFork | undefined>;
  readonly #clips: PlayAudio;
  readonly #release: (() => void)[] = [];
  #transcription: Transcription | undefined;
  #connectedAt: number | undefined;
  #limit: NodeJS.Timeout | undefined;
  #status: TapStatus = 'resume';

  /** Begins at once. @param endpoint - whose audio it is */
  constructor(
    private readonly ctx: VerbContext,
    private readonly endpoint: MediaEndpoint,
    private readonly settings: ListenSettings,
  ) {
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const isOwn = endpoint === ctx.media.endpoint();
    this.#clips = new PlayAudio({
      // What ends a clip would end what a verb plays, too.
      play: (file, signal) => (isOwn ? ctx.media.playInTurn([file], { signal }) : endpoint.play([file], { signal })),
      done: (clip, result) => this.#answer(clip, { ...result }),
      failed: (clip, reason) => {
        ctx.journal.timeline.warn('media', `listen: audio of the server is not played: ${reason}`, { id: clip.id });
        this.#answer(clip, { error: reason });
      },
    });
    const onDigit = (digit: Digit): void => this.#onDigit(digit);
    this.#release.push(isOwn ? ctx.media.onDigit(onDigit) : endpoint.onDigit(onDigit));
    this.#release.push(ctx.commands.on('listen:status', ({ status }) => this.#setStatus(status)));
    this.#started = this.#start();
  }

  /** Whether its sound is kept back now; `resume`: it is not. */
  get status(): TapStatus {
    return this.#status;
  }

  /** What is left of its longest time; undefined where there is none. */
  get remainingMs(): number | undefined {
    const maxMs = secondsToMs(this.settings.maxLength);
    if (!maxMs) return undefined;
    return this.#connectedAt === undefined ? maxMs : this.#connectedAt + maxMs - Date.now();
  }

  /** Ends it and waits until nothing of it is left; never rejects. */
  async stop(): Promise<void> {
    this.#end({ cause: 'stopped' });
    const fork = await this.#started;
    await fork?.stop();
    await this.#transcription?.stop();
  }

  async #start(): Promise<AudioFork | undefined> {
    const { ctx, settings, endpoint } = this;
    const { signal } = this.#over;
    try {
      const address = await orAborted(ctx.media.resolveAudioServer(settings.url), signal);
      if (!address) return undefined;
      const options = forkOptionsOf(settings, address, ctx.call.facts());
      if (settings.playBeep) await endpoint.play([BEEP], { signal });
      if (signal.aborted) return undefined;
      const fork = await endpoint.forks.start(options, (event) => this.#onEvent(event));
      const { transcribe } = settings;
      if (transcribe && transcribe.enable !== false && !signal.aborted)
        this.#transcription = new Transcription(ctx, transcribe, { endpoint, isNested: true });
      return fork;
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error), error);
      return undefined;
    }
  }

  #onEvent(event: ForkEvent): void {
    if (this.#over.signal.aborted) return;
    const { timeline } = this.ctx.journal;
    switch (event.event) {
      case 'connect': {
        timeline.info('media', `listen: connected to ${this.settings.url}`);
        this.#connectedAt = Date.now();
        const maxMs = secondsToMs(this.settings.maxLength);
        if (maxMs) this.#limit = setTimeout(() => this.#end({ cause: 'maxLength' }), maxMs);
        return;
      }
      case 'connect_failed':
        this.#fail(event.reason);
        return;
      case 'disconnect':
        timeline.info('media', 'listen: the server closed the connection, or asked to');
        this.#end({ cause: 'server' });
        return;
      case 'error':
        timeline.warn('media', `listen: the server reports an error: ${opening(JSON.stringify(event.data))}`);
        this.#end({ cause: 'server' });
        return;
      case 'buffer_overrun':
        timeline.warn('media', 'listen: the server is too slow, audio is lost');
        return;
      case 'play_audio':
        this.#onPlayAudio(event);
        return;
      case 'kill_audio':
        this.#clips.clear();
        return;
      case 'transcription':
      case 'transfer':
      case 'json':
        // jambonz makes nothing of these, either.
        this.ctx.journal.log.debug({ event: event.event }, 'message of an audio server');
    }
  }

  #onPlayAudio({ file, id, isQueued }: Extract<ForkEvent, { event: 'play_audio' }>): void {
    const clip: AudioClip = { file, ...(id !== undefined && { id }) };
    const { bidirectionalAudio, disableBidirectionalAudio } = this.settings;
    const isRefused =
      disableBidirectionalAudio || bidirectionalAudio?.enabled === false || bidirectionalAudio?.streaming === true;
    if (file === '' || isRefused) {
      const why = isRefused ? 'the listen does not take playAudio' : 'it could not be read';
      this.ctx.journal.timeline.warn('media', `listen: audio of the server is not played: ${why}`, { id });
      return;
    }
    this.#clips.add(clip, { isQueued });
  }

  #answer({ id }: AudioClip, result: Record<string, unknown>): void {
    if (!this.#over.signal.aborted) void this.#tell({ type: 'playDone', data: { id, ...result } });
  }

  #onDigit({ key, durationMs }: Digit): void {
    const { passDtmf, finishOnKey } = this.settings;
    if (passDtmf) {
      const duration = durationMs === undefined ? undefined : String(durationMs * SAMPLES_PER_MS);
      void this.#tell({ event: 'dtmf', dtmf: key, duration });
    }
    if (finishOnKey?.includes(key)) this.#end({ cause: 'key', digits: key });
  }

  async #tell(frame: Record<string, unknown>): Promise<void> {
    const fork = await this.#started;
    await fork?.sendText(frame);
  }

  async #setStatus(status: TapStatus): Promise<CommandResult> {
    const fork = await this.#started;
    if (!fork || this.#over.signal.aborted) return { ok: false, because: 'wrong state', reason: 'the listen is over' };
    if (status === 'resume') await fork.resume();
    else await fork.pause(status);
    this.#status = status;
    this.ctx.journal.timeline.info('media', `listen: ${status}`);
    return { ok: true };
  }

  /** Never reached: told where people look for it. */
  #fail(reason: string, error?: unknown): void {
    if (this.#over.signal.aborted) return;
    const { timeline, alert } = this.ctx.journal;
    const text = `listen: no connection to ${maskText(this.settings.url)}: ${reason}`;
    timeline.error('media', text);
    const isTheirMistake =
      error instanceof ListenSettingsError || error instanceof HookForbiddenError || error instanceof TypeError;
    alert(isTheirMistake ? 'invalid-app-payload' : 'webhook-connection-failure', text);
    this.#end({ cause: 'failed' });
  }

  #end(end: Omit<ListenEnd, 'durationSec'>): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    clearTimeout(this.#limit);
    for (const release of this.#release) release();
    this.#clips.close();
    const durationSec = this.#connectedAt === undefined ? 0 : Math.round((Date.now() - this.#connectedAt) / 1000);
    this.#resolve({ ...end, durationSec });
  }
}

/** What `work` comes to; undefined where the signal aborts first. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  let stop = (): void => {};
  const aborted = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** What the action hook is told (compat 1.3.20). */
export function listenResult({ digits, durationSec }: ListenEnd): Record<string, unknown> {
  return { ...(digits !== undefined && { digits }), dialCallDuration: durationSec };
}

/**
 * `listen` inside another verb (`dial`): runs beside it until it is stopped or ends by itself; its action hook is told then, and what it answers
 * changes nothing. The caller stops it before it gives the endpoint back.
 */
export function startListen(ctx: VerbContext, endpoint: MediaEndpoint, settings: ListenSettings): Listening {
  const listening = new Listening(ctx, endpoint, settings);
  void listening.ended.then(async (end) => {
    await listening.stop();
    ctx.app.inform(settings, listenResult(end));
  });
  return listening;
}
