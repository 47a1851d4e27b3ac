import { type FileHandle, open } from 'node:fs/promises';
import { WAV_HEADER_BYTES, wavHeader } from './wav.js';

/** Bytes collected before a write: about two seconds of mono audio at 8 kHz; larger loses more when a process dies. */
const CHUNK_BYTES = 32 * 1024;

/** What a finished recording is. */
export interface RecordingResult {
  path: string;
  samples: number;
  seconds: number;
}

/**
 * Streams 16-bit audio to a WAV file. The header is brought up to date with every chunk written (about every 2 s), so that
 * a file whose writer died is still a valid WAV file up to then.
 */
export class WavRecorder {
  readonly path: string;
  readonly #sampleRateHz: number;
  readonly #channels: number;
  readonly #file: FileHandle;
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  #filled = 0;
  #writtenBytes = 0;
  #queue: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  #closed: Promise<RecordingResult> | undefined;

  private constructor(path: string, file: FileHandle, sampleRateHz: number, channels: number) {
    this.path = path;
    this.#file = file;
    this.#sampleRateHz = sampleRateHz;
    this.#channels = channels;
  }

  /** Creates or truncates the file. Rejects with the system's error when it cannot be written. */
  static async open(path: string, options: { sampleRateHz?: number; channels?: number } = {}): Promise<WavRecorder> {
    const { sampleRateHz = 8000, channels = 1 } = options;
    const file = await open(path, 'w');
    await file.write(wavHeader(sampleRateHz, channels, 0), 0, WAV_HEADER_BYTES, 0);
    return new WavRecorder(path, file, sampleRateHz, channels);
  }

  /** Samples per channel recorded so far. */
  get samples(): number {
    return (this.#writtenBytes + this.#filled) / 2 / this.#channels;
  }

  /** The first disk error, if there was one; what comes after it is dropped. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Appends `count` interleaved samples; ignored after {@link close}. Allocates only once per 32 KiB. */
  write(pcm: Int16Array, count: number = pcm.length): void {
    if (this.#closed) return;
    for (let i = 0; i < count; i++) {
      const sample = pcm[i]!;
      this.#chunk[this.#filled] = sample & 0xff;
      this.#chunk[this.#filled + 1] = (sample >> 8) & 0xff;
      this.#filled += 2;
      if (this.#filled === CHUNK_BYTES) this.#flush();
    }
  }

  /** Writes what is left, completes the header and closes the file. Rejects with the first disk error. Idempotent. */
  close(): Promise<RecordingResult> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  #flush(): void {
    const bytes = this.#chunk.subarray(0, this.#filled);
    const position = WAV_HEADER_BYTES + this.#writtenBytes;
    this.#writtenBytes += this.#filled;
    const header = wavHeader(this.#sampleRateHz, this.#channels, this.#writtenBytes);
    this.#chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    this.#filled = 0;
    this.#queue = this.#queue.then(async () => {
      if (this.#failure) return;
      try {
        await this.#file.write(bytes, 0, bytes.length, position);
        await this.#file.write(header, 0, header.length, 0);
      } catch (cause) {
        this.#failure = cause as Error;
      }
    });
  }

  async #finish(): Promise<RecordingResult> {
    this.#flush();
    await this.#queue;
    await this.#file.close();
    if (this.#failure) throw this.#failure;
    return { path: this.path, samples: this.samples, seconds: this.samples / this.#sampleRateHz };
  }
}
