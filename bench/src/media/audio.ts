import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeG711, tone, writeWav } from '@ringwire/rtp';

const RATE_HZ = 8000;
const SPEECH_SECONDS = 60;
const DIGIT_MS = 100;
const PAUSE_MS = 60;
/** The digit that callers send, as its two tones (ITU-T Q.23). */
const DIGIT = '5';
const DIGIT_HZ = [770, 1336];

/** The sounds of a run, as files. */
export interface SoundFiles {
  /** What the server plays: a WAV file. */
  wav: string;
  /** What callers say, in G.711 µ-law. */
  speech: string;
  /** A digit as tones, with silence around it, in G.711 µ-law. */
  digit: string;
  /** Which digit that is. */
  digitName: string;
}

/** Writes them into a folder. */
export async function writeSounds(dir: string): Promise<SoundFiles> {
  const pcm = speech();
  const files = { wav: join(dir, 'speech.wav'), speech: join(dir, 'speech.ulaw'), digit: join(dir, 'digit.ulaw') };
  const pause = new Int16Array((PAUSE_MS * RATE_HZ) / 1000);
  const sound = tone(DIGIT_HZ, DIGIT_MS, -10, RATE_HZ);
  const digit = new Int16Array(sound.length + 2 * pause.length);
  digit.set(sound, pause.length);
  await writeFile(files.wav, writeWav(pcm, RATE_HZ));
  await writeFile(files.speech, ulaw(pcm));
  await writeFile(files.digit, ulaw(digit));
  return { ...files, digitName: DIGIT };
}

function ulaw(pcm: Int16Array): Uint8Array {
  const bytes = new Uint8Array(pcm.length);
  encodeG711('PCMU', pcm, 0, pcm.length, bytes);
  return bytes;
}

/**
 * Something like speech to whoever listens for digits: a voice of many harmonics that glides, syllables of 200 ms at changing
 * levels, a pause of 300 ms in every two seconds. The same in every run.
 */
function speech(): Int16Array {
  const pcm = new Int16Array(SPEECH_SECONDS * RATE_HZ);
  let phase = 0;
  for (let i = 0; i < pcm.length; i++) {
    const seconds = i / RATE_HZ;
    const pitchHz = 120 + 40 * Math.sin(2 * Math.PI * 0.7 * seconds);
    phase += (2 * Math.PI * pitchHz) / RATE_HZ;
    if (seconds % 2 > 1.7) continue;
    const syllable = 0.15 + 0.85 * Math.sin(Math.PI * ((seconds * 5) % 1)) ** 2;
    let sample = 0;
    for (let harmonic = 1; harmonic <= 20; harmonic++) sample += Math.sin(phase * harmonic) / harmonic ** 0.8;
    pcm[i] = Math.round(2500 * syllable * sample);
  }
  return pcm;
}
