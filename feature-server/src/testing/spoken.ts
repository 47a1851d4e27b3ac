import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readWavAt } from '@ringwire/rtp';

const MODEL = '/usr/share/pocketsphinx/model/en-us/en-us.lm.bin';

/** Why a test that needs pocketsphinx is skipped here; false where it is, and where no test may be skipped (`TEST_NO_SKIP`). */
export const noSphinx: string | false =
  existsSync(MODEL) || process.env.TEST_NO_SKIP
    ? false
    : 'needs pocketsphinx: apt-get install --no-install-recommends pocketsphinx pocketsphinx-en-us';

/** What a caller says, by espeak-ng: samples at 8 kHz, with silence behind that is long enough to end what was said. */
export function spoken(text: string): Int16Array {
  const { stdout } = spawnSync('espeak-ng', ['-v', 'en-us', '--stdin', '--stdout'], { input: text });
  // The length in the header is that of a pipe: unknown.
  stdout.writeUInt32LE(stdout.length - 44, 40);
  const said = readWavAt(stdout, 8000);
  const samples = new Int16Array(said.length + 8000);
  samples.set(said.map((sample) => Math.round(sample * 0.7)));
  return samples;
}
