import type { VadSpec } from '@ringwire/verb-specs';
import type { AudioFrame, AudioStream, AudioTap } from '../media/audio-streams.js';
import type { Journal } from '../session/journal.js';
import { EarLane } from './ear-lane.js';
import type { RecognitionService, RecognizerChoice } from './recognition-service.js';
import type { HeardSpeech, RecognitionEvent, Recognizer, RecognizerSettings } from './recognizer.js';
import type { Talkspurts } from './talkspurts.js';

/** Whom to listen to: the far end (channel 1), whom it hears (channel 2), both apart, or both in one (channel 1). */
export type EarChannels = 'near' | 'far' | 'both' | 'mixed';

/** What was said, as hooks tell it (compat 1.5). */
export interface SpeechResult {
  languageCode: string;
  channelTag: 1 | 2;
  isFinal: boolean;
  alternatives: HeardSpeech['alternatives'];
  vendor: { name: string; evt: unknown };
}

/** What an {@link Ear} tells. */
export type EarEvent =
  | { type: 'heard'; speech: SpeechResult; talkspurts: Talkspurts }
  | { type: 'speech-start' | 'speech-end'; channel: 1 | 2 }
  | { type: 'vendor-event'; event: Readonly<Record<string, unknown>>; channel: 1 | 2 }
  /** A vendor failed, and another has taken over. */
  | { type: 'failover'; vendor: string; reason: string }
  /** Nothing more is heard. */
  | { type: 'failed'; vendor: string; reason: string };

/** What an {@link Ear} is made of. */
export interface EarOptions {
  tap: AudioTap;
  service: RecognitionService;
  choice: RecognizerChoice;
  channels: EarChannels;
  callSid: string;
  journal: Journal;
  vad?: Readonly<VadSpec>;
  onEvent(event: EarEvent): void;
}

const MIX_TYPES = { near: 'mono', far: 'stereo', both: 'stereo', mixed: 'mixed' } as const;
/** The call may be ending where its audio does: that is no failure of anybody. */
const END_GRACE_MS = 500;

/**
 * Listens to a call: its sound goes to a vendor, one session per channel; where the vendor fails, the sound since its last result goes
 * to the fallback vendor. Speech is told from silence here, whatever vendors say of it.
 */
export class Ear {
  readonly #lanes: EarLane[];
  readonly #chain: RecognizerSettings[];
  #current = 0;
  #stream: AudioStream | undefined;
  #isClosed = false;
  #paused: 'pause' | 'silence' | undefined;
  #ending: NodeJS.Timeout | undefined;
  readonly #rate: 8000 | 16000;

  /** Begins to listen; everything that comes of it, failures too, is told to `onEvent`, not before the caller has it in hand. */
  constructor(private readonly options: EarOptions) {
    const { channels, service, choice, journal, vad } = options;
    const { chain, missing } = service.chain(choice);
    this.#chain = chain;
    for (const vendor of missing) {
      const text = `speech recognition vendor "${vendor}" is not configured`;
      const instead = chain[0] ? `"${chain[0].vendor}" listens instead` : 'nobody listens';
      if (journal.alert('no-stt', text)) journal.timeline.warn('speech', `${text}, ${instead}`);
    }
    this.#rate = chain.some((settings) => service.find(settings)?.sampleRateFor(settings) === 16000) ? 16000 : 8000;
    const listened: (1 | 2)[] = channels === 'both' ? [1, 2] : channels === 'far' ? [2] : [1];
    this.#lanes = listened.map(
      (channel) =>
        new EarLane({
          channel,
          sampleRate: this.#rate,
          ...(vad && { vad }),
          onActivity: (type) => this.#onActivity(type, channel),
        }),
    );
    queueMicrotask(() => void this.#start());
  }

  async pause(how: 'pause' | 'silence'): Promise<void> {
    this.#paused = how;
    await this.#stream?.pause(how);
  }

  async resume(): Promise<void> {
    this.#paused = undefined;
    await this.#stream?.resume();
  }

  /** Gives everything back; never rejects. Nothing is told any more from the call on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#ending);
    await Promise.all(this.#lanes.map((lane) => lane.close()));
    await this.#stream?.close();
  }

  async #start(): Promise<void> {
    const { tap, channels } = this.options;
    if (this.#chain.length === 0) {
      const { vendor } = this.options.choice.settings;
      return this.#tell({ type: 'failed', vendor, reason: `speech recognition vendor "${vendor}" is not configured` });
    }
    try {
      const stream = await tap.open({ mixType: MIX_TYPES[channels], sampleRate: this.#rate });
      this.#stream = stream;
      if (this.#isClosed) return void stream.close();
      if (this.#paused) await stream.pause(this.#paused);
      void this.#read(stream);
    } catch (error) {
      return this.#giveUp(error instanceof Error ? error.message : String(error));
    }
    // With a detector of activity vendors are asked, and paid, when there is something to hear.
    if (!this.options.vad?.enable) await this.#openLanes();
  }

  async #read(stream: AudioStream): Promise<void> {
    for await (const frame of stream) {
      if (this.#isClosed) return;
      for (const lane of this.#lanes) lane.feed(pick(frame, stream.channels, lane.channel));
    }
    if (this.#isClosed) return;
    this.#ending = setTimeout(() => this.#giveUp('the audio of the call ended'), END_GRACE_MS);
  }

  async #openLanes(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => this.#openLane(lane)));
  }

  async #openLane(lane: EarLane): Promise<void> {
    const place = this.#current;
    const settings = this.#chain[place];
    const vendor = settings && this.options.service.find(settings);
    if (!settings || !vendor || this.#isClosed) return;
    try {
      const onEvent = (event: RecognitionEvent): void => {
        if (place === this.#current && !this.#isClosed) this.#onEvent(event, settings, lane);
      };
      await lane.open(
        () => vendor.open({ settings, callSid: this.options.callSid }, onEvent),
        this.#rate / rateOf(vendor, settings),
      );
      this.options.service.note(settings.vendor, 'opened');
      if (!this.#isClosed) this.options.journal.timeline.info('speech', `${settings.vendor} listens`);
    } catch (error) {
      if (place === this.#current) this.#onFailure(settings, error instanceof Error ? error.message : String(error));
    }
  }

  #onActivity(type: 'speech-start' | 'speech-end', channel: 1 | 2): void {
    this.#tell({ type, channel });
    const lane = this.#lanes.find((one) => one.channel === channel);
    if (type === 'speech-start' && this.options.vad?.enable && lane?.isUnopened) void this.#openLane(lane);
  }

  #onEvent(event: RecognitionEvent, settings: RecognizerSettings, lane: EarLane): void {
    const { channel } = lane;
    if (event.type === 'failed') this.#onFailure(settings, event.reason);
    else if (event.type === 'vendor-event') this.#tell({ type: 'vendor-event', event: event.event, channel });
    else this.#onHeard(event.speech, settings, lane);
  }

  #onHeard(heard: HeardSpeech, settings: RecognizerSettings, lane: EarLane): void {
    const { channel } = lane;
    const { isFinal, alternatives, languageCode, evt } = heard;
    const best = alternatives[0];
    if (!best) return;
    const talkspurts = lane.talkspurts();
    if (isFinal) {
      lane.forget();
      this.options.journal.timeline.info('speech', `${settings.vendor}: "${best.transcript}" (${best.confidence})`, {
        vendor: settings.vendor,
        transcript: best.transcript,
        confidence: best.confidence,
        channel,
      });
    }
    const speech: SpeechResult = {
      languageCode: languageCode ?? settings.language,
      channelTag: channel,
      isFinal,
      alternatives,
      vendor: { name: settings.vendor, evt },
    };
    this.#tell({ type: 'heard', speech, talkspurts });
  }

  #onFailure(settings: RecognizerSettings, reason: string): void {
    const { journal, service } = this.options;
    if (this.#isClosed) return;
    const { vendor } = settings;
    service.note(vendor, 'failed');
    journal.alert('stt-failure', `${vendor}: ${reason}`);
    this.#current += 1;
    const next = this.#chain[this.#current];
    const shown = `${vendor} could not listen: ${reason}`;
    if (!next) {
      journal.timeline.error('speech', shown);
      this.#tell({ type: 'failed', vendor, reason });
      return;
    }
    journal.timeline.warn('speech', `${shown}; ${next.vendor} takes over`);
    this.#tell({ type: 'failover', vendor, reason });
    for (const lane of this.#lanes) void lane.drop();
    void this.#openLanes();
  }

  #giveUp(reason: string): void {
    const vendor = this.#chain[this.#current]?.vendor ?? '';
    if (this.#isClosed) return;
    this.options.journal.timeline.error('speech', `the call cannot be listened to: ${reason}`);
    this.#tell({ type: 'failed', vendor, reason });
  }

  #tell(event: EarEvent): void {
    if (!this.#isClosed) this.options.onEvent(event);
  }
}

function rateOf(vendor: Recognizer, settings: RecognizerSettings): number {
  return vendor.sampleRateFor(settings);
}

/** One channel of a frame. */
function pick({ samples }: AudioFrame, channels: 1 | 2, channel: 1 | 2): Int16Array {
  if (channels === 1) return samples;
  const one = new Int16Array(samples.length >> 1);
  for (let at = 0; at < one.length; at++) one[at] = samples[2 * at + channel - 1] ?? 0;
  return one;
}
