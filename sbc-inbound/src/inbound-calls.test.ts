import { once } from 'node:events';
import { activeCallsKey, callKey, connectSrf, type TimelineEntry } from '@ringwire/common';
import { asSipStack } from '@ringwire/common/sip/stack.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import type { Dialog, SipMessage } from '@ringwire/sip';
import t, { type Test } from 'tap';
import { openSbcInbound, type SbcInbound } from './sbc-inbound.js';
import { ended, NUMBER, refusal, startCaller, type TestCaller } from './testing/caller.js';
import { metric, openSbc, type ServerProcess, startServerProcess } from './testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from './testing/feature-server.js';
import { type Stores, startStores } from './testing/stores.js';

t.setTimeout(200_000);

let stores: Stores;
let server: ServerProcess;
let sbc: SbcInbound;
let fs: TestFeatureServer;
let caller: TestCaller;

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t);
  sbc = await openSbc(t, openSbcInbound, { name: 'sbc-inbound', stores, controlPort: server.controlPort });
  fs = await startFeatureServer(t, stores, 'fs-one');
  await sbc.edge.featureServers.refresh();
  caller = await startCaller(t);
});

t.beforeEach(() => {
  fs.onInvite = (request, response) => void fs.answer(request, response);
  fs.invites.length = 0;
});

/** Nothing of the call is left anywhere. */
async function nothingLeft(): Promise<void> {
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  await until('media sessions are gone', () => sbc.edge.bridging.relay.sessions === 0);
  await until('live entries are gone', async () => (await stores.redis.keys(callKey('*'))).length === 0);
  t.equal(await stores.redis.zcard(activeCallsKey(SEED.accountSid)), 0);
}

async function connected(): Promise<{
  dialog: Dialog;
  callId: string;
  far: Awaited<ReturnType<TestFeatureServer['answer']>>;
}> {
  const far = fs.nextDialog();
  const call = caller.call(server.sipPort, NUMBER);
  const dialog = await call.answered;
  return { dialog, callId: call.callId, far: await far };
}

t.test('a call is answered, its media goes through the relay both ways, and the caller hangs up', async (t) => {
  const call = caller.call(server.sipPort, NUMBER, { 'X-Custom': 'kept', 'X-Account-Sid': 'forged', Subject: 'hello' });
  const dialog = await call.answered;
  const invite = fs.invites[0]!;
  t.equal(invite.uri, `sip:${NUMBER}@${fs.info.sipAddress}`);
  t.match(invite.get('From'), /^"Anna" <sip:15550001111@[^>]+>;tag=/);
  t.match(invite.get('To'), `<sip:${NUMBER}@127.0.0.1:${server.sipPort}>`);
  t.equal(invite.get('X-Account-Sid'), SEED.accountSid);
  t.equal(invite.get('X-Application-Sid'), SEED.applicationSid);
  t.equal(invite.get('X-Voip-Carrier-Sid'), SEED.carrierSid);
  t.equal(invite.get('X-Originating-Carrier'), 'carrier');
  t.equal(invite.get('X-CID'), call.callId);
  t.equal(invite.get('X-Forwarded-For'), '127.0.0.1');
  t.equal(invite.get('X-Custom'), 'kept');
  t.equal(invite.get('Subject'), 'hello');
  const started = await stores.event('call.started', call.callId);
  t.equal(invite.get('X-Call-Sid'), started.data.callSid);
  t.equal(Number(invite.get('X-Call-Started')), Math.round(started.data.attemptedAt));
  t.equal(await stores.redis.hget(callKey(started.data.callSid), 'featureServer'), 'fs-one');
  const port = await caller.audio.echoThrough(dialog.remoteSdp);
  t.match(sbc.edge.bridging.relay.description, 'rtpengine at');
  t.not(
    invite.body.match(/m=audio (\d+)/)?.[1],
    `${caller.audio.port}`,
    'the feature server sees the relay, not the caller',
  );
  t.ok(port > 0);
  await dialog.bye({ 'X-Bye': 'custom' });
  const record = await stores.event('call.ended', call.callId);
  t.match(record.data, {
    ...started.data,
    answered: true,
    sipStatus: 200,
    terminationReason: 'caller hungup',
    direction: 'inbound',
    from: '15550001111',
    to: NUMBER,
    trunk: 'carrier',
    remoteHost: '127.0.0.1',
    owner: sbc.edge.instanceId,
  });
  const timeline = (await stores.events(call.callId)).filter((event) => event.type === 'call.timeline');
  t.match(timeline[0]?.data, { kind: 'call', text: `INVITE from 15550001111 to ${NUMBER}` });
  t.match(timeline.at(-1)?.data, { kind: 'call', data: { final: true, terminationReason: 'caller hungup' } });
  t.ok(timeline.some(({ data }) => data.text.includes('leads to application hello of account one')));
  await nothingLeft();
});

t.test('the feature server hangs up: the caller gets its BYE with the custom headers', async (t) => {
  const { dialog, callId, far } = await connected();
  const end = ended(dialog);
  far.destroy({ headers: { 'X-Why': 'finished', 'X-Account-Sid': 'inside' } }, () => {});
  const { by, request } = await end;
  t.equal(by, 'remote');
  t.equal(request?.get('X-Why'), 'finished');
  t.notOk(request?.has('X-Account-Sid'));
  t.match((await stores.event('call.ended', callId)).data, {
    terminationReason: 'called party hungup',
    answered: true,
  });
  await nothingLeft();
});

t.test('internal headers of the feature server do not reach the caller', async (t) => {
  fs.onInvite = (request, response) =>
    void fs.answer(request, response, { 'X-Call-Sid': 'inside', 'X-Greeting': 'hello' });
  const call = caller.call(server.sipPort, NUMBER);
  const [dialog, response] = (await once(call, 'answered')) as [Dialog, SipMessage];
  t.equal(response.get('X-Greeting'), 'hello');
  t.notOk(response.has('X-Call-Sid'));
  await dialog.bye();
  await nothingLeft();
});

t.test('ringing and early media are passed on', async (t) => {
  fs.onInvite = (request, response) => {
    response.send(180, 'Ringing');
    response.send(183, 'Session Progress', { body: fs.sdp, headers: { 'Content-Type': 'application/sdp' } });
    void fs.answer(request, response);
  };
  const call = caller.call(server.sipPort, NUMBER);
  const seen: [number, boolean][] = [];
  call.on('progress', (response) => seen.push([response.status, response.bodyText !== '']));
  const dialog = await call.answered;
  t.same(seen, [
    [180, false],
    [183, true],
  ]);
  await caller.audio.echoThrough(dialog.remoteSdp);
  await dialog.bye();
  await nothingLeft();
});

t.test('the caller gives up: the feature server gets CANCEL, the record says abandoned', async (t) => {
  const cancelled = new Promise<void>((resolve) => {
    fs.onInvite = (request, response) => {
      response.send(180, 'Ringing');
      request.on('cancel', () => resolve());
    };
  });
  const call = caller.call(server.sipPort, NUMBER);
  await once(call, 'progress');
  call.cancel();
  t.equal((await refusal(call)).status, 487);
  await cancelled;
  t.match((await stores.event('call.ended', call.callId)).data, {
    sipStatus: 487,
    terminationReason: 'caller abandoned',
    answered: false,
  });
  await nothingLeft();
});

/** A proxy that forks calls to two of our numbers: they come as two INVITEs with one Call-ID. */
async function startForkingProxy(t: Test): Promise<ServerProcess> {
  const proxy = await startServerProcess(t);
  const srf = await connectSrf({
    ...{ host: '127.0.0.1', port: proxy.controlPort, secret: 'cymru' },
    logger: silentLogger(),
  });
  t.teardown(() => srf.link.close());
  const stack = asSipStack(srf);
  const numbers = [NUMBER, `+${NUMBER}`].map((number) => `sip:${number}@127.0.0.1:${server.sipPort}`);
  stack.invite(
    (request) => void stack.proxyRequest(request, numbers, { forking: 'simultaneous', remainInDialog: true }),
  );
  return proxy;
}

t.test(
  'a proxy forks a call to two numbers: the one that loses does not take the media of the other along',
  async (t) => {
    const proxy = await startForkingProxy(t);
    for (const winner of [0, 1]) {
      const ringing: (() => void)[] = [];
      fs.onInvite = (request, response) => {
        response.send(180, 'Ringing');
        ringing.push(() => void fs.answer(request, response));
        if (ringing.length === 2) ringing[winner]!();
      };
      const call = caller.call(proxy.sipPort, NUMBER);
      const dialog = await call.answered;
      const lost = await stores.event('call.ended', call.callId);
      t.match(lost.data, { sipStatus: 487, terminationReason: 'caller abandoned' });
      await until('one media session is left', () => sbc.edge.bridging.relay.sessions === 1);
      await caller.audio.echoThrough(dialog.remoteSdp);
      await dialog.bye();
      await nothingLeft();
    }
  },
);

t.test('a proxy forks a call to two numbers, and the caller gives up: neither rings on', async (t) => {
  const proxy = await startForkingProxy(t);
  let cancelled = 0;
  fs.onInvite = (request, response) => {
    response.send(180, 'Ringing');
    request.on('cancel', () => void cancelled++);
  };
  const call = caller.call(proxy.sipPort, NUMBER);
  await until('both ring', () => sbc.edge.calls.size === 2 && fs.invites.length === 2);
  call.cancel();
  t.equal((await refusal(call)).status, 487);
  await until('both are cancelled', () => cancelled === 2);
  await nothingLeft();
});

t.test('re-INVITEs go both ways through the relay', async (t) => {
  const { dialog, far } = await connected();
  const offered: string[] = [];
  far.on('modify', (request, response) => {
    offered.push(request.body);
    response.send(200, 'OK', {
      body: far.local.sdp,
      headers: { Contact: far.local.contact, 'Content-Type': 'application/sdp' },
    });
  });
  const hold = caller.audio.sdp.replace('a=sendrecv', 'a=sendonly');
  const answer = await dialog.reinvite(hold);
  t.equal(answer.status, 200);
  t.match(offered[0], 'a=sendonly');
  t.notMatch(offered[0], `m=audio ${caller.audio.port} `, 'the relay stands between');
  await dialog.reinvite(caller.audio.sdp);
  await caller.audio.echoThrough(dialog.remoteSdp);

  const incoming = new Promise<string>((resolve) => {
    dialog.once('reinvite', (reinvite) => {
      resolve(reinvite.sdp);
      reinvite.accept(caller.audio.sdp);
    });
  });
  const response = await new Promise<{ status: number; body: string }>((resolve) =>
    far.request({ method: 'INVITE', body: far.local.sdp, headers: { Contact: far.local.contact } }, (_error, res) => {
      if (res && res.status >= 200) resolve(res);
    }),
  );
  t.equal(response.status, 200);
  t.notMatch(await incoming, far.local.sdp.match(/m=audio \d+/)?.[0]);
  t.match(response.body, /m=audio/);
  await dialog.bye();
  await nothingLeft();
});

t.test('a re-INVITE that the relay cannot read is refused with 488 and the call goes on', async (t) => {
  const { dialog } = await connected();
  await t.rejects(dialog.reinvite('v=0\r\nnot an sdp at all\r\n'), /488/);
  await caller.audio.echoThrough(dialog.remoteSdp);
  await dialog.bye();
  await nothingLeft();
});

t.test('a caller who asks for an offer and hangs up at once leaves nothing behind', async (t) => {
  const { dialog } = await connected();
  const answer = await dialog.reinvite(undefined, { onOffer: () => caller.audio.sdp });
  t.match(answer.bodyText, /m=audio/);
  await dialog.bye();
  await nothingLeft();
});

t.test('INFO goes both ways with the body of the response', async (t) => {
  const { dialog, far } = await connected();
  far.on('info', (request, response) => {
    t.equal(request.body, 'Signal=5\r\n');
    t.equal(request.get('Content-Type'), 'application/dtmf-relay');
    response.send(200, 'OK', { body: 'heard', headers: { 'Content-Type': 'text/plain', 'X-Answer': 'yes' } });
  });
  const answer = await dialog.info({ body: 'Signal=5\r\n', contentType: 'application/dtmf-relay' }, { 'X-Info': '1' });
  t.equal(answer?.status, 200);
  t.equal(answer?.bodyText, 'heard');
  t.equal(answer?.get('X-Answer'), 'yes');
  dialog.on('info', (request, transaction) => {
    const response = transaction.makeResponse(200).setBody(`got ${request.bodyText}`, 'text/plain');
    transaction.respond(response);
  });
  const back = await new Promise<string | undefined>((resolve) =>
    far.request({ method: 'INFO', body: 'ping', headers: { 'Content-Type': 'text/plain' } }, (_error, res) =>
      resolve(res?.body),
    ),
  );
  t.equal(back, 'got ping');
  await dialog.bye();
  await nothingLeft();
});

t.test('an INVITE without offer takes the offer of the feature server and answers in its ACK', async (t) => {
  const dialogs = fs.nextDialog();
  const call = caller.agent.invite({
    uri: `sip:${NUMBER}@127.0.0.1:${server.sipPort}`,
    onOffer: () => caller.audio.sdp,
  });
  const dialog = await call.answered;
  const far = await dialogs;
  t.equal(fs.invites[0]?.body, '');
  await until('the answer has come through', () => far.remote.sdp.includes('m=audio'));
  await caller.audio.echoThrough(dialog.remoteSdp);
  await dialog.bye();
  t.match((await stores.event('call.ended', call.callId)).data, { answered: true, terminationReason: 'caller hungup' });
  await nothingLeft();
});

t.test('an unknown number is refused with 404 and a record that names the cause', async (t) => {
  const call = caller.call(server.sipPort, '19995550000');
  const response = await refusal(call);
  t.equal(response.status, 404);
  t.match(response.get('X-Reason'), 'Number Not Provisioned: 19995550000');
  const { data } = await stores.event('call.ended', call.callId);
  t.match(data, { accountSid: null, sipStatus: 404, terminationReason: 'failed', to: '19995550000', trunk: 'carrier' });
  t.ok(
    (await stores.events(call.callId)).some((event) => event.type === 'call.timeline' && event.data.level === 'error'),
  );
  await nothingLeft();
});

t.test('a stranger is refused with 403, counted, and leaves no record', async (t) => {
  const before = await metric(sbc.edge, 'ringwire_calls_rejected_total', { reason: 'unknown-source' });
  const stranger = await startCaller(t, '127.0.0.9');
  const call = stranger.call(server.sipPort, NUMBER, { 'X-Forwarded-For': '127.0.0.1' });
  t.equal((await refusal(call)).status, 403);
  t.equal(await metric(sbc.edge, 'ringwire_calls_rejected_total', { reason: 'unknown-source' }), before + 1);
  const { data } = await stores.event('call.timeline', call.callId);
  t.match(data, { kind: 'call', level: 'error', data: { final: true, reason: 'unknown-source', sipStatus: 403 } });
  t.match((data as TimelineEntry).text, 'refused with 403: no active inbound gateway of a carrier contains 127.0.0.9');
  t.equal((await stores.events(call.callId)).length, 1);
});

t.test('a refusal of the application goes to the caller with its reason', async (t) => {
  fs.onInvite = (_request, response) => response.send(486, 'Busy Here', { headers: { 'X-Reason': 'sip:decline' } });
  const call = caller.call(server.sipPort, NUMBER);
  const response = await refusal(call);
  t.equal(response.status, 486);
  t.equal(response.get('X-Reason'), 'sip:decline');
  t.match((await stores.event('call.ended', call.callId)).data, { sipStatus: 486, terminationReason: 'failed' });
  await nothingLeft();
});

t.test('the next feature server is tried when one answers 503', async (t) => {
  const second = await startFeatureServer(t, stores, 'fs-two');
  await sbc.edge.featureServers.refresh();
  const refuse = (_request: unknown, response: { send(status: number): void }): void => response.send(503);
  // Whoever is asked first refuses; the other one answers.
  fs.onInvite = (request, response) =>
    second.invites.length === 0 ? refuse(request, response) : void fs.answer(request, response);
  second.onInvite = (request, response) =>
    fs.invites.length === 0 ? refuse(request, response) : void second.answer(request, response);
  const call = caller.call(server.sipPort, NUMBER);
  const dialog = await call.answered;
  t.equal(fs.invites.length + second.invites.length, 2);
  await dialog.bye();
  // Events are gathered for some ms before they are written.
  await until('the refusal is on the timeline', async () =>
    (await stores.events(call.callId)).some(
      (event) => event.type === 'call.timeline' && /failed: 503/.test(event.data.text),
    ),
  );
  await second.leave();
  await sbc.edge.featureServers.refresh();
  await nothingLeft();
});

t.test('without a feature server the caller gets 480 with the reason', async (t) => {
  fs.info.accepting = false;
  await until('the feature server stops accepting', async () => {
    await sbc.edge.featureServers.refresh();
    return sbc.edge.featureServers.list().every((info) => !info.accepting);
  });
  const response = await refusal(caller.call(server.sipPort, NUMBER));
  t.equal(response.status, 480);
  t.equal(response.get('X-Reason'), 'no feature server available');
  fs.info.accepting = true;
  await until('it accepts again', async () => {
    await sbc.edge.featureServers.refresh();
    return sbc.edge.featureServers.list().some((info) => info.accepting);
  });
  await nothingLeft();
});

t.test('garbage in the INVITE gets an answer and harms nobody', async (t) => {
  const odd = caller.agent.invite({
    uri: `sip:127.0.0.1:${server.sipPort}`,
    sdp: caller.audio.sdp,
    from: 'sip:anonymous@anonymous.invalid',
  });
  t.equal((await refusal(odd)).status, 404, 'no number is the number anonymous');
  const broken = caller.agent.invite({ uri: `sip:${NUMBER}@127.0.0.1:${server.sipPort}`, sdp: 'v=0\r\nrubbish' });
  t.equal((await refusal(broken)).status, 488, 'the relay refuses the offer');
  await nothingLeft();
});
