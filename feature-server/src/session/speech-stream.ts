import type { SynthesizerSpec } from '@ringwire/verb-specs';
import type { CommandDesk } from '../control/command-desk.js';
import type { SessionCommand } from '../control/commands.js';
import type { PlayOptions, PlayResult } from '../media/media.js';
import { SentenceFeed } from '../speech/sentence-feed.js';
import type { SpeechFeed } from '../speech/streaming-synthesizer.js';
import { type PushResult, TokenBuffer } from '../speech/token-buffer.js';
import { wavLengthMs } from '../speech/wav-length.js';
import type { CallApplication, CallSpeech, CallSpeechStream } from '../verbs/verb.js';
import type { Journal } from './journal.js';
import type { SessionDefaults } from './session-defaults.js';

/** When nothing has come for so long after everything was spoken, nothing follows. */
const QUIET_MS = 1_000;

/** What a {@link SpeechStream} is made of. */
export interface SpeechStreamOptions {
  app: Pick<CallApplication, 'send'>;
  speech: Pick<CallSpeech, 'sources'>;
  defaults: Pick<SessionDefaults, 'trackTtsPlayout'>;
  journal: Journal;
  /** Plays when no verb does. */
  play(sources: readonly string[], options: PlayOptions): Promise<PlayResult>;
  /** It begins to speak. */
  onSpeech?: () => void;
  /** @defaultValue {@link QUIET_MS} */
  quietMs?: number;
}

/** `event_type` of `tts:streaming-event` (compat 3.2, the published schema). */
type StreamEvent =
  | 'stream_open'
  | 'stream_closed'
  | 'stream_paused'
  | 'stream_resumed'
  | 'user_interruption'
  | 'tts_spoken';

/**
 * Speech of text that a WebSocket application sends while it still grows. Text is taken from the beginning of the call on, and spoken while the stream
 * is open.
 */
export class SpeechStream implements CallSpeechStream {
  readonly #buffer: TokenBuffer;
  #feed: SpeechFeed | undefined;
  /** Nothing follows what the application sent last. */
  #isFlushed = false;
  /** There was something to speak since the stream was opened, cleared or waited for. */
  #hasText = false;
  #quiet: NodeJS.Timeout | undefined;
  #isClosed = false;
  #voice: SynthesizerSpec | undefined;
  readonly #waiting = new Set<() => void>();

  constructor(private readonly options: SpeechStreamOptions) {
    this.#buffer = new TokenBuffer({
      onReady: () => this.#feedOn(),
      onPaused: () => this.#tell('stream_paused'),
      onResumed: () => this.#tell('stream_resumed'),
    });
  }

  get isOpen(): boolean {
    return this.#feed !== undefined;
  }

  /** What was sent is spoken. */
  get isDone(): boolean {
    return this.#buffer.isEmpty && this.#feed?.isEmpty !== false;
  }

  open(synthesizer?: SynthesizerSpec): void {
    if (this.#feed || this.#isClosed) return;
    this.#voice = synthesizer;
    const { speech, play } = this.options;
    this.#feed = new SentenceFeed({
      synthesize: (text, signal) => speech.sources({ text, ...(synthesizer && { synthesizer }) }, signal),
      play: async (files, signal) => {
        this.options.onSpeech?.();
        const { playbackMilliseconds } = await play(files, { signal });
        return { ms: Number(playbackMilliseconds) || 0 };
      },
      lengthOf: wavLengthMs,
      listener: { onRoom: () => this.#feedOn(), onEmpty: () => this.#onEmpty() },
    });
    this.#tell('stream_open');
    this.#feedOn();
  }

  /** Opens it again where the call goes on at another feature server; what is not spoken yet is lost. */
  continuation(): SessionCommand[] {
    const synthesizer = this.#voice;
    if (!this.isOpen) return [];
    return [{ command: 'config', spec: { ttsStream: { enable: true, ...(synthesizer && { synthesizer }) } } }];
  }

  async close(): Promise<void> {
    const feed = this.#feed;
    if (!feed) return;
    this.#feed = undefined;
    this.#stopQuiet();
    this.#buffer.clear();
    this.#wake();
    await feed.close();
    this.#tell('stream_closed');
  }

  /** Takes text. */
  push(tokens: string): PushResult {
    if (this.#isClosed) return { status: 'failed', reason: 'the call is over' };
    const result = this.#buffer.push(tokens);
    if (result.status === 'ok' && tokens.trim() !== '') {
      this.#isFlushed = false;
      this.#hasText = true;
      this.#stopQuiet();
    }
    return result;
  }

  /** Speaks what is there, whole sentence or not. */
  flush(): void {
    this.#isFlushed = this.#hasText;
    this.#buffer.flush();
    if (this.isDone) this.#onEmpty();
  }

  /** Drops what waits and what is being spoken. */
  async clear(): Promise<void> {
    this.#buffer.clear();
    const wasInUse = this.#hasText || this.#quiet !== undefined;
    this.#isFlushed = false;
    this.#hasText = false;
    this.#stopQuiet();
    await this.#feed?.clear();
    this.#tellSpoken(true);
    // Nothing may follow: who waits for the end must not wait for ever.
    if (wasInUse && this.#feed && this.isDone) this.#awaitQuiet();
  }

  async interrupt(): Promise<void> {
    if (!this.#feed) return;
    this.#tell('user_interruption');
    await this.clear();
  }

  async spoken(signal: AbortSignal): Promise<void> {
    // What was spoken before is not what is waited for.
    if (this.isDone) {
      this.#isFlushed = false;
      this.#hasText = false;
      this.#stopQuiet();
    }
    while (this.isOpen && !signal.aborted && !(this.#isFlushed && this.isDone)) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          this.#waiting.delete(done);
          resolve();
        };
        signal.addEventListener('abort', done, { once: true });
        this.#waiting.add(done);
      });
    }
  }

  /** Ends with the call: nothing more is told. */
  async end(): Promise<void> {
    this.#isClosed = true;
    this.#buffer.close();
    await this.close();
  }

  #feedOn(): void {
    const feed = this.#feed;
    while (feed?.hasRoom) {
      const piece = this.#buffer.take();
      if (piece === undefined) return;
      feed.speak(piece);
    }
  }

  #onEmpty(): void {
    if (!this.isDone) return;
    if (this.#isFlushed) {
      this.#tellSpoken(false);
      this.#wake();
      return;
    }
    if (this.#hasText) this.#awaitQuiet();
  }

  /** Ends what waits for the end of the text where nothing follows for a while. */
  #awaitQuiet(): void {
    this.#stopQuiet();
    this.#quiet = setTimeout(() => {
      this.#quiet = undefined;
      if (!this.isDone) return;
      this.#isFlushed = true;
      this.#onEmpty();
    }, this.options.quietMs ?? QUIET_MS);
  }

  #stopQuiet(): void {
    clearTimeout(this.#quiet);
    this.#quiet = undefined;
  }

  #wake(): void {
    for (const waiting of [...this.#waiting]) waiting();
  }

  #tellSpoken(bargein: boolean): void {
    const text = this.#feed?.heard() ?? '';
    if (this.options.defaults.trackTtsPlayout && text !== '') this.#tell('tts_spoken', { text, bargein });
  }

  #tell(eventType: StreamEvent, fields: Record<string, unknown> = {}): void {
    if (this.#isClosed) return;
    const { app, journal } = this.options;
    journal.timeline.info('speech', `stream: ${eventType}`);
    app.send('tts:streaming-event', { eventType, ...fields });
  }
}

/** What an application sends to its stream (compat 3.5). */
export function takeStreamCommands(desk: CommandDesk, stream: SpeechStream, app: Pick<CallApplication, 'send'>): void {
  desk.on('tts:tokens', ({ id, tokens }) => {
    const result = tokens === undefined ? { status: 'failed', reason: 'missing tokens' } : stream.push(tokens);
    app.send('tts:tokens-result', { id, ...result });
    return { ok: true };
  });
  desk.on('tts:flush', () => {
    stream.flush();
    return { ok: true };
  });
  desk.on('tts:clear', async () => {
    await stream.clear();
    return { ok: true };
  });
}
