import type { VadSpec } from '@ringwire/verb-specs';
import type { RecognitionSession } from './recognizer.js';
import type { Talkspurts } from './talkspurts.js';
import { VoiceActivity } from './voice-activity.js';

/** Sound since the last result, kept for a vendor that is late or takes over. */
const MAX_KEPT_MS = 5_000;
/** Of silence before speech only so much is kept. */
const LEAD_IN_MS = 1_000;
const MAX_TALKSPURTS = 50;

/** What an {@link EarLane} is made of. */
export interface EarLaneOptions {
  channel: 1 | 2;
  sampleRate: number;
  vad?: Readonly<VadSpec>;
  onActivity(type: 'speech-start' | 'speech-end'): void;
}

/** One channel of an ear: its sound, and who listens to it. */
export class EarLane {
  readonly channel: 1 | 2;
  readonly #activity: VoiceActivity;
  #session: RecognitionSession | undefined;
  /** What the sound is thinned out by for this vendor. */
  #ratio = 1;
  #opened = 0;
  #isClosed = false;
  #kept: Int16Array[] = [];
  #keptSamples = 0;
  #talkspurts: { startedAt: number; endedAt?: number }[] = [];

  constructor(private readonly options: EarLaneOptions) {
    const { channel, sampleRate, vad } = options;
    this.channel = channel;
    this.#activity = new VoiceActivity({
      sampleRate,
      ...(vad?.voiceMs !== undefined && { voiceMs: vad.voiceMs }),
      ...(vad?.silenceMs !== undefined && { silenceMs: vad.silenceMs }),
      ...(vad?.mode !== undefined && { mode: vad.mode }),
    });
  }

  /** Nobody was asked to listen yet. */
  get isUnopened(): boolean {
    return this.#opened === 0;
  }

  feed(samples: Int16Array): void {
    if (this.#isClosed) return;
    this.#keep(samples);
    this.#session?.write(thinned(samples, this.#ratio));
    for (const change of this.#activity.feed(samples)) {
      const now = Date.now();
      if (change === 'start') this.#talkspurts.push({ startedAt: now });
      else this.#talkspurts.at(-1)!.endedAt = now;
      if (this.#talkspurts.length > MAX_TALKSPURTS) this.#talkspurts.shift();
      this.options.onActivity(change === 'start' ? 'speech-start' : 'speech-end');
    }
  }

  /**
   * Has somebody listen, who first gets what was kept.
   * @throws what `open` throws
   */
  async open(open: () => Promise<RecognitionSession>, ratio: number): Promise<void> {
    this.#opened += 1;
    const mine = this.#opened;
    const session = await open();
    if (this.#isClosed || mine !== this.#opened) {
      await session.close();
      return;
    }
    this.#session = session;
    this.#ratio = ratio;
    for (const samples of this.#kept) session.write(thinned(samples, ratio));
  }

  /** Sends the one who listens away; the sound is kept for the next. */
  async drop(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#opened += 1;
    await session?.close();
  }

  /** When somebody spoke since the last result. */
  talkspurts(): Talkspurts {
    return this.#talkspurts.map((one) => ({ ...one }));
  }

  /** What was said is understood: neither its sound nor its times are wanted any more. */
  forget(): void {
    this.#kept = [];
    this.#keptSamples = 0;
    const last = this.#talkspurts.at(-1);
    // Who goes on speaking has begun before.
    this.#talkspurts = last && last.endedAt === undefined ? [last] : [];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#kept = [];
    await this.drop();
  }

  #keep(samples: Int16Array): void {
    this.#kept.push(samples);
    this.#keptSamples += samples.length;
    const isSilent = !this.#activity.isSpeech && this.#talkspurts.length === 0;
    const most = ((isSilent ? LEAD_IN_MS : MAX_KEPT_MS) * this.options.sampleRate) / 1000;
    while (this.#keptSamples > most) this.#keptSamples -= this.#kept.shift()?.length ?? 0;
  }
}

/** Every second sample pair as one, for vendors that want half the rate. */
function thinned(samples: Int16Array, ratio: number): Int16Array {
  if (ratio !== 2) return samples;
  const out = new Int16Array(samples.length >> 1);
  for (let at = 0; at < out.length; at++) out[at] = ((samples[2 * at] ?? 0) + (samples[2 * at + 1] ?? 0)) >> 1;
  return out;
}
