import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FEATURE_SERVERS, type FeatureServerInfo, featureServerKey } from '@ringwire/common';
import { correlate, readWavAt, rms } from '@ringwire/rtp';
import { createUserAgent, type Dialog } from '@ringwire/sip';
import t from 'tap';
import { isDrachtio, withoutFreeSwitch } from './testing/engines.js';
import { ACCOUNT_SID, APPLICATION_SID, startPlatform, webhookOf } from './testing/platform-rig.js';

const ours = withoutFreeSwitch('is not stopped by tests');

t.test('a call hears what the application says, and the application hears of the call', async (t) => {
  const rig = await startPlatform(t);
  rig.app.on('/hook', [{ verb: 'say', text: 'Welcome to Ringwire. This is a test of the feature server.' }]);
  const call = await rig.call();
  const result = await call.finished;
  t.equal(result.status, 200);
  t.equal(result.endedBy, 'them');
  t.match(result.responses.at(-1)?.headers, { 'x-call-sid': 'call-1' });
  const [file] = await readdir(rig.ttsDir);
  const meant = readWavAt(await readFile(join(rig.ttsDir, String(file))), 8000);
  // By parts of 300 ms, of which most must be right: a pause of a busy machine spoils what is around it.
  const parts = Array.from({ length: Math.floor(meant.length / 2400) }, (_, i) =>
    meant.subarray(i * 2400, (i + 1) * 2400),
  ).filter((part) => rms(part) > 300);
  const found = parts.map((part) => correlate(result.heard, part).coefficient).sort((a, b) => a - b);
  t.ok(parts.length > 5 && found[found.length >> 1]! > 0.9, `correlations ${found.map((one) => one.toFixed(2))}`);
  t.comment(`first sound ${result.firstSoundMs} ms after the answer`);
  t.equal((await rig.app.next('/status')).json.call_status, 'trying');
  t.equal((await rig.app.next('/status')).json.call_status, 'in-progress');
  t.match((await rig.app.next('/status')).json, { call_status: 'completed', call_termination_by: 'jambonz' });
  t.match(rig.app.seen('/hook')[0]?.json, {
    from: '15551234567',
    to: '15550100',
    sbc_callid: 'outer-1',
    originating_sip_trunk_name: 'carrier',
    local_sip_address: rig.server.sipAddress,
    sip: { method: 'INVITE', headers: { 'X-Account-Sid': /.+/ } },
  });
  await rig.server.drain();
  await until(async () => (await rig.media.held()).length === 0);
  t.same(await rig.redis.keys('ringwire:fs-calls*'), [], 'no key is left in Redis');
});

t.test('what STIR found of the caller reaches the application, what cannot be read does not', async (t) => {
  const rig = await startPlatform(t);
  rig.app.on('/hook', [{ verb: 'hangup' }]);
  const stir = '{"status":"invalid","verstat":"TN-Validation-Failed","claimedAttest":"B","code":438}';
  await (await rig.call({ headers: { 'X-Stir': stir } })).finished;
  t.match(rig.app.seen('/hook')[0]?.json, {
    stir: { status: 'invalid', verstat: 'TN-Validation-Failed', claimed_attest: 'B', code: 438 },
  });
  await (await rig.call({ headers: { 'X-Stir': 'valid', 'X-Call-Sid': 'call-2' } })).finished;
  t.equal(rig.app.seen('/hook')[1]?.json.stir, undefined);
});

t.test('hooks that a registration hook names for a user take the place of those of the application', async (t) => {
  const rig = await startPlatform(t);
  for (const path of ['/hook', '/own']) rig.app.on(path, [{ verb: 'hangup' }]);
  const hooks = {
    'X-Jambonz-Call-Hook': `${rig.app.url}/own`,
    'X-Jambonz-Call-Status-Hook': `${rig.app.url}/own-status`,
  };
  await (await rig.call({ headers: hooks })).finished;
  t.match(rig.app.seen('/own')[0]?.json, { call_sid: 'call-1', application_sid: /.+/ });
  t.equal((await rig.app.next('/own-status')).json.call_status, 'trying');
  const without = { 'X-Application-Sid': 'none', 'X-Call-Sid': 'call-2', 'X-Jambonz-Call-Hook': `${rig.app.url}/own` };
  await (await rig.call({ headers: without })).finished;
  t.match(rig.app.seen('/own')[1]?.json, { call_sid: 'call-2' });
  t.equal(rig.app.seen('/hook').length, 0);
});

t.test('digits pressed during the prompt reach the action hook', async (t) => {
  const rig = await startPlatform(t);
  rig.app.on('/hook', [
    {
      verb: 'gather',
      numDigits: 4,
      actionHook: '/menu',
      say: { text: 'Please enter your four digit code now. '.repeat(12) },
    },
  ]);
  rig.app.on('/menu', [{ verb: 'hangup', headers: { 'X-Bye': 'thanks' } }]);
  const call = await rig.call({ dtmf: '1234', dtmfAfterMs: 200 });
  const result = await call.finished;
  t.match(rig.app.seen('/menu')[0]?.json, { reason: 'dtmfDetected', digits: '1234', call_status: 'in-progress' });
  t.match(result.endHeaders, { 'x-bye': 'thanks' });
  t.ok(result.endedAt - (result.answeredAt ?? 0) < 15_000, 'the prompt of half a minute was cut short');
});

t.test('a caller who hangs up ends the call, one who gives up was never answered', async (t) => {
  const rig = await startPlatform(t);
  rig.app.on('/hook', [{ verb: 'play', url: 'silence_stream://60000' }]);
  const call = await rig.call();
  await call.answered();
  await call.hangup();
  await rig.app.next('/status');
  await rig.app.next('/status');
  t.match((await rig.app.next('/status')).json, { call_status: 'completed', call_termination_by: 'caller' });
  rig.app.on('/hook', () => {});
  const second = await rig.call({ headers: { 'X-Call-Sid': 'call-2' }, cancelAfterMs: 150 });
  const result = await second.finished;
  t.equal(result.status, 487);
  await rig.app.next('/status');
  t.match((await rig.app.next('/status')).json, { call_status: 'no-answer', call_sid: 'call-2', sip_status: 487 });
  await rig.server.drain();
  await until(async () => (await rig.media.held()).length === 0);
});

t.test('a re-INVITE that is refused leaves the call as it was, and the next one is answered', async (t) => {
  const rig = await startPlatform(t);
  rig.app.on('/hook', [{ verb: 'play', url: 'silence_stream://60000' }]);
  const agent = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }], user: 'edge' });
  t.teardown(() => agent.stop());
  const offer = (payloads: string, direction = 'sendrecv'): string =>
    [
      ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
      ...[`m=audio 40000 RTP/AVP ${payloads}`, `a=${direction}`, ''],
    ].join('\r\n');
  const call = agent.invite({
    uri: `sip:15550100@${rig.sip.contacts[0]?.slice(4)}`,
    sdp: offer('0'),
    headers: { 'X-Account-Sid': ACCOUNT_SID, 'X-Application-Sid': APPLICATION_SID, 'X-Call-Sid': 'call-1' },
  });
  const [dialog] = (await once(call, 'answered')) as [Dialog];
  // With a drachtio-server the feature server hears later than its caller that the call is answered.
  await until(async () => rig.sink.lines.some((line) => line.includes('200 OK: answered')));
  const before = dialog.remoteSdp;
  for (let i = 0; i < 2; i++) t.match(await dialog.reinvite(offer('18')).catch((err: unknown) => err), { status: 488 });
  t.equal(dialog.remoteSdp, before);
  t.equal((await dialog.reinvite(offer('0', 'sendonly'))).status, 200, 'hold');
  t.match(dialog.remoteSdp, /a=recvonly|a=inactive/);
  t.equal((await dialog.reinvite(offer('0'))).status, 200, 'unhold');
  t.match(dialog.remoteSdp, /m=audio \d+ RTP\/AVP 0/);
  await dialog.bye();
});

t.test('INVITEs that cannot be served are refused with the reason', async (t) => {
  const rig = await startPlatform(t, { MAX_CALLS: '1' });
  const refusal = async (headers: Record<string, string>) => {
    const { status, endHeaders } = await (await rig.call({ headers })).finished;
    // Until its media is given back a refused call counts.
    if (headers['X-Call-Sid'] !== 'one too many') await until(async () => rig.server.calls === 0);
    return `${status} ${endHeaders['x-reason'] ?? ''}`;
  };
  t.equal(await refusal({ 'X-Account-Sid': '' }), '500 missing X-Account-Sid');
  t.equal(await refusal({ 'X-Account-Sid': 'nobody' }), '503 unknown account');
  t.equal(await refusal({ 'X-Application-Sid': 'nothing' }), '480 no configured application');
  rig.app.on('/hook', (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>'));
  t.match(await refusal({}), /^480 answer holds no verbs: its content type is "text\/html"/);
  rig.app.on('/hook', [{ verb: 'sip:decline', status: 486, reason: 'Not Now' }]);
  const declined = await (await rig.call()).finished;
  await until(async () => rig.server.calls === 0);
  t.same([declined.status, declined.reason, declined.endHeaders['x-reason']], [486, 'Not Now', 'SIP Decline Verb']);
  rig.app.on('/hook', [{ verb: 'play', url: 'silence_stream://60000' }]);
  const holding = await rig.call({ headers: { 'X-Call-Sid': 'holding' } });
  await holding.answered();
  t.equal(await refusal({ 'X-Call-Sid': 'one too many' }), '503 feature server is at its limit of calls');
  await holding.hangup();
});

t.test('an application that fails is replaced by its fallback hook, and that one by the fallback verbs', async (t) => {
  const rig = await startPlatform(t, {}, (url) => ({
    fallbackCallHook: webhookOf(`${url}/spare`),
    fallbackAppJson: '[{"verb":"sip:decline","status":486,"reason":"Stored"}]',
  }));
  rig.app.on('/hook', (response) => response.writeHead(500).end());
  rig.app.on('/spare', [{ verb: 'sip:decline', status: 404, reason: 'Spare' }]);
  const byHook = await (await rig.call()).finished;
  t.same([byHook.status, byHook.reason], [404, 'Spare']);
  t.match(rig.app.seen('/spare')[0]?.json, { call_sid: 'call-1', call_status: 'trying', to: '15550100' });
  t.ok(rig.app.seen('/spare')[0]?.headers['jambonz-signature'], 'it is signed like the call hook');
  t.ok(rig.sink.lines.some((line) => /^error hook .*\/hook: webhook answered/.test(line)));
  t.ok(rig.sink.lines.includes('warn hook the fallback URL of the application is asked'));
  t.ok(rig.sink.lines.some((line) => /^info hook 200 from POST .*\/spare/.test(line)));
  rig.app.on('/spare', (response) => response.socket?.destroy());
  const byVerbs = await (await rig.call({ headers: { 'X-Call-Sid': 'call-2' } })).finished;
  t.same([byVerbs.status, byVerbs.reason], [486, 'Stored']);
  t.ok(rig.sink.lines.some((line) => /^error hook .*\/spare: /.test(line)));
  t.ok(rig.sink.lines.includes('warn hook the fallback verbs of the application are run'));
  t.ok(rig.sink.lines.includes('info hook fallback verbs: sip:decline'));
});

t.test('a media server that goes away ends its calls, and calls work again when it is back', ours, async (t) => {
  const rig = await startPlatform(t);
  rig.app.on('/hook', [{ verb: 'play', url: 'silence_stream://60000' }]);
  const call = await rig.call();
  await call.answered();
  await rig.media.stop();
  const result = await call.finished;
  t.equal(result.endedBy, 'them');
  await rig.app.next('/status');
  await rig.app.next('/status');
  t.match((await rig.app.next('/status')).json, { call_status: 'completed' });
  const during = await (await rig.call({ headers: { 'X-Call-Sid': 'call-2' } })).finished;
  t.equal(during.status, 503);
  await rig.media.start();
  await until(async () => (await announced(rig.redis))?.accepting === true);
  const after = await rig.call({ headers: { 'X-Call-Sid': 'call-3' } });
  await after.answered();
  await after.hangup();
});

t.test('a SIP server that goes away completes its calls, and calls work again when it is back', async (t) => {
  const rig = await startPlatform(t);
  rig.app.on('/hook', [{ verb: 'play', url: 'silence_stream://60000' }]);
  const call = await rig.call();
  await call.answered();
  await rig.app.next('/status');
  await rig.app.next('/status');
  await rig.sip.stop();
  // A drachtio-server says goodbye to nobody: that is a failure.
  t.match((await rig.app.next('/status')).json, { call_status: isDrachtio ? 'failed' : 'completed' });
  await until(async () => rig.server.calls === 0 && (await rig.media.held()).length === 0);
  const back = new Promise<void>((resolve) => rig.srf.on('restored', resolve));
  await rig.sip.start();
  await back;
  await call.hangup();
  const after = await rig.call({ headers: { 'X-Call-Sid': 'call-2' } });
  await after.answered();
  await after.hangup();
});

t.test('the feature server says what it is and stops saying so', async (t) => {
  const rig = await startPlatform(t);
  await until(async () => (await announced(rig.redis)) !== null);
  t.match(await announced(rig.redis), {
    instanceId: 'fs-1',
    sipAddress: rig.server.sipAddress,
    httpUrl: rig.server.httpUrl,
    calls: 0,
    accepting: true,
  });
  t.match(rig.server.sipAddress, /^127\.0\.0\.1:\d+$/);
  t.equal((await fetch(`${rig.server.httpUrl}/health`)).status, 200);
  t.match(await (await fetch(`${rig.server.httpUrl}/metrics`)).text(), /ringwire_fs_calls/);
  await rig.server.close();
  t.equal(await announced(rig.redis), null);
  t.same(await rig.redis.smembers(FEATURE_SERVERS), []);
});

t.test('draining takes no new call and waits for the live one', async (t) => {
  const rig = await startPlatform(t);
  rig.app.on('/hook', [{ verb: 'play', url: 'silence_stream://60000' }]);
  const call = await rig.call();
  await call.answered();
  let isDrained = false;
  const draining = rig.server.drain().then(() => {
    isDrained = true;
  });
  const refused = await (await rig.call({ headers: { 'X-Call-Sid': 'call-2' } })).finished;
  t.equal(refused.status, 503);
  t.match(refused.endHeaders['x-reason'], /draining/);
  t.notOk(isDrained);
  await call.hangup();
  await draining;
  t.equal(rig.app.seen('/status').at(-1)?.json.call_status, 'completed', 'the last status went out before');
});

async function announced(redis: { get(key: string): Promise<string | null> }): Promise<FeatureServerInfo | null> {
  return JSON.parse((await redis.get(featureServerKey('fs-1'))) ?? 'null') as FeatureServerInfo | null;
}

/** Looks again until it is so; fails after ten seconds. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const giveUpAt = Date.now() + 10_000; Date.now() < giveUpAt; ) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it did not come about within 10 s');
}
