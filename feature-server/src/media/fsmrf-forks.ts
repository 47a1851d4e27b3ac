import { MediaServerError } from '../errors.js';
import type { ChannelEvent, EventSocketChannel } from './event-socket-channel.js';
import { jsonArgument, urlArgument, variableText } from './event-socket-text.js';
import type { AudioFork, ForkControl, ForkEvent, ForkOptions } from './forks.js';

const EVENTS = [
  'connect',
  'connect_failed',
  'disconnect',
  'buffer_overrun',
  'play_audio',
  'kill_audio',
  'transcription',
  'transfer',
  'error',
  'json',
] as const;

/** mod_audio_fork cuts longer metadata, which leaves no JSON. */
const MAX_METADATA_BYTES = 8_192;

/** Forks by mod_audio_fork's command `uuid_audio_fork`. */
export class FsmrfForks implements ForkControl {
  #made = 0;
  /** Credentials are handed over in variables of the channel, so forks begin one after the other. */
  #lastStart: Promise<unknown> = Promise.resolve();

  constructor(private readonly channel: EventSocketChannel) {}

  start(options: ForkOptions, onEvent: (event: ForkEvent) => void): Promise<AudioFork> {
    const started = this.#lastStart.then(() => this.#start(options, onEvent));
    this.#lastStart = started.catch(() => undefined);
    return started;
  }

  async #start(options: ForkOptions, onEvent: (event: ForkEvent) => void): Promise<AudioFork> {
    const { channel } = this;
    this.#made += 1;
    const name = `fork-${this.#made}`;
    const { url, mixType, sampleRate, metadata = {}, bidirectional, auth } = options;
    const firstFrame = jsonArgument(metadata);
    if (Buffer.byteLength(firstFrame) - 2 > MAX_METADATA_BYTES)
      throw new TypeError(`metadata of an audio fork may have ${MAX_METADATA_BYTES} bytes`);
    const credentials = {
      MOD_AUDIO_BASIC_AUTH_USERNAME: variableText('username', auth?.username ?? ''),
      MOD_AUDIO_BASIC_AUTH_PASSWORD: variableText('password', auth?.password ?? ''),
    };
    const listened = EVENTS.map((kind) =>
      channel.onCustom(`mod_audio_fork::${kind}`, (event) => {
        if (event.header('media-bugname') === name) onEvent(read(kind, event));
      }),
    );
    const unlisten = (): void => {
      for (const stop of listened) stop();
    };
    try {
      await channel.set(credentials);
      await channel.api('uuid_audio_fork', [
        channel.uuid,
        'start',
        urlArgument(url),
        mixType,
        String(sampleRate),
        name,
        firstFrame,
        String(bidirectional !== undefined),
        String(bidirectional?.streaming ?? false),
        String(bidirectional?.sampleRate ?? sampleRate),
      ]);
    } catch (error) {
      unlisten();
      throw error;
    }
    return new FsmrfFork(channel, name, unlisten);
  }
}

class FsmrfFork implements AudioFork {
  constructor(
    private readonly channel: EventSocketChannel,
    readonly name: string,
    private readonly unlisten: () => void,
  ) {}

  sendText(data: unknown): Promise<void> {
    return this.#tell('send_text', jsonArgument(data));
  }

  pause(how: 'pause' | 'silence'): Promise<void> {
    return this.#tell('pause', how === 'silence' ? 'silence' : 'blank');
  }

  resume(): Promise<void> {
    return this.#tell('resume');
  }

  stopPlay(): Promise<void> {
    return this.#tell('stop_play');
  }

  async stop(): Promise<void> {
    await this.#tell('stop');
    this.unlisten();
  }

  async #tell(what: string, ...more: string[]): Promise<void> {
    try {
      await this.channel.api('uuid_audio_fork', [this.channel.uuid, what, this.name, ...more]);
    } catch (error) {
      // The fork ends with its server, or the channel, at any time.
      if (!(error instanceof MediaServerError)) throw error;
    }
  }
}

function read(event: (typeof EVENTS)[number], { body, header }: ChannelEvent): ForkEvent {
  const data = parsed(body);
  if (event === 'play_audio') {
    const { file, id, queuePlay } = (data ?? {}) as { file?: unknown; id?: unknown; queuePlay?: unknown };
    const isQueued = queuePlay === true || queuePlay === 'true' || queuePlay === 1;
    return { event, file: String(file ?? ''), isQueued, ...(id !== undefined && { id: String(id) }) };
  }
  if (event === 'connect_failed') {
    const { reason } = (data ?? {}) as { reason?: unknown };
    return { event, reason: String(reason ?? header('reason') ?? body) };
  }
  if (event === 'transcription' || event === 'transfer' || event === 'error' || event === 'json')
    return { event, data: data ?? body };
  return { event };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // Some events carry plain text, or nothing.
    return undefined;
  }
}
