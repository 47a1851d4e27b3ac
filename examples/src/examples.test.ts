import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import { validate } from '@ringwire/verb-specs';
import t, { type Test } from 'tap';
import { statusLine } from './call-status.js';
import { timeSentence } from './dial-time.js';

interface Running {
  url: string;
  child: ChildProcess;
  lines: Interface;
  post(path: string, body: unknown, type?: string): Promise<Response>;
}

const main = new URL('./main.js', import.meta.url);

/** Starts the examples as their own process on a free port, and ends it with the test. */
async function start(test: Test): Promise<Running> {
  const child = fork(main, { env: { ...process.env, HTTP_HOST: '127.0.0.1', HTTP_PORT: '0' }, silent: true });
  test.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const [ready] = (await once(child, 'message')) as [{ type: string; url: string }];
  test.equal(ready.type, 'ready');
  return {
    url: ready.url,
    child,
    lines: createInterface({ input: child.stdout! }),
    post: (path, body, type = 'application/json') =>
      fetch(ready.url + path, {
        method: 'POST',
        headers: { 'content-type': type },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  };
}

/** The verbs of an answer, which must be valid. */
async function verbsOf(test: Test, response: Response): Promise<Record<string, unknown>[]> {
  test.equal(response.status, 200);
  test.match(response.headers.get('content-type'), /application\/json/);
  const result = validate(await response.json());
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.verbs as unknown as Record<string, unknown>[];
}

const names = (verbs: Record<string, unknown>[]) => verbs.map(({ verb }) => verb);

t.test('hello-world greets and hangs up', async (t) => {
  const { post } = await start(t);
  const verbs = await verbsOf(t, await post('/hello-world', { call_sid: 'x' }));
  t.strictSame(names(verbs), ['say', 'hangup']);
  t.match(verbs[0]?.text, /Hello/);
});

t.test('dial-time speaks the time of the moment', async (t) => {
  t.equal(timeSentence(new Date('2026-01-02T15:07:00Z')).replace(/\s/g, ' '), 'The time is 3:07 PM, universal time.');
  const { post } = await start(t);
  const verbs = await verbsOf(t, await post('/dial-time', {}));
  t.strictSame(names(verbs), ['say', 'hangup']);
  t.match(verbs[0]?.text, /^The time is \d+:\d\d\s[AP]M/);
});

t.test('menu asks for one digit with a prompt and a time limit', async (t) => {
  const { post } = await start(t);
  const [gather, ...others] = await verbsOf(t, await post('/menu', {}));
  t.strictSame(others, []);
  t.match(gather, { verb: 'gather', numDigits: 1, finishOnKey: '#', timeout: Number, actionHook: '/menu/choice' });
  t.match(gather?.say, { text: /press 1.*press 2/ });
});

t.test('menu branches on what was keyed', async (t) => {
  const { post } = await start(t);
  const answer = async (body: unknown) => verbsOf(t, await post('/menu/choice', body));
  t.match(await answer({ reason: 'dtmfDetected', digits: '1' }), [
    { verb: 'tag', data: { department: 'sales' } },
    { verb: 'say', text: /You chose sales/ },
    { verb: 'hangup' },
  ]);
  t.match((await answer({ reason: 'dtmfDetected', digits: '2' }))[1], { text: /You chose support/ });
  t.match((await answer({ reason: 'dtmfDetected', digits: '7' }))[0], { text: /Sorry/ });
  t.match((await answer({ reason: 'timeout' }))[0], { text: /Goodbye/ });
  t.match((await answer({ reason: 'dtmfDetected', digits: { a: 1 } }))[0], { text: /Sorry/ });
  t.match((await answer([]))[0], { text: /Sorry/ });
});

t.test('devices leads a number to its example', async (t) => {
  const { post } = await start(t);
  t.match(await verbsOf(t, await post('/devices', { to: '15550102' })), [{ verb: 'redirect', actionHook: '/menu' }]);
  t.match(await verbsOf(t, await post('/devices', { to: '+15550100' })), [{ actionHook: '/hello-world' }]);
  for (const body of [{ to: '12' }, {}, []]) {
    t.strictSame(names(await verbsOf(t, await post('/devices', body))), ['say', 'hangup']);
  }
});

t.test('softphone: the page and its script, with JsSIP in it', async (t) => {
  const { url } = await start(t);
  const page = await fetch(`${url}/softphone/`);
  t.match(page.headers.get('content-type'), 'text/html');
  t.match(await page.text(), '<script src="softphone.js">');
  const script = await fetch(`${url}/softphone/softphone.js`);
  t.match(script.headers.get('content-type'), 'javascript');
  t.match(await script.text(), 'WebSocketInterface');
});

t.test('call-status prints one line per status', async (t) => {
  const { post, lines } = await start(t);
  const printed = (async () => {
    for await (const line of lines) if (line.startsWith('call ')) return line;
    return undefined;
  })();
  const response = await post('/call-status', {
    call_sid: 'c1',
    direction: 'inbound',
    from: '15551',
    to: '15552',
    call_status: 'completed',
    sip_status: 200,
    sip_reason: 'OK\r\nforged line',
    duration: 7,
  });
  t.equal(response.status, 204);
  t.equal(await printed, 'call c1 inbound 15551 -> 15552: completed (200 OK  forged line) after 7 s');
});

t.test('a status hook without the usual fields still gives a line', async (t) => {
  for (const body of [undefined, null, 5, 'x', [], {}, { call_sid: {} }]) {
    t.match(statusLine(body), /^call \? {2}\? -> \?: \?$/);
  }
});

t.test('the monitor sees that the examples are up', async (t) => {
  const { url } = await start(t);
  const response = await fetch(`${url}/health`);
  t.equal(response.status, 200);
  t.strictSame(await response.json(), { status: 'ok' });
});

t.test('a bad body is answered and the next hook is served', async (t) => {
  const { post } = await start(t);
  t.equal((await post('/menu/choice', '{"digits":')).status, 400);
  t.equal((await post('/menu/choice', '"text"')).status, 400);
  t.equal((await post('/menu/choice', `{"digits":"${'1'.repeat(2 << 20)}"}`)).status, 413);
  t.equal((await post('/menu/choice', 'digits=1', 'text/plain')).status, 200);
  t.equal((await post('/nothing', {})).status, 404);
  t.match((await verbsOf(t, await post('/menu/choice', { digits: '1' })))[1], { text: /sales/ });
});

t.test('SIGTERM ends the process with exit code 0', async (t) => {
  const { child, url } = await start(t);
  await (await fetch(`${url}/health`)).text();
  child.kill('SIGTERM');
  const [code, signal] = await once(child, 'exit');
  t.strictSame([code, signal], [0, null]);
});

t.test('a port that cannot be used is named and ends the process', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const address = taken.address() as { port: number };
  for (const [port, message] of [
    ['many', /HTTP_PORT must be a port number .*"many"/],
    ['70000', /HTTP_PORT must be a port number/],
    [String(address.port), /cannot listen on 127\.0\.0\.1:\d+/],
  ] as const) {
    const child = fork(main, { env: { ...process.env, HTTP_PORT: port }, silent: true });
    const chunks: Buffer[] = [];
    child.stderr!.on('data', (chunk: Buffer) => chunks.push(chunk));
    const [code] = await once(child, 'close');
    t.equal(code, 1);
    t.match(Buffer.concat(chunks).toString(), message);
  }
});
