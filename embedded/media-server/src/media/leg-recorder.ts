import { SAMPLE_RATE_HZ, SAMPLES_PER_PACKET, WavRecorder } from '@ringwire/rtp';
import type { MediaCommand, MediaReport, RecordMode, RecordOutcome } from './protocol.js';

type RecordCommand = Extract<MediaCommand, { type: 'record' }>;

/** Frames kept while the file is being opened: 1 s. */
const MAX_PENDING_FRAMES = 50;

/** Records one leg to a WAV file until it is stopped, full, or silent for long enough; reports its end once. */
export class LegRecorder {
  readonly record: number;
  readonly mode: RecordMode;
  ended = false;
  /** Resolves when the file is complete and the end has been reported. */
  readonly finished: Promise<void>;
  readonly #leg: number;
  readonly #report: (report: MediaReport) => void;
  readonly #limitSamples: number;
  readonly #silenceThreshold: number;
  readonly #silenceHits: number;
  readonly #mixed: Int16Array;
  readonly #opening: Promise<WavRecorder | undefined>;
  #recorder: WavRecorder | undefined;
  #pending: Int16Array[] = [];
  #samples = 0;
  #silentFrames = 0;
  #problem: string | undefined;
  #settle: () => void = () => undefined;

  constructor(leg: number, command: RecordCommand, report: (report: MediaReport) => void) {
    this.record = command.record;
    this.mode = command.mode;
    this.#leg = leg;
    this.#report = report;
    this.#limitSamples = command.limitMs > 0 ? (command.limitMs * SAMPLE_RATE_HZ) / 1000 : Number.POSITIVE_INFINITY;
    this.#silenceThreshold = command.silenceThreshold;
    this.#silenceHits = command.silenceHits;
    const channels = command.mode === 'stereo' ? 2 : 1;
    this.#mixed = new Int16Array(SAMPLES_PER_PACKET * channels);
    this.finished = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#opening = this.#open(command.path, channels);
  }

  /** Takes 20 ms of what the leg hears from its peer and of what it sends. Tick path: no allocation once the file is open. */
  tick(heard: Int16Array, sent: Int16Array): void {
    if (this.ended) return;
    this.#write(heard, sent);
    this.#samples += SAMPLES_PER_PACKET;
    if (this.#samples >= this.#limitSamples) this.stop('limit');
    else if (this.#silenceHits > 0 && this.#isSilentTooLong(heard)) this.stop('silence');
  }

  /** Ends the recording; the report follows when the file is complete. */
  stop(outcome: RecordOutcome): void {
    if (this.ended) return;
    this.ended = true;
    void this.#finish(outcome);
  }

  async #open(path: string, channels: number): Promise<WavRecorder | undefined> {
    try {
      const recorder = await WavRecorder.open(path, { channels });
      for (const frame of this.#pending) recorder.write(frame);
      this.#pending = [];
      this.#recorder = recorder;
      return recorder;
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      this.stop('failed');
      return undefined;
    }
  }

  #write(heard: Int16Array, sent: Int16Array): void {
    const frame = this.#combine(heard, sent);
    if (this.#recorder) {
      this.#recorder.write(frame);
      if (this.#recorder.failure) {
        this.#problem = this.#recorder.failure.message;
        this.stop('failed');
      }
    } else if (this.#pending.length < MAX_PENDING_FRAMES) {
      this.#pending.push(frame.slice());
    }
  }

  #combine(heard: Int16Array, sent: Int16Array): Int16Array {
    if (this.mode === 'read') return heard;
    const out = this.#mixed;
    for (let i = 0; i < SAMPLES_PER_PACKET; i++) {
      const a = heard[i]!;
      const b = sent[i]!;
      if (this.mode === 'stereo') {
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
    for (let i = 0; i < SAMPLES_PER_PACKET; i++) sum += Math.abs(heard[i]!);
    this.#silentFrames = sum / SAMPLES_PER_PACKET < this.#silenceThreshold ? this.#silentFrames + 1 : 0;
    return this.#silentFrames >= this.#silenceHits;
  }

  async #finish(outcome: RecordOutcome): Promise<void> {
    const recorder = await this.#opening;
    let finalOutcome = outcome;
    try {
      await recorder?.close();
    } catch (error) {
      finalOutcome = 'failed';
      this.#problem = error instanceof Error ? error.message : String(error);
    }
    this.#report({
      type: 'recordEnded',
      leg: this.#leg,
      record: this.record,
      outcome: finalOutcome,
      samples: recorder ? this.#samples : 0,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    });
    this.#settle();
  }
}
