import type { TranscribeSpec } from '@ringwire/verb-specs';
import type { SessionCommand, TapStatus } from '../control/commands.js';
import type { MediaEndpoint } from '../media/media.js';
import type { BackgroundTask } from '../session/background-tasks.js';
import type { EarChannels, EarEvent } from '../speech/ear.js';
import { sttLatency } from '../speech/talkspurts.js';
import type { Hearing, VerbContext } from './verb.js';

/** What is transcribed, and who is told. */
export type TranscribeBody = Omit<TranscribeSpec, 'verb'>;

/** Where a transcription runs. */
export interface TranscriptionOptions {
  /** Whose sound. @defaultValue the call's own */
  endpoint?: MediaEndpoint;
  /** Inside another verb: what hooks answer replaces nothing. */
  isNested?: boolean;
  /** Both parties are there: both are transcribed unless `channel` names one (compat 1.3.28). */
  hasTwoParties?: boolean;
  /** Nothing more will be transcribed, for it failed. */
  onEnded?: () => void;
}

/** Results that wait for the hook to answer; beyond that the oldest are not told. */
const MAX_WAITING = 100;

/** A running transcription: every result goes to the hook, in order, until it is stopped. Takes `transcribe:status` meanwhile. */
export class Transcription implements BackgroundTask {
  readonly #listening: Hearing;
  readonly #stopCommands: () => void;
  /** Never aborted: what was heard is told, whatever ends meanwhile. */
  readonly #signal = new AbortController().signal;
  readonly #waiting: (() => Promise<void>)[] = [];
  #isTelling = false;
  #status: TapStatus = 'resume';

  /**
   * Begins.
   * @throws MediaServerError while the call has no media
   */
  constructor(
    private readonly ctx: VerbContext,
    private readonly spec: TranscribeBody,
    private readonly options: TranscriptionOptions = {},
  ) {
    const { endpoint } = options;
    const { recognizer } = spec;
    this.#listening = ctx.hearing.listen({
      channels: channelsOf(spec, options),
      ...(endpoint && { endpoint }),
      ...(recognizer && { recognizer }),
      onEvent: (event) => this.#onEar(event),
    });
    this.#stopCommands = ctx.commands.on('transcribe:status', async ({ status }) => {
      ctx.journal.timeline.info('speech', `transcribe: ${status}`);
      if (status === 'resume') await this.#listening.resume();
      else await this.#listening.pause(status);
      this.#status = status;
      return { ok: true };
    });
  }

  continuation(): SessionCommand[] {
    const status = this.#status;
    return [
      { command: 'config', spec: { transcribe: { ...this.spec, enable: true } } },
      ...(status === 'resume' ? [] : [{ command: 'transcribe:status', status } as const]),
    ];
  }

  async stop(): Promise<void> {
    this.#stopCommands();
    await this.#listening.close();
  }

  #onEar(event: EarEvent): void {
    const { defaults, app } = this.ctx;
    const { transcriptionHook, translationHook, id } = this.spec;
    switch (event.type) {
      case 'heard': {
        const latency =
          defaults.notifiesSttLatency && event.speech.isFinal ? sttLatency(event.talkspurts, Date.now()) : {};
        this.#tell(transcriptionHook, { speech: event.speech, ...latency });
        break;
      }
      case 'vendor-event': {
        const { type, language, translation } = event.event;
        if (type === 'translation') {
          this.#tell(translationHook, { translation: { channel: event.channel, language, translation } });
        } else this.#tell(transcriptionHook, { speechEvent: event.event });
        break;
      }
      case 'failover':
      case 'failed': {
        const failover = event.type === 'failover';
        const details = `${event.vendor}: ${event.reason}`;
        app.send('jambonz:error', { msg: 'ASR error', details, failover, verb: 'transcribe', ...(id && { id }) });
        if (failover) break;
        void this.stop();
        this.options.onEnded?.();
        break;
      }
      default:
    }
  }

  #tell(hook: TranscribeBody['transcriptionHook'], fields: Record<string, unknown>): void {
    if (hook === undefined) return;
    const { app } = this.ctx;
    const { id } = this.spec;
    const payload = { ...(id !== undefined && { verbId: id }), ...fields };
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift();
    this.#waiting.push(async () => {
      if (this.ctx.call.isOver) app.tell(hook, payload);
      else if (this.options.isNested) await app.ask(hook, payload, this.#signal);
      else await app.interrupt(hook, payload, this.#signal);
    });
    if (!this.#isTelling) void this.#tellAll();
  }

  async #tellAll(): Promise<void> {
    this.#isTelling = true;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) await next();
    this.#isTelling = false;
  }
}

function channelsOf({ channel, recognizer }: TranscribeBody, { hasTwoParties }: TranscriptionOptions): EarChannels {
  if (channel === 2) return 'far';
  if (channel === 1 || !hasTwoParties) return 'near';
  return recognizer?.separateRecognitionPerChannel === false ? 'mixed' : 'both';
}
