import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EspeakSynthesizer } from './espeak.js';
import { espeakVoice } from './espeak-voice.js';

const US = { vendor: 'espeak', language: 'en-US' };

/** A program that behaves as the script says when it is asked to speak, and lists no voices. */
async function program(t: Test, script: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'ringwire-espeak-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'espeak');
  await writeFile(file, `#!/bin/sh\ncase "$1" in --voices*) exit 0;; esac\n${script}\n`);
  await chmod(file, 0o755);
  return file;
}

t.test('espeak-ng speaks: a complete WAV whose header tells its true length', async (t) => {
  const espeak = await EspeakSynthesizer.open();
  const wav = await espeak.synthesize({ ...US, text: 'Welcome to Ringwire.' });
  t.equal(wav.readUInt32LE(4), wav.length - 8);
  t.equal(wav.readUInt32LE(40), wav.length - 44);
  const seconds = (wav.length - 44) / 2 / wav.readUInt32LE(24);
  t.ok(seconds > 0.8 && seconds < 4, `${seconds} s`);
});

t.test('SSML is obeyed, and text that looks like an option is only text', async (t) => {
  const espeak = await EspeakSynthesizer.open();
  const plain = await espeak.synthesize({ ...US, text: 'one two' });
  const pause = await espeak.synthesize({ ...US, text: '<speak>one <break time="1500ms"/> two</speak>' });
  t.ok(pause.length - plain.length > 22050 * 2, 'the break is heard');
  t.ok((await espeak.synthesize({ ...US, text: '--help -v xx' })).length > 20_000);
});

t.test('a rate makes it faster, and decides what the cache is keyed by', async (t) => {
  const espeak = await EspeakSynthesizer.open();
  const normal = { ...US, text: 'the quick brown fox jumps over the lazy dog' };
  const fast = { ...normal, options: { rate: 350 } };
  t.ok((await espeak.synthesize(fast)).length < 0.8 * (await espeak.synthesize(normal)).length);
  t.not(espeak.canonical(fast).rate, espeak.canonical(normal).rate);
});

t.test('a program that hangs is killed at the deadline', async (t) => {
  const espeak = await EspeakSynthesizer.open({ program: await program(t, 'exec sleep 30'), deadlineMs: 300 });
  await t.rejects(espeak.synthesize({ ...US, text: 'x' }), { code: 'speech/synthesis', message: /longer than 300 ms/ });
});

t.test('a program that fails, or writes no WAV, or is not there is an error that says so', async (t) => {
  const failing = await EspeakSynthesizer.open({ program: await program(t, 'echo no such voice >&2; exit 3') });
  await t.rejects(failing.synthesize({ ...US, text: 'x' }), { message: /ended with 3: no such voice/ });
  const silent = await EspeakSynthesizer.open({ program: await program(t, 'exit 0') });
  await t.rejects(silent.synthesize({ ...US, text: 'x' }), { message: /no WAV/ });
  await t.rejects(EspeakSynthesizer.open({ program: '/nowhere/espeak-ng' }), { code: 'speech/synthesis' });
});

t.test('no more runs at a time than allowed', async (t) => {
  const counting = await program(
    t,
    'd=$(dirname "$0"); touch "$d/r.$$"; ls "$d" | grep -c "^r\\." >> "$d/log"; sleep 0.1; rm "$d/r.$$"; exit 3',
  );
  const espeak = await EspeakSynthesizer.open({ program: counting, concurrency: 2 });
  await Promise.allSettled(Array.from({ length: 6 }, () => espeak.synthesize({ ...US, text: 'x' })));
  const counts = (await readFile(join(counting, '..', 'log'), 'utf8')).trim().split('\n').map(Number);
  t.equal(counts.length, 6);
  t.ok(Math.max(...counts) <= 2, `at most ${Math.max(...counts)} at a time`);
});

t.test('languages and voices of applications are mapped to what espeak-ng has', (t) => {
  const available = {
    languages: new Set(['en-us', 'en-gb', 'de', 'fr-fr', 'es', 'es-419', 'cmn', 'pt', 'pt-br', 'nb']),
    variants: new Set(['f3', 'm1']),
  };
  const cases: [Parameters<typeof espeakVoice>[0], string][] = [
    [{ language: 'en-US' }, 'en-us'],
    [{ language: 'en-AU' }, 'en-gb'],
    [{ language: 'de-DE' }, 'de'],
    [{ language: 'fr-CA' }, 'fr-fr'],
    [{ language: 'es-ES' }, 'es'],
    [{ language: 'es-MX' }, 'es-419'],
    [{ language: 'zh-CN' }, 'cmn'],
    [{ language: 'pt_BR' }, 'pt-br'],
    [{ language: 'no-NO' }, 'nb'],
    [{ language: 'xx-YY' }, 'en-us'],
    [{ language: 'de-DE', voice: 'de-DE-Wavenet-B' }, 'de'],
    [{ language: 'en-US', voice: 'en-gb' }, 'en-gb'],
    [{ language: 'en-US', voice: 'en-gb+f3' }, 'en-gb+f3'],
    [{ language: 'de-DE', voice: '+m1' }, 'de+m1'],
    [{ language: 'de-DE', gender: 'FEMALE' }, 'de+f3'],
    [{ language: 'de-DE', voice: '$(reboot)' }, 'de'],
  ];
  for (const [settings, expected] of cases)
    t.equal(espeakVoice(settings, available), expected, JSON.stringify(settings));
  t.end();
});
