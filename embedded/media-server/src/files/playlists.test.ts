import { getEventListeners } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { AddressGuard } from '@ringwire/common/http/address-guard.js';
import t, { type Test } from 'tap';
import { ServerCounters } from '../counters.js';
import { folder } from '../test-peer.js';
import { Playlists } from './playlists.js';
import { UrlCache } from './url-cache.js';

async function create(t: Test): Promise<{ playlists: Playlists; soundsDir: string }> {
  const soundsDir = await folder(t);
  const counters = new ServerCounters();
  const urls = new UrlCache(join(soundsDir, 'cache'), counters, {
    guard: new AddressGuard({ allowPrivate: 'loopback' }),
    maxBytes: 1e6,
  });
  t.teardown(() => urls.close());
  return { playlists: new Playlists({ soundsDir, urls, counters, onProblem: () => undefined }), soundsDir };
}

t.test('resolving leaves no listener on its signal, whether it ends or is aborted', async (t) => {
  const { playlists } = await create(t);
  const { signal } = new AbortController();
  for (let i = 0; i < 20; i++) await playlists.resolve(`/a.wav!/b${i}.wav`, '!', signal);
  t.equal(getEventListeners(signal, 'abort').length, 0);
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  t.teardown(() => {
    silent.closeAllConnections();
    silent.close();
  });
  const aborter = new AbortController();
  const resolving = playlists.resolve(
    `http://127.0.0.1:${(silent.address() as AddressInfo).port}/x.wav`,
    undefined,
    aborter.signal,
  );
  t.equal(getEventListeners(aborter.signal, 'abort').length, 1);
  aborter.abort();
  t.same(await resolving, []);
  t.equal(getEventListeners(aborter.signal, 'abort').length, 0);
  t.same(await playlists.resolve('/a.wav', undefined, aborter.signal), [], 'one that is aborted already gives nothing');
});

t.test('names become items', async (t) => {
  const { playlists, soundsDir } = await create(t);
  const file = (path: string, startFrames = 0): object => ({ kind: 'file', path, startFrames });
  const tone = (script: string, loops = 1): object => ({ kind: 'tone', script, loops });
  await writeFile(join(soundsDir, 'ring.tgml'), 'v=-10\n%(100,0,440)\n');
  for (const [name, wanted] of [
    ['/a b.wav', file('/a b.wav')],
    ['hello.wav', file(join(soundsDir, 'hello.wav'))],
    ['file:///a.wav@@800', { ...file('/a.wav', 800), name: 'file:///a.wav' }],
    [
      '{a=b,c=d}/a.wav',
      {
        ...file('/a.wav'),
        parameters: [
          ['a', 'b'],
          ['c', 'd'],
        ],
      },
    ],
    [
      "{^^;a=b,c;d='e f'}/a.wav",
      {
        parameters: [
          ['a', 'b,c'],
          ['d', 'e f'],
        ],
      },
    ],
    ['silence_stream://1000', { kind: 'silence', durationMs: 1000, noiseDivisor: 0 }],
    ['silence_stream://-1,1400', { kind: 'silence', durationMs: -1, noiseDivisor: 1400 }],
    ['silence_stream://x', { kind: 'missing' }],
    ['tone_stream://%(100,0,440)', tone('%(100,0,440)')],
    ['tone_stream://v=-9;%(100,0,440);loops=3', tone('v=-9;%(100,0,440)', 3)],
    ['TONE_STREAM://1;LOOPS=-1', tone('1', -1)],
    ['{loops=4}tone_stream://1;loops=2', tone('1', 4)],
    ['tone_stream://path=ring.tgml;loops=5', tone('v=-10\n%(100,0,440)\n', 5)],
    ['tone_stream://path=/no/such.tgml', { kind: 'missing' }],
    ['file_string:///a.wav!tone_stream://1', { kind: 'list', items: [file('/a.wav'), tone('1')] }],
    ['local_stream://moh', { kind: 'missing' }],
    ['/a\0b', { kind: 'missing' }],
  ] as const) {
    t.match(await playlists.resolveOne(name), wanted, name);
  }
});
