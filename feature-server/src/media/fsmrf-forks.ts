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

/** The name that mod_audio_fork gives a fork without one. Public versions know only this in `stop_play`. */
const DEFAULT_NAME = 'audio_fork';

/** mod_audio_fork cuts longer metadata, which leaves no JSON. */
const MAX_METADATA_BYTES = 8_192;

/** More are of no use: the first that answers is taken. */
const MAX_ADDRESSES = 8;

/** A fork that runs, as its channel's events are dealt out. */
interface Listened {
  isConnected: boolean;
  isInternal: boolean;
  onEvent(event: ForkEvent): void;
}

/** Forks by mod_audio_fork's command `uuid_audio_fork`. */
export class FsmrfForks implements ForkControl {
  #made = 0;
  /** The channel's variable names addresses. */
  #isBound = false;
  /** By name, in the order in which they were started. */
  readonly #running = new Map<string, Listened>();
  /** End what listens to the channel's events; there while a fork runs. */
  #unlisten: (() => void)[] = [];
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
    const {
      url,
      addresses = [],
      mixType,
      sampleRate,
      metadata = {},
      bidirectional,
      auth,
      isInternal = false,
    } = options;
    this.#made += 1;
    const name = bidirectional?.streaming && !this.#running.has(DEFAULT_NAME) ? DEFAULT_NAME : `fork-${this.#made}`;
    const firstFrame = jsonArgument(metadata);
    if (Buffer.byteLength(firstFrame) - 2 > MAX_METADATA_BYTES)
      throw new TypeError(`metadata of an audio fork may have ${MAX_METADATA_BYTES} bytes`);
    const credentials = {
      MOD_AUDIO_BASIC_AUTH_USERNAME: variableText('username', auth?.username ?? ''),
      MOD_AUDIO_BASIC_AUTH_PASSWORD: variableText('password', auth?.password ?? ''),
      ...this.#judged(addresses),
    };
    this.#listen(name, { isConnected: false, isInternal, onEvent });
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
      this.#forget(name);
      throw error;
    }
    return new FsmrfFork(channel, name, () => this.#forget(name));
  }

  /** The variable that keeps a fork to these addresses; one of an earlier fork is taken away. Ours alone: FreeSWITCH looks the name up once more. */
  #judged(addresses: readonly string[]): Record<string, string> {
    if (addresses.length === 0 && !this.#isBound) return {};
    this.#isBound = addresses.length > 0;
    return { ringwire_audio_fork_addresses: addresses.slice(0, MAX_ADDRESSES).join(',') };
  }

  #listen(name: string, fork: Listened): void {
    this.#running.set(name, fork);
    if (this.#running.size > 1) return;
    this.#unlisten = EVENTS.map((kind) =>
      this.channel.onCustom(`mod_audio_fork::${kind}`, (event) => this.#heard(kind, event)),
    );
  }

  #forget(name: string): void {
    if (!this.#running.delete(name) || this.#running.size > 0) return;
    for (const stop of this.#unlisten) stop();
    this.#unlisten = [];
  }

  #heard(kind: (typeof EVENTS)[number], event: ChannelEvent): void {
    const fork = this.#whose(kind, event.header('media-bugname'));
    if (!fork) return;
    if (kind === 'connect') fork.isConnected = true;
    fork.onEvent(read(kind, event));
  }

  /**
   * Public versions of mod_audio_fork do not say in their events which fork they are of. Then it is the one that has waited longest for its connection,
   * or of those that are connected the first that has nobody else to tell it: one `listen` at a time has all of its events, of several the first has.
   */
  #whose(kind: (typeof EVENTS)[number], name: string | undefined): Listened | undefined {
    if (name !== undefined) return this.#running.get(name);
    const running = [...this.#running.values()];
    if (kind === 'connect' || kind === 'connect_failed') return running.find(({ isConnected }) => !isConnected);
    return running.find(({ isConnected, isInternal }) => isConnected && !isInternal);
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
