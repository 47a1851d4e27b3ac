import { type WavEncoding, WavFormatError, type WavInfo } from '@ringwire/rtp';

const MIN_RATE_HZ = 8000;
const MAX_RATE_HZ = 48000;

/**
 * Reads the chunks of an AIFF or AIFF-C file of 16-bit PCM (big-endian, or little-endian as `sowt`), µ-law or A-law. A sound chunk that claims more
 * than the file holds is cut at the file's end.
 *
 * @throws WavFormatError `wav/not-wave`, `wav/truncated` or `wav/unsupported`.
 */
export function parseAiff(file: Buffer): WavInfo {
  const form = file.toString('latin1', 8, 12);
  if (file.toString('latin1', 0, 4) !== 'FORM' || (form !== 'AIFF' && form !== 'AIFC')) {
    throw new WavFormatError('not-wave', 'not an AIFF file');
  }
  let format: Omit<WavInfo, 'frames' | 'dataOffset'> | undefined;
  for (let at = 12; at + 8 <= file.length; ) {
    const id = file.toString('latin1', at, at + 4);
    const size = file.readUInt32BE(at + 4);
    const start = at + 8;
    if (id === 'COMM') format = parseCommon(file, start, size, form);
    if (id === 'SSND') {
      if (!format || start + 8 > file.length)
        throw new WavFormatError('truncated', 'the sound comes before its format');
      const dataOffset = start + 8 + file.readUInt32BE(start);
      const bytes = Math.max(0, Math.min(start + size, file.length) - dataOffset);
      return { ...format, frames: Math.floor(bytes / format.bytesPerFrame), dataOffset };
    }
    at = start + size + (size & 1);
  }
  throw new WavFormatError('truncated', 'the file has no audio data');
}

function parseCommon(file: Buffer, start: number, size: number, form: string): Omit<WavInfo, 'frames' | 'dataOffset'> {
  if (size < 18 || start + Math.min(size, 22) > file.length) {
    throw new WavFormatError('truncated', 'the format chunk is cut off');
  }
  const channels = file.readUInt16BE(start);
  const bits = file.readUInt16BE(start + 6);
  const sampleRateHz = Math.round(readExtended(file, start + 8));
  const compression = form === 'AIFC' && size >= 22 ? file.toString('latin1', start + 18, start + 22) : 'NONE';
  const encoding = encodingOf(compression, bits);
  if (!encoding) throw new WavFormatError('unsupported', `AIFF ${compression} with ${bits} bits is not supported`);
  if (channels < 1 || channels > 2) throw new WavFormatError('unsupported', `${channels} channels are not supported`);
  if (!(sampleRateHz >= MIN_RATE_HZ && sampleRateHz <= MAX_RATE_HZ)) {
    throw new WavFormatError('unsupported', `a sampling rate of ${sampleRateHz} Hz is not supported`);
  }
  const bytes = encoding === 'ulaw' || encoding === 'alaw' ? 1 : 2;
  return { encoding, sampleRateHz, channels, bytesPerFrame: bytes * channels };
}

function encodingOf(compression: string, bits: number): WavEncoding | undefined {
  if (/^ulaw$/i.test(compression)) return 'ulaw';
  if (/^alaw$/i.test(compression)) return 'alaw';
  if (bits !== 16) return undefined;
  if (compression === 'sowt') return 'pcm16';
  return compression === 'NONE' || compression === 'twos' ? 'pcm16be' : undefined;
}

/** An 80-bit IEEE 754 extended number, as AIFF has its rate. */
function readExtended(bytes: Buffer, at: number): number {
  const exponent = bytes.readUInt16BE(at) & 0x7fff;
  const mantissa = bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6);
  return mantissa * 2 ** (exponent - 16383 - 63);
}
