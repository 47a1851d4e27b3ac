import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rms, tone, toneShare, writeWav } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { startServer, type TestCall, TestCaller } from './test-peer.js';

/** A web server that answers with a tone of 900 Hz when it is told to; `/none…` is never there. */
async function slowServer(
  t: Test,
): Promise<{ url: string; asked: (paths: string[]) => Promise<void>; answer: () => void }> {
  const requests = new EventEmitter();
  const paths: string[] = [];
  const held: (() => void)[] = [];
  let isOpen = false;
  const server = createServer(({ url = '' }, response) => {
    paths.push(url);
    requests.emit('request');
    const respond = (): void => {
      if (url.startsWith('/none')) response.writeHead(404).end();
      else response.end(writeWav(tone(900, 400), 8000));
    };
    if (isOpen) respond();
    else held.push(respond);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const answer = (): void => {
    isOpen = true;
    for (const respond of held.splice(0)) respond();
  };
  const asked = async (wanted: string[]): Promise<void> => {
    while (!wanted.every((path) => paths.includes(path))) await once(requests, 'request');
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, answer };
}

const FIRST = 'tone_stream://%(400,0,500)';
const LAST = 'tone_stream://%(400,0,700)';

async function called(t: Test): Promise<TestCall> {
  return (await TestCaller.create(t, await startServer(t))).call();
}

/** Where a tone is in what was heard, in windows of 20 ms. */
function windowsOf(heard: Int16Array, hz: number): number[] {
  const windows: number[] = [];
  for (let at = 0; at + 160 <= heard.length; at += 160) {
    if (rms(heard, at, at + 160) > 200 && toneShare(heard, hz, 8000, at, at + 160) > 0.8) windows.push(at / 160);
  }
  return windows;
}

/** Resolves when a good part of a tone of 400 ms has been heard. */
function hears({ media }: TestCall, hz: number): Promise<void> {
  return media.hearsThat(`${hz} Hz`, (heard) => windowsOf(heard, hz).length >= 8);
}

for (const [kind, listOf] of [
  ['file_string://', (names: string[]) => `file_string://${names.join('!')}`],
  ['playback_delimiter', (names: string[]) => names.join('|')],
] as const) {
  t.test(`${kind}: what stands before a URL is heard while it is fetched, then the rest in order`, async (t) => {
    const call = await called(t);
    const { esl, uuid } = call;
    const { url, asked, answer } = await slowServer(t);
    if (kind === 'playback_delimiter') await esl.execute(uuid, 'set', 'playback_delimiter=|');
    const done = esl.execute(uuid, 'playback', listOf([FIRST, `${url}/a.wav`, `${url}/none.wav`, LAST]));
    await hears(call, 500);
    t.same(windowsOf(call.media.heard, 900), []);
    // All are asked for at once.
    await asked(['/a.wav', '/none.wav']);
    answer();
    t.equal((await done)['Application-Response'], 'FILE PLAYED');
    await hears(call, 700);
    const [first, fetched, last] = [500, 900, 700].map((hz) => windowsOf(call.media.heard, hz));
    t.ok(fetched!.length >= 8, 'what was fetched is heard');
    t.ok(first!.at(-1)! < fetched![0]! && fetched!.at(-1)! < last![0]!, 'in order');
  });
}

t.test('a list whose first name is a URL begins when it is there; one of missing URLs is FILE NOT FOUND', async (t) => {
  const call = await called(t);
  const { esl, uuid, media } = call;
  const { url, answer } = await slowServer(t);
  const done = esl.execute(uuid, 'playback', `file_string://${url}/a.wav!${LAST}`);
  await media.hears(300);
  t.same(windowsOf(media.heard, 700), [], 'it is waited for');
  answer();
  t.equal((await done).variable_playback_ms, '800');
  const none = await esl.execute(uuid, 'playback', `file_string://${url}/none1!${url}/none2`);
  t.equal(none['Application-Response'], 'FILE NOT FOUND');
});

t.test('a break passes over a URL that is awaited, and the list goes on; a break of all ends it', async (t) => {
  const { esl, uuid } = await called(t);
  const { url } = await slowServer(t);
  await esl.execute(uuid, 'set', 'playback_delimiter=|');
  for (const [command, playedMs] of [
    [`uuid_break ${uuid}`, '800'],
    [`uuid_break ${uuid} all`, '400'],
  ] as const) {
    esl.events.length = 0;
    const done = esl.execute(uuid, 'playback', [FIRST, `${url}/a.wav`, LAST].join('|'));
    await esl.event((event) => event['Event-Name'] === 'PLAYBACK_STOP');
    await esl.api(command);
    t.equal((await done).variable_playback_ms, playedMs, command.replace(uuid, '…'));
  }
});

t.test('a call may end while its list waits for a URL: the next one plays it', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  const call = await caller.call();
  const { url, answer } = await slowServer(t);
  const list = `file_string://${FIRST}!${url}/a.wav`;
  const done = call.esl.execute(call.uuid, 'playback', list);
  await hears(call, 500);
  await call.dialog.bye();
  await done;
  answer();
  const next = await caller.call();
  t.equal(
    (await next.esl.execute(next.uuid, 'playback', `file_string://${url}/a.wav!${LAST}`)).variable_playback_ms,
    '800',
  );
});
