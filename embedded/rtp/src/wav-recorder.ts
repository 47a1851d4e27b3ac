import { constants, type FileHandle, open } from 'node:fs/promises';
import { RecordingError, WavFormatError } from './errors.js';
import { encodeG711 } from './g711.js';
import { parseWav, type WavInfoTexts, wavHeader } from './wav.js';

/** Audio collected before a write. More is lost when the process dies; less is more writes. */
const CHUNK_SECONDS = 0.5;
/** The same for audio of many channels and a high rate. */
const MAX_CHUNK_BYTES = 64 * 1024;
/** Of an existing file, enough to find its samples. */
const MAX_HEADER_BYTES = 64 * 1024;
/** What is not written yet when the disk is slow, before recording is given up: a minute of stereo at 16 kHz. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;

/** How samples lie in a file: 16-bit WAV, or nothing but 16-bit little-endian, µ-law or A-law samples. */
export type RecordingFormat = 'wav' | 'pcm16' | 'ulaw' | 'alaw';

/** What a finished recording is. */
export interface RecordingResult {
  path: string;
  samples: number;
  seconds: number;
}

/** How to record. */
export interface WavRecorderOptions {
  /** @defaultValue 8000 */
  sampleRateHz?: number;
  /** @defaultValue 1 */
  channels?: number;
  /** @defaultValue `wav` */
  format?: RecordingFormat;
  /** Goes on where an existing file ends; it must have the same rate and channels. */
  append?: boolean;
  /** Texts of a new WAV file's INFO list. */
  info?: WavInfoTexts;
}

/**
 * Streams 16-bit audio to a file. A WAV header is brought up to date with every chunk written (every half second), so that
 * a file whose writer died is still a valid WAV file up to then.
 */
export class WavRecorder {
  readonly path: string;
  readonly #sampleRateHz: number;
  readonly #channels: number;
  readonly #format: RecordingFormat;
  readonly #file: FileHandle;
  /** Where the samples begin. */
  readonly #dataOffset: number;
  /** Bytes of samples that were in the file before. */
  readonly #oldBytes: number;
  readonly #chunkBytes: number;
  #chunk: Buffer;
  #filled = 0;
  #writtenBytes = 0;
  #queuedBytes = 0;
  #queue: Promise<void> = Promise.resolve();
  #failure: RecordingError | undefined;
  #closed: Promise<RecordingResult> | undefined;

  private constructor(
    path: string,
    file: FileHandle,
    options: { sampleRateHz: number; channels: number; format: RecordingFormat },
    place: { dataOffset: number; oldBytes: number },
  ) {
    this.path = path;
    this.#file = file;
    this.#sampleRateHz = options.sampleRateHz;
    this.#channels = options.channels;
    this.#format = options.format;
    this.#dataOffset = place.dataOffset;
    this.#oldBytes = place.oldBytes;
    const frameBytes = this.#sampleBytes * options.channels;
    const seconds = Math.min(CHUNK_SECONDS, MAX_CHUNK_BYTES / (frameBytes * options.sampleRateHz));
    this.#chunkBytes = Math.max(1, Math.floor(seconds * options.sampleRateHz)) * frameBytes;
    this.#chunk = Buffer.allocUnsafe(this.#chunkBytes);
  }

  /**
   * Creates or truncates the file, or goes on with it; a character device is taken as one that was empty. Rejects with the system's error when it cannot
   * be written, with RecordingError `not-a-file` when it is something else, with WavFormatError when what is there cannot be gone on with.
   */
  static async open(path: string, options: WavRecorderOptions = {}): Promise<WavRecorder> {
    const { sampleRateHz = 8000, channels = 1, format = 'wav', append = false, info = {} } = options;
    const settings = { sampleRateHz, channels, format };
    const old = append ? await openTarget(path, constants.O_RDWR).catch(ifMissing) : undefined;
    const file = old ?? (await openTarget(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC));
    try {
      const place = old ? await findEnd(old, settings) : undefined;
      if (place) return new WavRecorder(path, file, settings, place);
      const header = format === 'wav' ? wavHeader(sampleRateHz, channels, 0, info) : Buffer.alloc(0);
      await writeAll(file, header, 0);
      return new WavRecorder(path, file, settings, { dataOffset: header.length, oldBytes: 0 });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Samples per channel recorded so far, without those that were there before. */
  get samples(): number {
    return (this.#writtenBytes + this.#filled) / this.#sampleBytes / this.#channels;
  }

  /** The first disk error, if there was one; what comes after it is dropped. */
  get failure(): RecordingError | undefined {
    return this.#failure;
  }

  /** Appends `count` interleaved samples; ignored after {@link close}. Allocates only once per half second. */
  write(pcm: Int16Array, count: number = pcm.length): void {
    if (this.#closed || this.#failure) return;
    if (this.#format === 'ulaw' || this.#format === 'alaw') {
      this.#writeG711(pcm, count);
      return;
    }
    for (let i = 0; i < count; i++) {
      const sample = pcm[i]!;
      this.#chunk[this.#filled] = sample & 0xff;
      this.#chunk[this.#filled + 1] = (sample >> 8) & 0xff;
      this.#filled += 2;
      if (this.#filled === this.#chunkBytes) this.#flush();
    }
  }

  /** Writes what is left, completes the header and closes the file. Rejects with a RecordingError when not all could be written. Idempotent. */
  close(): Promise<RecordingResult> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  get #sampleBytes(): number {
    return this.#format === 'ulaw' || this.#format === 'alaw' ? 1 : 2;
  }

  #writeG711(pcm: Int16Array, count: number): void {
    const codec = this.#format === 'ulaw' ? 'PCMU' : 'PCMA';
    for (let at = 0; at < count; ) {
      const part = Math.min(count - at, this.#chunkBytes - this.#filled);
      encodeG711(codec, pcm, at, part, this.#chunk, this.#filled);
      this.#filled += part;
      at += part;
      if (this.#filled === this.#chunkBytes) this.#flush();
    }
  }

  #flush(): void {
    const bytes = this.#chunk.subarray(0, this.#filled);
    const position = this.#dataOffset + this.#oldBytes + this.#writtenBytes;
    this.#writtenBytes += this.#filled;
    const dataBytes = this.#oldBytes + this.#writtenBytes;
    this.#chunk = Buffer.allocUnsafe(this.#chunkBytes);
    this.#filled = 0;
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > MAX_QUEUED_BYTES) {
      this.#failure ??= new RecordingError('disk-too-slow', 'the disk is too slow');
      return;
    }
    this.#queue = this.#queue.then(async () => {
      if (this.#failure) return;
      try {
        await writeAll(this.#file, bytes, position);
        if (this.#format === 'wav') await this.#writeSizes(dataBytes);
      } catch (cause) {
        this.#failure = writeError(cause as NodeJS.ErrnoException);
      }
      this.#queuedBytes -= bytes.length;
    });
  }

  async #writeSizes(dataBytes: number): Promise<void> {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(Math.min(this.#dataOffset - 8 + dataBytes, 0xffffffff));
    await writeAll(this.#file, size, 4);
    const data = Buffer.alloc(4);
    data.writeUInt32LE(Math.min(dataBytes, 0xffffffff));
    await writeAll(this.#file, data, this.#dataOffset - 4);
  }

  async #finish(): Promise<RecordingResult> {
    this.#flush();
    await this.#queue;
    await this.#file.close();
    if (this.#failure) throw this.#failure;
    return { path: this.path, samples: this.samples, seconds: this.samples / this.#sampleRateHz };
  }
}

/** Codes of the system for "no more fits in": on the disk, of the owner's quota, in one file. */
const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

function writeError(cause: NodeJS.ErrnoException): RecordingError {
  return new RecordingError(FULL.has(cause.code) ? 'disk-full' : 'write-failed', cause.message, { cause });
}

/** Never waits: opening a FIFO that nobody reads would hold one of the few threads that do all file access of a process. */
async function openTarget(path: string, flags: number): Promise<FileHandle> {
  const file = await open(path, flags | constants.O_NONBLOCK).catch((cause: NodeJS.ErrnoException) => {
    // What open(2) says of a FIFO without a reader and of a socket.
    throw cause.code === 'ENXIO' ? notAFile(path, { cause }) : cause;
  });
  try {
    const facts = await file.stat();
    if (!facts.isFile() && !facts.isCharacterDevice()) throw notAFile(path);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function notAFile(path: string, options?: ErrorOptions): RecordingError {
  return new RecordingError('not-a-file', `${path} is neither a file nor a character device`, options);
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

/** Where an existing file's samples begin and end; undefined when it is empty. What follows its samples is cut off. */
async function findEnd(
  file: FileHandle,
  wanted: { sampleRateHz: number; channels: number; format: RecordingFormat },
): Promise<{ dataOffset: number; oldBytes: number } | undefined> {
  const { size } = await file.stat();
  if (size === 0) return undefined;
  if (wanted.format !== 'wav') return { dataOffset: 0, oldBytes: size };
  const head = Buffer.alloc(Math.min(size, MAX_HEADER_BYTES));
  await file.read(head, 0, head.length, 0);
  const info = parseWav(head, size);
  if (info.encoding !== 'pcm16' || info.channels !== wanted.channels || info.sampleRateHz !== wanted.sampleRateHz) {
    throw new WavFormatError(
      'unsupported',
      'the file to be appended to has another format, rate or number of channels',
    );
  }
  const oldBytes = info.frames * info.bytesPerFrame;
  await file.truncate(info.dataOffset + oldBytes);
  return { dataOffset: info.dataOffset, oldBytes };
}

/** A nearly full disk takes less than it is given before it refuses. */
async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}
