import { WavFormatError } from './errors.js';
import { ALAW_TO_LINEAR, ULAW_TO_LINEAR } from './g711.js';
import { resample } from './resampler.js';

/** Encodings of samples that are read; `pcm16be` is that of AIFF. */
export type WavEncoding = 'pcm8' | 'pcm16' | 'pcm16be' | 'pcm24' | 'pcm32' | 'float32' | 'alaw' | 'ulaw';

/** What a WAV file says of itself, and where its samples lie in the file. */
export interface WavInfo {
  encoding: WavEncoding;
  sampleRateHz: number;
  channels: number;
  bytesPerFrame: number;
  /** Samples per channel. */
  frames: number;
  /** Byte offset of the first sample. */
  dataOffset: number;
}

/** A WAV file decoded to mono 16-bit. */
export interface WavAudio {
  sampleRateHz: number;
  pcm: Int16Array;
}

const FORMAT_PCM = 1;
const FORMAT_FLOAT = 3;
const FORMAT_ALAW = 6;
const FORMAT_ULAW = 7;
const FORMAT_EXTENSIBLE = 0xfffe;
/** Of one INFO text. */
const MAX_INFO_CHARACTERS = 1000;
const MIN_RATE_HZ = 8000;
const MAX_RATE_HZ = 48000;

/**
 * Reads the chunks of a RIFF/WAVE file (PCM 8, 16, 24, 32 bit, float 32 bit, A-law, µ-law; mono or stereo; 8–48 kHz). A data chunk that claims more
 * than the file holds is cut at the file's end, as unfinished recordings and piped encoders write them. Where `file` is only the beginning of a
 * file, `sizeBytes` is the length of the whole.
 *
 * @throws WavFormatError for anything else, `wav/not-wave`, `wav/truncated` or `wav/unsupported`.
 */
export function parseWav(file: Buffer, sizeBytes: number = file.length): WavInfo {
  if (file.length < 12 || file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE') {
    throw new WavFormatError('not-wave', 'not a RIFF/WAVE file');
  }
  let format: Omit<WavInfo, 'frames' | 'dataOffset'> | undefined;
  for (let at = 12; at + 8 <= file.length; ) {
    const id = file.toString('latin1', at, at + 4);
    const size = file.readUInt32LE(at + 4);
    const start = at + 8;
    if (id === 'fmt ') format = parseFormat(file, start, size);
    if (id === 'data') {
      if (!format) throw new WavFormatError('truncated', 'audio data comes before its format');
      const bytes = Math.min(size, sizeBytes - start);
      return { ...format, frames: Math.floor(bytes / format.bytesPerFrame), dataOffset: start };
    }
    at = start + size + (size & 1);
  }
  throw new WavFormatError('truncated', 'the file has no audio data');
}

/** Decodes `count` frames from `startFrame` on, channels mixed to mono, into `out` at `outOffset`. No bounds check, no allocation. */
export function decodeWavFrames(
  file: Buffer,
  info: WavInfo,
  startFrame: number,
  count: number,
  out: Int16Array,
  outOffset = 0,
): void {
  const width = info.bytesPerFrame / info.channels;
  let at = info.dataOffset + startFrame * info.bytesPerFrame;
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let channel = 0; channel < info.channels; channel++) {
      sum += decodeSample(file, info.encoding, at);
      at += width;
    }
    out[outOffset + i] = info.channels === 1 ? sum : Math.round(sum / info.channels);
  }
}

/**
 * Reads a whole WAV file to mono 16-bit at its own rate.
 *
 * @throws WavFormatError see {@link parseWav}.
 */
export function readWav(file: Buffer): WavAudio {
  const info = parseWav(file);
  const pcm = new Int16Array(info.frames);
  decodeWavFrames(file, info, 0, info.frames, pcm);
  return { sampleRateHz: info.sampleRateHz, pcm };
}

/**
 * Reads a whole WAV file to mono 16-bit at `rateHz`.
 *
 * @throws WavFormatError see {@link parseWav}.
 */
export function readWavAt(file: Buffer, rateHz: number): Int16Array {
  const audio = readWav(file);
  return resample(audio.pcm, audio.sampleRateHz, rateHz);
}

/** Size of the header that {@link wavHeader} makes. */
export const WAV_HEADER_BYTES = 44;

/** Texts that a WAV file can carry in its INFO list. */
export interface WavInfoTexts {
  title?: string;
  artist?: string;
  copyright?: string;
  comment?: string;
  software?: string;
  date?: string;
}

const INFO_CHUNKS: readonly [keyof WavInfoTexts, string][] = [
  ['title', 'INAM'],
  ['artist', 'IART'],
  ['copyright', 'ICOP'],
  ['comment', 'ICMT'],
  ['software', 'ISFT'],
  ['date', 'ICRD'],
];

/** The header of a 16-bit PCM WAV file with `dataBytes` bytes of audio: {@link WAV_HEADER_BYTES} long, longer with texts. */
export function wavHeader(sampleRateHz: number, channels: number, dataBytes: number, info: WavInfoTexts = {}): Buffer {
  const list = infoList(info);
  const header = Buffer.alloc(WAV_HEADER_BYTES + list.length);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(Math.min(header.length - 8 + dataBytes, 0xffffffff), 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(FORMAT_PCM, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRateHz, 24);
  header.writeUInt32LE(sampleRateHz * channels * 2, 28);
  header.writeUInt16LE(channels * 2, 32);
  header.writeUInt16LE(16, 34);
  list.copy(header, 36);
  header.write('data', header.length - 8, 'latin1');
  header.writeUInt32LE(Math.min(dataBytes, 0xffffffff), header.length - 4);
  return header;
}

/** The LIST chunk of these texts, each ended by a zero and padded to an even length; empty without texts. */
function infoList(info: WavInfoTexts): Buffer {
  const parts: Buffer[] = [];
  for (const [name, id] of INFO_CHUNKS) {
    const text = info[name];
    if (!text) continue;
    const bytes = Buffer.from(`${text.slice(0, MAX_INFO_CHARACTERS)}\0`);
    const chunk = Buffer.alloc(8 + bytes.length + (bytes.length & 1));
    chunk.write(id, 0, 'latin1');
    chunk.writeUInt32LE(bytes.length, 4);
    bytes.copy(chunk, 8);
    parts.push(chunk);
  }
  if (parts.length === 0) return Buffer.alloc(0);
  const head = Buffer.from('LIST\0\0\0\0INFO', 'latin1');
  const list = Buffer.concat([head, ...parts]);
  list.writeUInt32LE(list.length - 8, 4);
  return list;
}

/** A 16-bit PCM WAV file of interleaved samples. */
export function writeWav(pcm: Int16Array, sampleRateHz: number, channels = 1): Buffer {
  const body = Buffer.alloc(pcm.length * 2);
  for (let i = 0; i < pcm.length; i++) body.writeInt16LE(pcm[i]!, i * 2);
  return Buffer.concat([wavHeader(sampleRateHz, channels, body.length), body]);
}

function parseFormat(file: Buffer, start: number, size: number): Omit<WavInfo, 'frames' | 'dataOffset'> {
  if (size < 16 || start + size > file.length) throw new WavFormatError('truncated', 'the format chunk is cut off');
  let tag = file.readUInt16LE(start);
  const channels = file.readUInt16LE(start + 2);
  const sampleRateHz = file.readUInt32LE(start + 4);
  const bits = file.readUInt16LE(start + 14);
  if (tag === FORMAT_EXTENSIBLE && size >= 40) tag = file.readUInt16LE(start + 24);
  const encoding = encodingOf(tag, bits);
  if (!encoding) throw new WavFormatError('unsupported', `WAV format ${tag} with ${bits} bits is not supported`);
  if (channels < 1 || channels > 2) throw new WavFormatError('unsupported', `${channels} channels are not supported`);
  if (sampleRateHz < MIN_RATE_HZ || sampleRateHz > MAX_RATE_HZ) {
    throw new WavFormatError('unsupported', `a sampling rate of ${sampleRateHz} Hz is not supported`);
  }
  return { encoding, sampleRateHz, channels, bytesPerFrame: (bits / 8) * channels };
}

const PCM_BY_BITS: Readonly<Record<number, WavEncoding>> = { 8: 'pcm8', 16: 'pcm16', 24: 'pcm24', 32: 'pcm32' };

function encodingOf(tag: number, bits: number): WavEncoding | undefined {
  if (tag === FORMAT_ALAW && bits === 8) return 'alaw';
  if (tag === FORMAT_ULAW && bits === 8) return 'ulaw';
  if (tag === FORMAT_FLOAT && bits === 32) return 'float32';
  return tag === FORMAT_PCM ? PCM_BY_BITS[bits] : undefined;
}

function decodeSample(file: Buffer, encoding: WavEncoding, at: number): number {
  switch (encoding) {
    case 'pcm16':
      return ((file[at + 1]! << 24) | (file[at]! << 16)) >> 16;
    case 'pcm16be':
      return ((file[at]! << 24) | (file[at + 1]! << 16)) >> 16;
    case 'pcm24':
      return ((file[at + 2]! << 24) | (file[at + 1]! << 16)) >> 16;
    case 'pcm32':
      return ((file[at + 3]! << 24) | (file[at + 2]! << 16)) >> 16;
    case 'float32':
      return fromFloat(file.readFloatLE(at));
    case 'pcm8':
      return (file[at]! - 128) << 8;
    case 'alaw':
      return ALAW_TO_LINEAR[file[at]!]!;
    case 'ulaw':
      return ULAW_TO_LINEAR[file[at]!]!;
  }
}

/** Full scale is ±1; what exceeds it is cut, and what is no number is silence. */
function fromFloat(value: number): number {
  if (Number.isNaN(value)) return 0;
  return Math.max(-32_768, Math.min(32_767, Math.round(value * 32_768)));
}
