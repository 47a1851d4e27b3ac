import { extname } from 'node:path';
import { type LegRate, parseWav, type WavEncoding, type WavInfo } from '@ringwire/rtp';
import { UnplayableFileError } from '../../errors.js';
import { parseAiff } from './aiff.js';

/** Compressed formats, decoded on a thread of their own. */
export type CompressedFormat = 'mp3' | 'ogg';

/** Bytes at a file's start that are enough to tell its format. */
export const HEAD_BYTES = 64 * 1024;

/** Files without a header: their encoding and rate by their extension, as FreeSWITCH has them; rate 0 is the leg's. */
const RAW_FORMATS: Readonly<Record<string, { encoding: WavEncoding; rateHz: LegRate | 0 }>> = {
  '.r8': { encoding: 'pcm16', rateHz: 8000 },
  '.r16': { encoding: 'pcm16', rateHz: 16000 },
  '.raw': { encoding: 'pcm16', rateHz: 0 },
  '.sln': { encoding: 'pcm16', rateHz: 8000 },
  '.sln16': { encoding: 'pcm16', rateHz: 16000 },
  '.l16': { encoding: 'pcm16', rateHz: 0 },
  '.pcmu': { encoding: 'ulaw', rateHz: 8000 },
  '.ul': { encoding: 'ulaw', rateHz: 8000 },
  '.ulaw': { encoding: 'ulaw', rateHz: 8000 },
  '.pcma': { encoding: 'alaw', rateHz: 8000 },
  '.al': { encoding: 'alaw', rateHz: 8000 },
  '.alaw': { encoding: 'alaw', rateHz: 8000 },
};

/**
 * Tells from a file's first {@link HEAD_BYTES} whether it is compressed; undefined is for {@link parsePcm}.
 *
 * @throws UnplayableFileError, saying why, when it is nothing that is played.
 */
export function detectCompressed(head: Buffer, path: string): CompressedFormat | undefined {
  if (extname(path).toLowerCase() in RAW_FORMATS) return undefined;
  if (head.length === 0) throw new UnplayableFileError('the file is empty', { path });
  const magic = head.toString('latin1', 0, 4);
  if (magic === 'RIFF' || magic === 'FORM') return undefined;
  if (magic === 'OggS') return 'ogg';
  if (magic === 'fLaC') throw new UnplayableFileError('FLAC files are not supported', { path });
  // Some files have a stray byte or a picture before the first frame; then the name says what was meant.
  if (magic.startsWith('ID3') || isMpegFrame(head, 0)) return 'mp3';
  if (/\.mp[123]$/i.test(path) && hasMpegFrame(head)) return 'mp3';
  throw new UnplayableFileError('not an audio file of a known format', { path });
}

/**
 * Reads the header of a whole uncompressed file; one without a header is what its name says, `.raw` and `.l16` at the leg's rate.
 *
 * @throws WavFormatError when it is not playable.
 */
export function parsePcm(file: Buffer, path: string, legRateHz: LegRate): WavInfo {
  const raw = RAW_FORMATS[extname(path).toLowerCase()];
  if (raw) return rawInfo(raw.encoding, raw.rateHz || legRateHz, file.length);
  return file.toString('latin1', 0, 4) === 'FORM' ? parseAiff(file) : parseWav(file);
}

function rawInfo(encoding: WavEncoding, sampleRateHz: number, sizeBytes: number): WavInfo {
  const bytesPerFrame = encoding === 'pcm16' ? 2 : 1;
  const frames = Math.floor(sizeBytes / bytesPerFrame);
  return { encoding, sampleRateHz, channels: 1, bytesPerFrame, frames, dataOffset: 0 };
}

/** Whether an MPEG audio frame header (ISO/IEC 11172-3 §2.4.1.3) can stand there. */
function isMpegFrame(bytes: Buffer, at: number): boolean {
  if (at + 4 > bytes.length || bytes[at] !== 0xff || (bytes[at + 1]! & 0xe0) !== 0xe0) return false;
  const version = (bytes[at + 1]! >> 3) & 3;
  const layer = (bytes[at + 1]! >> 1) & 3;
  const bitrate = bytes[at + 2]! >> 4;
  const rate = (bytes[at + 2]! >> 2) & 3;
  return version !== 1 && layer !== 0 && bitrate !== 0 && bitrate !== 15 && rate !== 3;
}

function hasMpegFrame(head: Buffer): boolean {
  for (let at = 0; at + 4 <= head.length; at++) if (isMpegFrame(head, at)) return true;
  return false;
}
