import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CollectingSink, FakeSynthesizer, journalOver, silentLogger } from '../testing/fakes.js';
import { SpeechService } from './speech-service.js';
import { TtsCache } from './tts-cache.js';

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'ringwire-tts-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

const open = (dir: string, maxBytes = 1_000_000) => TtsCache.open({ dir, maxBytes, logger: silentLogger });

t.test('the same request is made once, also when it is asked for twice at the same time', async (t) => {
  const cache = await open(await folder(t));
  let made = 0;
  const make = async () => {
    made += 1;
    return Buffer.from('audio');
  };
  const key = TtsCache.key({ text: 'a', voice: 'b' });
  t.equal(key, TtsCache.key({ voice: 'b', text: 'a' }), 'the order of properties does not matter');
  const [first, second] = await Promise.all([cache.get(key, make), cache.get(key, make)]);
  const third = await cache.get(key, make);
  t.equal(made, 1);
  t.equal(first.file, second.file);
  t.same([third.file, third.cached], [first.file, true]);
  t.equal(await readFile(first.file, 'utf8'), 'audio');
});

t.test('a failure is not kept', async (t) => {
  const dir = await folder(t);
  const cache = await open(dir);
  const failing = async () => Promise.reject(new Error('no'));
  await t.rejects(cache.get('k', failing), { message: 'no' });
  t.match(await cache.get('k', async () => Buffer.from('yes')), { cached: false });
  t.same(await readdir(dir), ['k.wav'], 'nothing half written is left');
});

t.test('what was used least recently goes when there is no room', async (t) => {
  const cache = await open(await folder(t), 250);
  const make = (letter: string) => () => Promise.resolve(Buffer.from(letter.repeat(100)));
  await cache.get('a', make('a'));
  await cache.get('b', make('b'));
  await cache.get('a', make('x'));
  await cache.get('c', make('c'));
  t.same(cache.size, { files: 2, bytes: 200 });
  t.match(await cache.get('a', make('x')), { cached: true }, 'the one that was used again is still there');
  t.match(await cache.get('b', make('b')), { cached: false });
});

t.test('a restart finds what was there, and removes what was left half written', async (t) => {
  const dir = await folder(t);
  const key = TtsCache.key({ text: 'kept' });
  await (await open(dir)).get(key, async () => Buffer.from('kept'));
  await writeFile(join(dir, 'x.wav.1.part'), 'half');
  await writeFile(join(dir, 'once-1.wav'), 'once');
  const old = new Date(Date.now() - 7_200_000);
  for (const name of ['x.wav.1.part', 'once-1.wav']) await utimes(join(dir, name), old, old);
  const cache = await open(dir);
  t.same(cache.size, { files: 1, bytes: 4 });
  t.same(await readdir(dir), [`${key}.wav`]);
  t.match(await cache.get(key, async () => Buffer.from('new')), { cached: true });
});

t.test('a file that somebody else removed is made again', async (t) => {
  const cache = await open(await folder(t));
  const { file } = await cache.get('k', async () => Buffer.from('one'));
  await rm(file);
  t.match(await cache.get('k', async () => Buffer.from('two')), { cached: false });
});

t.test('without the cache audio is made each time and removed after use', async (t) => {
  const dir = await folder(t);
  const vendor = new FakeSynthesizer();
  const service = new SpeechService({ vendors: [vendor], defaultVendor: 'espeak', cache: await open(dir) });
  const order = { texts: ['x'], settings: { vendor: 'default', language: 'en-US' }, noCache: true };
  const journal = journalOver(new CollectingSink());
  const [first] = await service.speak(order, journal);
  const [second] = await service.speak(order, journal);
  if (!first || !second) return t.fail('nothing was spoken');
  t.not(first.file, second.file);
  await first.release();
  await second.release();
  t.same(await readdir(dir), []);
  t.equal(vendor.made, 2);
});

t.test('a failing vendor gives way to the fallback vendor, then to the default', async (t) => {
  const [main, spare, standard] = ['main', 'spare', 'espeak'].map((name) => new FakeSynthesizer(name));
  if (!main || !spare || !standard) return;
  const service = new SpeechService({
    vendors: [main, spare, standard],
    defaultVendor: 'espeak',
    cache: await open(await folder(t)),
  });
  const sink = new CollectingSink();
  main.failures = [new Error('quota')];
  const order = {
    texts: ['x'],
    settings: { vendor: 'main', language: 'en-US', voice: 'v' },
    fallback: { vendor: 'spare', language: 'en-US' },
  };
  t.equal((await service.speak(order, journalOver(sink)))[0]?.vendor, 'spare');
  t.match(sink.alerts, [{ alertType: 'tts-failure', message: /main: quota/ }]);
  main.failures = [new Error('quota')];
  spare.failures = [new Error('down')];
  const other = { ...order, texts: ['y'] };
  t.equal((await service.speak(other, journalOver(sink)))[0]?.vendor, 'espeak');
});
