/** Rate of what {@link trackSound} makes. */
const RATE_HZ = 8_000;
/** Zero crossings of the filter on each side: enough that 5 kHz are 40 dB softer. */
const CROSSINGS = 12;
/** Of the new rate: the filter's edge is a little below its half. */
const CUT_OFF = 0.46;
const FORMAT_PCM = 1;
const FORMAT_EXTENSIBLE = 0xfffe;
const BYTES_PER_SAMPLE = 2;

/**
 * Sound as mod_dub takes it in a file of its own format, `.r8`: samples of 16 bits at 8 kHz, mono, without a header. It plays MP3 and this, and a
 * FreeSWITCH ends when it is given a file of another name.
 * @param wav - a WAV file of 16-bit samples
 * @throws TypeError when it is none
 */
export function trackSound(wav: Buffer): Buffer {
  const { samples, channels, rateHz } = readSamples(wav);
  const mono = channels === 1 ? samples : mixed(samples, channels);
  return bytesOf(rateHz === RATE_HZ ? mono : resampled(mono, rateHz));
}

function readSamples(wav: Buffer): { samples: Int16Array; channels: number; rateHz: number } {
  if (wav.toString('latin1', 0, 4) !== 'RIFF' || wav.toString('latin1', 8, 12) !== 'WAVE')
    throw new TypeError('this is no WAV file');
  let format: { channels: number; rateHz: number } | undefined;
  for (let at = 12; at + 8 <= wav.length; ) {
    const name = wav.toString('latin1', at, at + 4);
    // Programs that write into a pipe do not know the length: it ends with the file.
    const bytes = Math.min(wav.readUInt32LE(at + 4), wav.length - at - 8);
    const start = at + 8;
    if (name === 'fmt ' && bytes >= 16) {
      const kind = wav.readUInt16LE(start);
      if ((kind !== FORMAT_PCM && kind !== FORMAT_EXTENSIBLE) || wav.readUInt16LE(start + 14) !== 16)
        throw new TypeError('this WAV file has no samples of 16 bits');
      format = { channels: wav.readUInt16LE(start + 2), rateHz: wav.readUInt32LE(start + 4) };
    } else if (name === 'data' && format && format.channels > 0 && format.rateHz > 0) {
      // Copied: an Int16Array must begin at an even address.
      const samples = new Int16Array(bytes >> 1);
      Buffer.from(samples.buffer).set(wav.subarray(start, start + samples.length * BYTES_PER_SAMPLE));
      return { samples, ...format };
    }
    at = start + bytes + (bytes & 1);
  }
  throw new TypeError('this WAV file has no sound');
}

function mixed(samples: Int16Array, channels: number): Int16Array {
  const mono = new Int16Array(Math.floor(samples.length / channels));
  for (let i = 0; i < mono.length; i++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += samples[i * channels + channel] ?? 0;
    mono[i] = Math.round(sum / channels);
  }
  return mono;
}

/** By a sinc with a Hann window around each new sample. */
function resampled(samples: Int16Array, rateHz: number): Int16Array {
  const step = rateHz / RATE_HZ;
  // Of the old rate; going up nothing is to be taken away.
  const cutOff = step > 1 ? CUT_OFF / step : CUT_OFF;
  const reach = CROSSINGS / (2 * cutOff);
  const made = new Int16Array(Math.floor(samples.length / step));
  for (let i = 0; i < made.length; i++) {
    const middle = i * step;
    const last = Math.min(samples.length - 1, Math.floor(middle + reach));
    let sum = 0;
    for (let at = Math.max(0, Math.ceil(middle - reach)); at <= last; at++) {
      const distance = at - middle;
      const phase = 2 * Math.PI * cutOff * distance;
      const sinc = distance === 0 ? 2 * cutOff : Math.sin(phase) / (Math.PI * distance);
      sum += (samples[at] ?? 0) * sinc * (0.5 + 0.5 * Math.cos((Math.PI * distance) / reach));
    }
    made[i] = Math.max(-32768, Math.min(32767, Math.round(sum)));
  }
  return made;
}

function bytesOf(samples: Int16Array): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}
