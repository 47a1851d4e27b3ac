import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { PhoneCall } from '@ringwire/phone';
import {
  correlate,
  LINEAR_TO_ULAW,
  type Match,
  readWavAt,
  rms,
  toneShare,
  ULAW_TO_LINEAR,
  writeWav,
} from '@ringwire/rtp';
import { eventually } from './eventually.js';

const run = promisify(execFile);
const RATE_HZ = 8_000;

/** Speech as espeak-ng itself makes it, at 8 kHz and through G.711 µ-law: what a caller should hear. */
export async function espeakReference(text: string, voice = 'en-us'): Promise<Int16Array> {
  const { stdout } = await run('espeak-ng', ['--stdout', '-v', voice, text], {
    encoding: 'buffer',
    maxBuffer: 64 * 1024 * 1024,
  });
  return throughUlaw(readWavAt(stdout, RATE_HZ));
}

/** Samples as G.711 µ-law leaves them. */
export function throughUlaw(samples: Int16Array): Int16Array {
  return samples.map((sample) => ULAW_TO_LINEAR[LINEAR_TO_ULAW[sample & 0xffff] as number] as number);
}

/** Without the silence at both ends. */
export function trimSilence(samples: Int16Array, level = 60): Int16Array {
  let start = 0;
  let end = samples.length;
  while (start < end && Math.abs(samples[start] as number) < level) start += 1;
  while (end > start && Math.abs(samples[end - 1] as number) < level) end -= 1;
  return samples.subarray(start, end);
}

/**
 * Waits until a phone has heard audio for so long since the answer. Unlike {@link hears} it costs nothing, so that the
 * phone, which runs in this process, receives undisturbed.
 */
export async function listens(call: PhoneCall, samples: number, timeoutMs = 20_000): Promise<void> {
  await call.answered();
  await eventually(
    `${samples / 8} ms of audio`,
    () => call.arrivals.length * 160,
    (received) => received >= samples,
    { timeoutMs, everyMs: 20 },
  );
}

/**
 * Of a reference: what a phone may miss at its ends. Sound may come before the answer does, which goes through more servers, and that is not counted as heard.
 */
const MISSED_SHARE = 0.1;

/** Waits until a phone has heard a reference; returns where. */
export async function hears(call: PhoneCall, reference: Int16Array, timeoutMs = 15_000): Promise<Match> {
  await call.answered();
  return eventually(
    'the phone hears what was meant',
    () =>
      call.heardSoFar().length < reference.length * (1 - MISSED_SHARE)
        ? { lag: 0, coefficient: 0 }
        : correlate(call.heardSoFar(), reference),
    ({ coefficient }) => coefficient > 0.9,
    { timeoutMs, everyMs: 250 },
  );
}

/** Waits until a phone hears a tone for 100 ms. */
export async function hearsTone(call: PhoneCall, frequencyHz: number, timeoutMs = 10_000): Promise<void> {
  await call.answered();
  await eventually(
    `the phone hears ${frequencyHz} Hz`,
    () => tonePeriods(call.heardSoFar(), frequencyHz).map(([start, end]) => end - start),
    (lengths) => lengths.some((ms) => ms >= 100),
    { timeoutMs, everyMs: 50 },
  );
}

/** Stretches of a tone in ms: [start, end]. */
export function tonePeriods(samples: Int16Array, frequencyHz: number): [startMs: number, endMs: number][] {
  const step = 80;
  const periods: [number, number][] = [];
  for (let at = 0; at + 2 * step <= samples.length; at += step) {
    const sounds =
      rms(samples, at, at + 2 * step) > 300 && toneShare(samples, frequencyHz, RATE_HZ, at, at + 2 * step) > 0.8;
    if (!sounds) continue;
    const last = periods.at(-1);
    const startMs = at / 8;
    if (last && startMs - last[1] <= 20) last[1] = startMs + 20;
    else periods.push([startMs, startMs + 20]);
  }
  return periods;
}

/** A WAV file (8 kHz) for a customer's web server. */
export function wavFile(samples: Int16Array): Buffer {
  return writeWav(samples, RATE_HZ);
}
