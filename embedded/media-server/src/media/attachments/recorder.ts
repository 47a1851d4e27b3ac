import { rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  frameSamples,
  type LegRate,
  RecordingError,
  type RecordingFormat,
  type WavInfoTexts,
  WavRecorder,
} from '@ringwire/rtp';
import { makeFolders } from '../../files/folders.js';
import type { Attachment, AttachmentContext } from '../attachment.js';

/** What of a channel goes into a recording: what it hears from its peer, what its peer hears, or both directions mixed or as left and right. */
export type RecordMode = 'read' | 'write' | 'mixed' | 'stereo';

/**
 * How a recording ended. `silence`: nothing was said any more; `noInput`: nothing was ever said; `tooShort` and `empty`: its file is
 * deleted.
 */
export type RecordOutcome = 'stopped' | 'limit' | 'silence' | 'noInput' | 'tooShort' | 'empty' | 'failed';

/** A recording that is wanted. */
export interface RecordSpec {
  path: string;
  mode: RecordMode;
  format: RecordingFormat;
  /** Stereo with the far side left. */
  swap?: boolean;
  /** Rate of the file. @defaultValue the leg's */
  rateHz?: LegRate;
  /** 0 is no limit. */
  limitMs: number;
  /** Mean absolute level (0…32767) under which a frame is silence. */
  silenceThreshold: number;
  /** Silence in a row that ends the recording, from its start on; 0 is never. */
  silenceMs: number;
  /** The same, but only before something was said. */
  initialSilenceMs?: number;
  /** The same, but only after something was said. */
  finalSilenceMs?: number;
  /** Goes on with the file that is there. */
  append?: boolean;
  /** A shorter or empty recording is deleted; without it even that is kept. */
  minMs?: number;
  /** Texts for the file. */
  info?: WavInfoTexts;
}

/** What a recorder may be told. */
export type RecordMessage =
  /** While masked, silence is recorded. */
  | { type: 'mask'; on: boolean }
  /** While paused, nothing is recorded, and no limit counts. */
  | { type: 'pause'; on: boolean };

/** What a recorder reports. */
export type RecordEvent =
  /** The file is open. */
  | { type: 'recordStarted' }
  /** The recording is over and its file complete. */
  | RecordEnded;

/** The end of a recording. */
export interface RecordEnded {
  type: 'recordEnded';
  outcome: RecordOutcome;
  /** Samples per channel, at {@link rateHz}. */
  samples: number;
  rateHz: number;
  /** Why it failed. */
  problem?: string;
  /** The same for programs: a code of RecordingError or of the system, such as `recording/disk-full` or `EACCES`. */
  problemCode?: string;
}

const FRAME_MS = 20;
/** Frames kept while the file is being opened: 1 s. */
const MAX_PENDING_FRAMES = 50;

/** Records one leg to a file until it is closed, full, or silent for long enough; reports its end once. */
export class Recorder implements Attachment {
  readonly rateHz: LegRate;
  ended = false;
  readonly #spec: RecordSpec;
  readonly #report: (event: RecordEvent) => void;
  readonly #combined: Int16Array;
  readonly #opening: Promise<WavRecorder | undefined>;
  #heard: Int16Array | undefined;
  #recorder: WavRecorder | undefined;
  #pending: Int16Array[] = [];
  #recordedMs = 0;
  #silentMs = 0;
  #spoken = false;
  #masked = false;
  #paused = false;
  #outcome: RecordOutcome = 'stopped';
  #problem: string | undefined;
  #problemCode: string | undefined;

  constructor(spec: RecordSpec, context: AttachmentContext<RecordEvent>) {
    this.#spec = spec;
    this.rateHz = spec.rateHz ?? context.legRateHz;
    this.#report = context.report;
    const channels = spec.mode === 'stereo' ? 2 : 1;
    this.#combined = new Int16Array(frameSamples(this.rateHz) * channels);
    this.#opening = this.#open(channels);
  }

  heardTick(frame: Int16Array): void {
    this.#heard = frame;
  }

  /** Tick path: no allocation once the file is open. */
  sentTick(sent: Int16Array): void {
    const heard = this.#heard;
    if (!heard || this.#paused) return;
    this.#write(this.#masked ? this.#combined.fill(0) : this.#combine(heard, sent));
    this.#recordedMs += FRAME_MS;
    if (this.#spec.limitMs > 0 && this.#recordedMs >= this.#spec.limitMs) this.#end('limit');
    else this.#watchSilence(this.#spec.mode === 'write' ? sent : heard);
  }

  /** Masks or pauses. */
  tell(message: RecordMessage): void {
    if (message.type === 'mask') this.#masked = message.on;
    else this.#paused = message.on;
  }

  /** Completes the file and reports the end. */
  async close(): Promise<void> {
    this.ended = true;
    const recorder = await this.#opening;
    try {
      await recorder?.close();
      if (recorder) await this.#deleteIfShort();
    } catch (error) {
      this.#fail(error);
    }
    this.#report({
      type: 'recordEnded',
      outcome: this.#outcome,
      samples: recorder?.samples ?? 0,
      rateHz: this.rateHz,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
      ...(this.#problemCode === undefined ? {} : { problemCode: this.#problemCode }),
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
    this.#problemCode = error instanceof RecordingError ? error.code : (error as NodeJS.ErrnoException).code;
  }

  async #deleteIfShort(): Promise<void> {
    const { path, append, minMs } = this.#spec;
    if (append || minMs === undefined || (this.#recordedMs > 0 && this.#recordedMs >= minMs)) return;
    this.#outcome = this.#recordedMs === 0 ? 'empty' : 'tooShort';
    // What is no file, such as /dev/null, is not ours to delete.
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) await rm(path, { force: true });
  }

  async #open(channels: number): Promise<WavRecorder | undefined> {
    const { path, format, append = false, info = {} } = this.#spec;
    try {
      await makeFolders(dirname(path));
      const recorder = await WavRecorder.open(path, { channels, sampleRateHz: this.rateHz, format, append, info });
      for (const frame of this.#pending) recorder.write(frame);
      this.#pending = [];
      this.#recorder = recorder;
      this.#report({ type: 'recordStarted' });
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
    const { mode, swap } = this.#spec;
    if (mode === 'read') return heard;
    if (mode === 'write') return sent;
    const out = this.#combined;
    const left = swap ? sent : heard;
    const right = swap ? heard : sent;
    for (let i = 0; i < sent.length; i++) {
      const a = left[i]!;
      const b = right[i]!;
      if (mode === 'stereo') {
        out[i * 2] = a;
        out[i * 2 + 1] = b;
      } else {
        out[i] = Math.max(-32768, Math.min(32767, a + b));
      }
    }
    return out;
  }

  #watchSilence(frame: Int16Array): void {
    const { silenceThreshold, silenceMs, initialSilenceMs = 0, finalSilenceMs = 0 } = this.#spec;
    if (silenceMs + initialSilenceMs + finalSilenceMs === 0) return;
    let sum = 0;
    for (let i = 0; i < frame.length; i++) sum += Math.abs(frame[i]!);
    if (sum / frame.length >= silenceThreshold) {
      this.#silentMs = 0;
      this.#spoken = true;
      return;
    }
    this.#silentMs += FRAME_MS;
    if (silenceMs > 0 && this.#silentMs >= silenceMs) this.#end('silence');
    else if (this.#spoken && finalSilenceMs > 0 && this.#silentMs >= finalSilenceMs) this.#end('silence');
    else if (!this.#spoken && initialSilenceMs > 0 && this.#silentMs >= initialSilenceMs) this.#end('noInput');
  }
}
