import { createSocket } from 'node:dgram';
import t from 'tap';
import { connectApp, sdp, until, uriOf } from '../test-rig.js';
import type { CallSummary, LadderRung } from './ladder.js';
import { ask, metric, startObserved, startPhone } from './observe-rig.js';
import { needsTshark, tshark } from './test-tshark.js';

type Server = Awaited<ReturnType<typeof startObserved>>['server'];

const json = async <T>(server: Server, path: string): Promise<T> =>
  JSON.parse((await ask(server, path)).body.toString()) as T;
const ladderOf = async (server: Server, id: string, query = ''): Promise<LadderRung[]> =>
  (await json<{ messages: LadderRung[] }>(server, `/calls/${encodeURIComponent(id)}${query}`)).messages;

/** Each message once: under load timers of tests repeat some. */
const distinct = (rungs: LadderRung[]): string[] => [
  ...new Set(
    rungs.map(({ direction, first_line: line, cseq }) => `${direction} ${line.replace(/ sip:\S+/, '')} ${cseq}`),
  ),
];

for (const transport of ['udp', 'tcp'] as const) {
  t.test(
    `/calls: a call over ${transport} is listed, and shown with every message, its time and addresses`,
    async (t) => {
      const { server } = await startObserved(t);
      await connectApp(t, server, (srf) => {
        srf.invite(async (req, res) => void (await srf.createUAS(req, res, { localSdp: sdp(2) })));
      });
      const phone = await startPhone(t);
      const call = phone.invite({
        uri: uriOf(server, '555', transport),
        sdp: sdp(3),
        headers: { 'X-Call-Sid': 'sid-1', Authorization: 'Digest username="a", response="0123456789abcdef"' },
      });
      const dialog = await call.answered;
      await dialog.bye();
      const { calls } = await json<{ calls: CallSummary[] }>(server, '/calls');
      t.equal(calls.length, 1);
      const [summary] = calls;
      t.match(summary, { method: 'INVITE', status: 200, to: /^sip:555@127\.0\.0\.1/, from: /^sip:/ });
      const rungs = await ladderOf(server, summary!.call_id);
      t.same(distinct(rungs), [
        'in INVITE SIP/2.0 1 INVITE',
        'out SIP/2.0 100 Trying 1 INVITE',
        'out SIP/2.0 200 OK 1 INVITE',
        'in ACK SIP/2.0 1 ACK',
        'in BYE SIP/2.0 2 BYE',
        'out SIP/2.0 200 OK 2 BYE',
      ]);
      const own = `127.0.0.1:${server.layer.addressFor(transport).port}`;
      for (const { direction, src, dst, transport: over, at_us: at, text } of rungs) {
        t.equal(direction === 'in' ? dst : src, own);
        t.equal(over, transport);
        t.ok(Math.abs(at / 1000 - Date.now()) < 60_000, 'microseconds since the epoch');
        t.equal(text, undefined);
      }
      t.same([rungs[0]?.body_type, rungs[1]?.body_type], ['application/sdp', null]);
      t.same(await ladderOf(server, 'sid-1'), rungs, 'found by X-Call-Sid');
      t.same(await ladderOf(server, 'nobody', '?also=sid-1'), rungs, 'found by a further id');
      const [full] = await ladderOf(server, 'sid-1', '?full=1');
      t.match(full?.text, `\r\n\r\n${sdp(3)}`);
      t.match(full?.text, 'response="xxxxxxxxxxxxxxxx"');
      const later = await ladderOf(server, 'sid-1', `?since_us=${rungs[2]!.at_us}`);
      t.same(later, rungs.slice(2));

      const pcap = await ask(server, '/calls/sid-1/pcap');
      t.equal(pcap.body.readUInt32LE(0), 0xa1b2c3d4);
      t.notMatch(pcap.body.toString('latin1'), '0123456789abcdef', 'secrets are masked');
      await t.test('tshark reads the pcap as SIP', needsTshark, async (t) => {
        const lines = tshark(pcap.body, ['-Y', 'sip', '-T', 'fields', '-e', 'sip.CSeq', '-e', 'sdp.version'])!
          .trim()
          .split('\n');
        t.equal(lines.length, rungs.length);
        t.equal(lines[0], '1 INVITE\t0');
      });
    },
  );
}

t.test('/calls: what is not there, and what is asked wrongly, is answered so', async (t) => {
  const { server } = await startObserved(t);
  t.equal((await ask(server, '/calls/nobody')).status, 404);
  t.equal((await ask(server, '/calls/nobody/pcap')).status, 404);
  for (const wrong of ['/calls?limit=x', '/calls?limit=-1', '/calls?limit=9999', '/calls/a?since_us=x', '/calls/%ff']) {
    t.equal((await ask(server, wrong)).status, 400, wrong);
  }
  t.same((await json<{ calls: unknown[] }>(server, '/calls')).calls, []);
});

t.test('/calls: nothing is remembered with --capture-bytes 0', async (t) => {
  const { server } = await startObserved(t, ['--capture-bytes', '0']);
  t.equal((await ask(server, '/calls')).status, 404);
  t.equal(server.observer.ring, undefined);
});

t.test('metrics: a call is counted under drachtio’s names and per transport, its set-up timed', async (t) => {
  const { server } = await startObserved(t);
  const app = await connectApp(t, server, (srf) => {
    srf.invite(async (req, res) => void (await srf.createUAS(req, res, { localSdp: sdp(2) })));
  });
  const phone = await startPhone(t);
  phone.onInvite((call) => void call.accept(sdp(4)));
  const dialog = await phone.invite({ uri: uriOf(server, '555', 'tcp'), sdp: sdp(3) }).answered;
  await app.createUAC(phone.contactUri('udp'), { localSdp: sdp(5) });
  const at = (name: string, labels?: Record<string, string>) => metric(server, name, labels);
  t.equal(await at('drachtio_stable_dialogs', { type: 'inbound' }), 1);
  t.equal(await at('drachtio_stable_dialogs', { type: 'outbound' }), 1);
  await dialog.bye();
  t.equal(await at('drachtio_sip_requests_in_total', { method: 'INVITE' }), 1);
  t.equal(await at('drachtio_sip_responses_out_total', { method: 'INVITE', code: '200' }), 1);
  t.equal(await at('drachtio_sip_requests_in_total', { method: 'BYE' }), 1);
  t.ok((await at('drachtio_sip_requests_out_total', { method: 'INVITE' }))! >= 1);
  t.ok((await at('drachtio_sip_responses_in_total', { method: 'INVITE', code: '200' }))! >= 1);
  t.equal(await at('sip_messages_total', { direction: 'in', transport: 'tcp', type: 'request' }), 3);
  t.ok((await at('sip_message_bytes_total', { direction: 'out', transport: 'udp', type: 'request' }))! > 300);
  t.equal(await at('drachtio_call_pdd_seconds_in_count'), 1);
  t.equal(await at('drachtio_call_answer_seconds_in_count'), 1);
  t.equal(await at('drachtio_call_answer_seconds_out_count'), 1);
  t.equal(await at('drachtio_app_connections'), 1);
  t.equal(await at('drachtio_stable_dialogs', { type: 'inbound' }), 0);
  t.equal(await at('drachtio_build_info', { version: 'v0.9.10' }), 1);
  t.ok(Math.abs((await at('drachtio_time_started'))! - Date.now() / 1000) < 60);
});

t.test('metrics: whatever strangers send, the number of series is bounded', async (t) => {
  const { server } = await startObserved(t, ['--source-limit', 'off']);
  const { port } = server.layer.addressFor('udp');
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  const send = (text: string) => new Promise((resolve) => socket.send(text, port, '127.0.0.1', resolve));
  const head = (i: number) =>
    `\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK${i}\r\nFrom: <sip:a@b>;tag=${i}\r\nTo: <sip:c@d>\r\nCall-ID: ${i}\r\n`;
  for (let i = 0; i < 300; i++) {
    await send(`METHOD${i} sip:a@b SIP/2.0${head(i)}CSeq: 1 METHOD${i}\r\n\r\n`);
    await send(`SIP/2.0 ${i + 600} Odd${head(i)}CSeq: 1 METHOD${i}\r\n\r\n`);
  }
  await until(() => server.layer.counters.requestsReceived >= 250);
  const text = (await ask(server, '/metrics')).body.toString();
  const methods = new Set([...text.matchAll(/method="([^"]+)"/g)].map(([, method]) => method));
  t.same(methods, new Set(['other']));
  t.ok(text.split('\n').filter((line) => line.startsWith('drachtio_sip_')).length < 150);
});
