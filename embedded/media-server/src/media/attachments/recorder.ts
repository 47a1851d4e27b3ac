import { frameSamples, type LegRate, WavRecorder } from '@ringwire/rtp';
import type { Attachment, AttachmentContext } from '../attachment.js';

/** What of a channel goes into a recording: what it hears from its peer, or both directions as left and right or mixed. */
export type RecordMode = 'read' | 'mixed' | 'stereo';

/** How a recording ended. */
export type RecordOutcome = 'stopped' | 'limit' | 'silence' | 'failed';

/** A recording that is wanted. */
export interface RecordSpec {
  path: string;
  mode: RecordMode;
  /** Rate of the file. @defaultValue 8000 */
  rateHz?: LegRate;
  /** 0 is no limit. */
  limitMs: number;
  /** Mean absolute level (0…32767) under which a packet is silence; 0 switches the detection off. */
  silenceThreshold: number;
  /** Successive silent packets that end the recording. */
  silenceHits: number;
}

/** The recording is over and its file complete. */
export interface RecordEvent {
  type: 'recordEnded';
  outcome: RecordOutcome;
  /** Samples per channel, at 8 kHz. */
  samples: number;
  /** Why it failed. */
  problem?: string;
}

/** Frames kept while the file is being opened: 1 s. */
const MAX_PENDING_FRAMES = 50;
/** Rate in which lengths are reported, whatever the file's. */
const REPORT_RATE_HZ = 8000;

/** Records one leg to a WAV file until it is closed, full, or silent for long enough; reports its end once. */
export class Recorder implements Attachment {
  readonly rateHz: LegRate;
  ended = false;
  readonly #spec: RecordSpec;
  readonly #report: (event: RecordEvent) => void;
  readonly #limitSamples: number;
  readonly #combined: Int16Array;
  readonly #opening: Promise<WavRecorder | undefined>;
  #heard: Int16Array | undefined;
  #recorder: WavRecorder | undefined;
  #pending: Int16Array[] = [];
  #samples = 0;
  #silentFrames = 0;
  #outcome: RecordOutcome = 'stopped';
  #problem: string | undefined;

  constructor(spec: RecordSpec, context: AttachmentContext<RecordEvent>) {
    this.#spec = spec;
    this.rateHz = spec.rateHz ?? 8000;
    this.#report = context.report;
    this.#limitSamples = spec.limitMs > 0 ? (spec.limitMs * this.rateHz) / 1000 : Number.POSITIVE_INFINITY;
    const channels = spec.mode === 'stereo' ? 2 : 1;
    this.#combined = new Int16Array(frameSamples(this.rateHz) * channels);
    this.#opening = this.#open(spec.path, channels);
  }

  heardTick(frame: Int16Array): void {
    this.#heard = frame;
  }

  /** Tick path: no allocation once the file is open. */
  sentTick(sent: Int16Array): void {
    const heard = this.#heard;
    if (!heard) return;
    this.#write(this.#combine(heard, sent));
    this.#samples += sent.length;
    if (this.#samples >= this.#limitSamples) this.#end('limit');
    else if (this.#spec.silenceHits > 0 && this.#isSilentTooLong(heard)) this.#end('silence');
  }

  /** Completes the file and reports the end. */
  async close(): Promise<void> {
    this.ended = true;
    const recorder = await this.#opening;
    try {
      await recorder?.close();
    } catch (error) {
      this.#fail(error);
    }
    this.#report({
      type: 'recordEnded',
      outcome: this.#outcome,
      samples: recorder ? (this.#samples * REPORT_RATE_HZ) / this.rateHz : 0,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    });
  }

  #end(outcome: RecordOutcome): void {
    if (this.ended) return;
    this.ended = true;
    this.#outcome = outcome;
  }

  #fail(error: unknown): void {
    this.ended = true;
    this.#outcome = 'failed';
    this.#problem = error instanceof Error ? error.message : String(error);
  }

  async #open(path: string, channels: number): Promise<WavRecorder | undefined> {
    try {
      const recorder = await WavRecorder.open(path, { channels, sampleRateHz: this.rateHz });
      for (const frame of this.#pending) recorder.write(frame);
      this.#pending = [];
      this.#recorder = recorder;
      return recorder;
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #write(frame: Int16Array): void {
    if (this.#recorder) {
      this.#recorder.write(frame);
      if (this.#recorder.failure) this.#fail(this.#recorder.failure);
    } else if (this.#pending.length < MAX_PENDING_FRAMES) {
      this.#pending.push(frame.slice());
    }
  }

  #combine(heard: Int16Array, sent: Int16Array): Int16Array {
    if (this.#spec.mode === 'read') return heard;
    const out = this.#combined;
    for (let i = 0; i < sent.length; i++) {
      const a = heard[i]!;
      const b = sent[i]!;
      if (this.#spec.mode === 'stereo') {
        out[i * 2] = a;
        out[i * 2 + 1] = b;
      } else {
        out[i] = Math.max(-32768, Math.min(32767, a + b));
      }
    }
    return out;
  }

  #isSilentTooLong(heard: Int16Array): boolean {
    let sum = 0;
    for (let i = 0; i < heard.length; i++) sum += Math.abs(heard[i]!);
    this.#silentFrames = sum / heard.length < this.#spec.silenceThreshold ? this.#silentFrames + 1 : 0;
    return this.#silentFrames >= this.#spec.silenceHits;
  }
}
