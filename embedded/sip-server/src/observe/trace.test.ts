import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readArguments } from '../arguments.js';
import { connectApp, sdp, until, uriOf } from '../test-rig.js';
import { fdWriter } from './fd-writer.js';
import { metric, startObserved, startPhone, wireMessage } from './observe-rig.js';
import { Trace } from './trace.js';
import { readTraceFilter } from './trace-filter.js';
import { drawArrow, drawNames } from './trace-layout.js';
import { TraceOutput } from './trace-output.js';
import { headOf } from './wire-message.js';

/** Times and the caller's port differ from run to run. */
const steady = (text: string, port: number): string[] =>
  text
    .replaceAll(String(port).padEnd(5), 'PORT ')
    .replace(/^ +\d+\.\d{3}/gm, '   0.000')
    .replace(/^#1 .*$/m, '#1 title')
    .trimEnd()
    .split('\n');

t.test('trace: a call is a ladder of peer, server and application', async (t) => {
  const { server, traced } = await startObserved(t, ['--trace']);
  await connectApp(t, server, (srf) => {
    srf.invite(async (req, res) => void (await srf.createUAS(req, res, { localSdp: sdp(2) })));
  });
  const phone = await startPhone(t);
  const call = phone.invite({
    uri: uriOf(server, '555', 'tcp'),
    from: 'sip:alice@example.com',
    sdp: sdp(3),
    callId: 'c1',
  });
  const dialog = await call.answered;
  await dialog.bye();
  await until(() => /200 BYE[^\n]*\n[^\n]*200 BYE/.test(traced()));
  t.match(
    traced(),
    /^SIP at sip:127\.0\.0\.1:\d+;transport=udp .*; applications connect to 127\.0\.0\.1:\d+; pages at http:\/\/127\.0\.0\.1:\d+\n/,
  );
  t.match(traced(), /^#1 sip:alice@example\.com → sip:555@127\.0\.0\.1:\d+;transport=tcp {2}Call-ID c1$/m);
  const [, port = ''] = /^ +127\.0\.0\.1:(\d+) +server$/m.exec(traced()) ?? [];
  t.same(steady(traced(), Number(port)).slice(2), [
    '#1 title',
    '               127.0.0.1:PORT                  server',
    '   0.000 #1    │─INVITE 1 sdp─────────────────▶│',
    '   0.000 #1    │◀─100 INVITE 1─────────────────│',
    '               127.0.0.1:PORT                  server                          application',
    '   0.000 #1    │                               │─INVITE 1 sdp─────────────────▶│',
    '   0.000 #1    │                               │◀─200 INVITE 1 sdp─────────────│',
    '   0.000 #1    │◀─200 INVITE 1 sdp─────────────│                               │',
    '   0.000 #1    │─ACK 1────────────────────────▶│                               │',
    '   0.000 #1    │                               │─ACK 1────────────────────────▶│',
    '   0.000 #1    │─BYE 2────────────────────────▶│                               │',
    '   0.000 #1    │                               │─BYE 2────────────────────────▶│',
    '   0.000 #1    │                               │◀─200 BYE 2────────────────────│',
    '   0.000 #1    │◀─200 BYE 2────────────────────│                               │',
  ]);
});

t.test('trace: a call that an application places begins at the application', async (t) => {
  const { server, traced } = await startObserved(t, ['--trace']);
  const app = await connectApp(t, server, () => {}, ['outbound']);
  const phone = await startPhone(t);
  phone.onInvite((call) => call.reject(486));
  t.match(await app.createUAC(phone.contactUri('tcp'), { localSdp: sdp(1) }).catch((err: unknown) => err), {
    status: 486,
  });
  await until(() => traced().includes('486'));
  const rows = traced()
    .split('\n')
    .filter((line) => /^ +\d+\.\d{3} #1/.test(line));
  t.match(rows[0], /│─INVITE \d+ sdp─+▶│/);
  t.match(traced(), /^ +outbound +server +127\.0\.0\.1:\d+$/m);
});

t.test('trace: with full each message stands under its arrow, secrets masked, once', async (t) => {
  const { server, traced } = await startObserved(t, ['--trace=full']);
  await connectApp(t, server, (srf) => srf.invite((_req, res) => res.send(486)));
  const phone = await startPhone(t);
  const headers = { Authorization: 'Digest username="a", response="0123456789abcdef"', 'X-Evil': 'a\u001b[31mb' };
  t.match(await phone.invite({ uri: uriOf(server, '555', 'tcp'), headers }).answered.catch((err: unknown) => err), {
    status: 486,
  });
  await until(() => traced().includes('486'));
  t.match(traced(), /^ +┊ Authorization: Digest username="a", response="x{16}"$/m);
  t.match(traced(), /^ +┊ X-Evil: a \[31mb$/m, 'control characters do not reach the terminal');
  t.equal(traced().split('┊ X-Evil').length, 2);
});

t.test('trace: filters by Call-ID, From, To and number hold for the whole call', async (t) => {
  const head = headOf(
    wireMessage(['INVITE sip:+4930100@a SIP/2.0', 'f: "Bob" <sip:bob@b>;tag=1', 'To: <sip:carol@c>', 'i: xyz@host'])
      .bytes,
  );
  const passes = (...filters: string[]): boolean => readTraceFilter(filters)!(head);
  t.ok(passes('call-id=XYZ'));
  t.ok(passes('from=bob'));
  t.ok(passes('to=carol@c'));
  t.ok(passes('number=4930'));
  t.ok(passes('number=4930', 'from=bob'));
  t.ok(passes('carol'));
  t.notOk(passes('number=4930', 'from=carol'), 'all must hold');
  t.notOk(passes('from=carol'));
  t.notOk(passes('number=c'.replace('c', 'host')));
  for (const wrong of [
    ['--trace', '--trace-filter', 'colour=red'],
    ['--trace', '--trace-filter', 'from='],
    ['--trace=much'],
    ['--trace-filter', 'a'],
  ]) {
    t.throws(() => readArguments(wrong), { name: 'ArgumentError' });
  }
  const { server, traced } = await startObserved(t, ['--trace', '--trace-filter', 'number=555']);
  await connectApp(t, server, (srf) => srf.invite((_req, res) => res.send(486)));
  const phone = await startPhone(t);
  for (const user of ['111', '555', '111'])
    t.match(await phone.invite({ uri: uriOf(server, user, 'tcp') }).answered.catch((err: unknown) => err), {
      status: 486,
    });
  await until(() => traced().includes('ACK'));
  t.match(traced(), /#1 .*sip:555@/);
  t.notMatch(traced(), 'sip:111@');
  t.notMatch(traced(), '#2');
});

t.test('trace: columns fit 80 characters; names and labels that do not are cut', async (t) => {
  const names = ['[2001:db8:1234:5678::1]:50600', 'server', 'application', '192.0.2.1:5060'];
  for (let count = 2; count <= 4; count++) {
    t.ok(drawNames(names.slice(0, count), 80).length <= 80);
    for (let from = 0; from < count; from++) {
      for (let to = 0; to < count; to++) {
        if (from === to) continue;
        const row = drawArrow(
          { from, to, text: '200 SUBSCRIBE 2147483647 reginfo+xml' },
          { seconds: 3600, number: 1234, columns: count },
          80,
        );
        t.ok(row.length <= 80, row);
        t.equal([...row].filter((char) => '▶◀'.includes(char)).length, 1, row);
      }
    }
  }
});

t.test('trace: what comes too fast is not shown, told of, and costs no memory', async (t) => {
  let now = 0;
  let written = '';
  const waiting: Array<() => void> = [];
  const output = new TraceOutput(
    (text, done) => {
      written += text;
      waiting.push(done);
    },
    { messagesPerSecond: 10, maxWaitingChars: 2_000 },
    () => now,
  );
  t.teardown(() => output.close());
  const trace = new Trace(output, { detail: 'ladder', filter: undefined, colour: false, width: () => 100 });
  const flood = (count: number): void => {
    for (let i = 0; i < count; i++)
      trace.take(wireMessage([`OPTIONS sip:${i} SIP/2.0`, `Call-ID: f${now}-${i}`, 'CSeq: 1 OPTIONS']));
  };
  const release = (): void => {
    while (waiting.length > 0) waiting.shift()!();
  };
  flood(1_000);
  t.equal(output.dropped, 990, 'beyond the rate');
  now += 1_000;
  release();
  flood(1);
  release();
  t.match(written, /\.\.\. 990 messages not shown: too many to read/);
  // A reader that has stopped: nothing is released any more.
  const length = written.length;
  for (let second = 0; second < 60; second++) {
    now += 1_000;
    flood(10);
  }
  t.ok(output.dropped > 1_300, `${output.dropped} dropped`);
  t.ok(written.length - length < 3_000);
  release();
  now += 1_000;
  flood(1);
  release();
  t.match(written.slice(length), /\.\.\. \d+ messages not shown/, 'told when the reader reads again');
});

t.test('trace: a flood at the server delays no call and is told of', async (t) => {
  const { server, traced } = await startObserved(t, ['--trace', '--source-limit', 'off'], {
    messagesPerSecond: 20,
  });
  await connectApp(t, server, (srf) => srf.invite((_req, res) => res.send(486)));
  const phone = await startPhone(t);
  const sent = Array.from({ length: 300 }, (_, i) =>
    phone.request({ method: 'OPTIONS', uri: uriOf(server, String(i), 'tcp') }),
  );
  await Promise.all(sent);
  await phone
    .invite({ uri: uriOf(server, '555', 'tcp') })
    .answered.catch((err: { status: number }) => t.equal(err.status, 486));
  await until(() => /\d+ messages? not shown/.test(traced()));
  t.ok((await metric(server, 'sip_trace_dropped_total'))! > 0);
});

t.test(
  'trace: writing to a file descriptor is whole and in order; a closed one ends the trace, not the server',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ringwire-trace-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'trace');
    const fd = openSync(file, 'w');
    const output = new TraceOutput(fdWriter(fd));
    const lines = Array.from({ length: 2_000 }, (_, i) => `line ${i} ${'x'.repeat(100)}`);
    for (const line of lines) output.print([line]);
    await until(() => readFileSync(file, 'utf8').length >= lines.join('\n').length + 1);
    t.equal(readFileSync(file, 'utf8'), `${lines.join('\n')}\n`);
    closeSync(fd);
    output.print(['more']);
    await until(() => !output.admit());
    t.ok(output.dropped > 0);
    output.close();
  },
);
