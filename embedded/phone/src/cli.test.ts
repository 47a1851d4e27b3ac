import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readWavAt, tone, toneShare } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { type AnswerCallsOptions, type AnsweringPhone, answerCalls } from './answer-calls.js';

const CLI = fileURLToPath(new URL('cli.js', import.meta.url));

function run(args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { timeout: 30_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr });
    });
  });
}

/** A phone, an API that tells the timeline of one call, and the file that describes both. */
async function instance(
  t: Test,
  options: AnswerCallsOptions = {},
): Promise<{ file: string; folder: string; phone: AnsweringPhone; asked: string[] }> {
  const phone = await answerCalls(options);
  const asked: string[] = [];
  const api = createServer((req, res) => {
    asked.push(`${req.headers.authorization} ${req.url}`);
    if (asked.length === 1) {
      res.writeHead(404).end();
      return;
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    const entry = (offset_ms: number, text: string, data?: object): string =>
      `data: ${JSON.stringify({ at_ms: 0, offset_ms, kind: 'call', level: data ? 'error' : 'info', text, data })}\n\n`;
    res.write(`: keep-alive\n\n${entry(0, 'INVITE from 1 to 2')}`);
    res.end(entry(12.4, 'failed\u001b[31m', { final: true }));
  });
  api.listen(0, '127.0.0.1');
  await once(api, 'listening');
  const folder = await mkdtemp(join(tmpdir(), 'phone-cli-'));
  const file = join(folder, 'ringwire.json');
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const { host, port } = phone;
  await writeFile(file, JSON.stringify({ sip: { host, port }, api: { url, key: 'k' }, accountSid: 'acc' }));
  t.teardown(async () => {
    await phone.close();
    api.closeAllConnections();
    await new Promise((resolve) => api.close(resolve));
    await rm(folder, { recursive: true });
  });
  return { file, folder, phone, asked };
}

t.test('wrong command lines name the flag, show the usage and exit 1', async (t) => {
  for (const [args, message] of [
    [[], /whom to call/],
    [['1', '2'], /unexpected "2"/],
    [['1', '--dtmf', '12x'], /--dtmf/],
    [['1', '--say-after', 'soon'], /--say-after/],
    [['1', '--timeout', '0'], /--timeout/],
    [['1', '--loud'], /^there is no option --loud\n/],
    [['1', '--record'], /^--record needs a value\n/],
    [['1', '--json=yes'], /^--json takes no value\n/],
    [['1', '--record', '/nonexistent/heard.wav'], /^--record: \/nonexistent\/heard\.wav cannot be written/],
    [['1', '--record', tmpdir()], /^--record: .* cannot be written \(it is a folder\)/],
  ] as const) {
    const { code, stderr } = await run([...args]);
    t.equal(code, 1, args.join(' '));
    t.match(stderr, message);
    t.match(stderr, /usage:/);
  }
});

t.test('a number is called at the running instance; the timeline is printed and the sound saved', async (t) => {
  const { file, folder, phone, asked } = await instance(t, { play: tone(700, 3_000) });
  const record = join(folder, 'heard.wav');
  const taken = phone.nextCall();
  const { code, stdout, stderr } = await run([
    '15550102',
    '--instance',
    file,
    '--dtmf',
    '12',
    '--dtmf-after',
    '100',
    '--hangup-after',
    '1',
    '--record',
    record,
  ]);
  t.equal(code, 0, stderr);
  t.equal((await (await taken).finished).digits, '12');
  t.match(stdout, / {2}0\.000 s {2}call {5}INVITE from 1 to 2\n/);
  t.match(stdout, /0\.012 s {2}call {5}✗ failed \[31m\n {20}\{"final":true\}\n/);
  t.match(asked[1], /^Bearer k \/v1\/Accounts\/acc\/Calls\/[\w-]+\/Timeline$/);
  const heard = readWavAt(await readFile(record), 8_000);
  t.ok(toneShare(heard, 700, 8_000, 2_000, 6_000) > 0.9);
});

t.test('a refused call exits 1 with the cause', async (t) => {
  const { file } = await instance(t, { reject: { status: 480, headers: { 'X-Reason': 'no configured application' } } });
  const { code, stderr } = await run(['15550102', '--instance', file]);
  t.equal(code, 1);
  t.match(stderr, /480 Temporarily Unavailable \(no configured application\)/);
});

t.test('--json prints one object', async (t) => {
  const { file, phone } = await instance(t);
  const { code, stdout } = await run([phone.uri, '--instance', file, '--json', '--hangup-after', '0.3']);
  t.equal(code, 0);
  t.match(JSON.parse(stdout), {
    ok: true,
    status: 200,
    endedBy: 'us',
    lost: 0,
    timeline: [{ text: 'INVITE from 1 to 2' }, {}],
  });
});

t.test('--timeout ends a call that rings for ever', async (t) => {
  const { file } = await instance(t, { answerAfterMs: 'never' });
  const { code, stderr } = await run(['1', '--instance', file, '--timeout', '0.5']);
  t.equal(code, 1);
  t.match(stderr, /gave up after 0.5 s/);
});

t.test('without a running instance a number cannot be called', async (t) => {
  const { code, stderr } = await run(['15550102', '--instance', '/nonexistent/ringwire.json']);
  t.equal(code, 1);
  t.match(stderr, /no running instance/);
});

t.test('--timeout on an answered call prints the summary, then that it gave up', async (t) => {
  const { phone, file } = await instance(t, { play: tone(700, 5_000) });
  const { code, stdout, stderr } = await run([phone.uri, '--instance', file, '--timeout', '0.8']);
  t.equal(code, 1);
  t.match(stdout, /answered after \d+ ms, \d\.\d s, ended by this phone; \d+ packets heard, \d+ lost\n$/);
  t.match(stderr, /gave up after 0.8 s/);
});

t.test('what was heard before a refusal is saved', async (t) => {
  const { phone, file, folder } = await instance(t, { earlyMedia: tone(900, 5_000), answerAfterMs: 'never' });
  const record = join(folder, 'early.wav');
  const taken = phone.nextCall();
  const called = run([phone.uri, '--instance', file, '--record', record, '--timeout', '1.5']);
  await taken;
  const { code, stdout } = await called;
  t.equal(code, 1);
  t.match(stdout, `saved ${record}`);
  t.ok(toneShare(readWavAt(await readFile(record), 8_000), 900, 8_000, 800, 4_000) > 0.9);
});

t.test('a call without any sound leaves no recording, and says so', async (t) => {
  const { phone, file, folder } = await instance(t, { reject: { status: 486 } });
  const record = join(folder, 'nothing.wav');
  const { code, stdout } = await run([phone.uri, '--instance', file, '--record', record]);
  t.equal(code, 1);
  t.match(stdout, `nothing was heard: ${record} was not written`);
  t.notOk(existsSync(record));
});

t.test('a URI whose port nobody listens on ends at once', async (t) => {
  const { phone, file } = await instance(t);
  await phone.close();
  const { code, stderr } = await run([phone.uri, '--instance', file, '--timeout', '20']);
  t.equal(code, 1);
  t.match(stderr, /could not send: nothing listens on UDP port \d+ of 127\.0\.0\.1/);
});

t.test('while nobody answers, the phone says that it is still waiting', async (t) => {
  const silent = createSocket('udp4').bind(0, '127.0.0.1');
  await once(silent, 'listening');
  t.teardown(() => silent.close());
  const { code, stderr } = await run([`sip:1@127.0.0.1:${silent.address().port}`, '--timeout', '2.5']);
  t.equal(code, 1);
  t.match(stderr, /^no answer yet after 2 s …\n/);
});
