import { once } from 'node:events';
import type { TimelineEntry } from '@ringwire/common';
import type { SipDialog, SipRequest, SipResponse } from '@ringwire/common/sip/stack.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { until } from '@ringwire/common/testing/until.js';
import type { Dialog, ServerTransaction, SipMessage } from '@ringwire/sip';
import { FakeClock } from '@ringwire/sip/fake-clock.js';
import { readArguments, startSipServer } from '@ringwire/sip-server';
import t from 'tap';
import { openSbcInbound, type SbcInbound } from './sbc-inbound.js';
import { ended, NUMBER, startCaller, type TestCaller } from './testing/caller.js';
import { openSbc, type ServerProcess, startServerProcess } from './testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from './testing/feature-server.js';
import { startAudio, startEcho, type TestAudio } from './testing/media.js';
import { type Stores, startStores } from './testing/stores.js';

t.setTimeout(200_000);

let stores: Stores;
let server: ServerProcess;
let sbc: SbcInbound;
let fs: TestFeatureServer;
let caller: TestCaller;
/** Where the caller's telephone goes when its address changes. */
let elsewhere: TestAudio;

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t);
  sbc = await openSbc(t, openSbcInbound, { name: 'sbc-inbound', stores, controlPort: server.controlPort });
  fs = await startFeatureServer(t, stores, 'fs-one');
  await sbc.edge.featureServers.refresh();
  caller = await startCaller(t);
  elsewhere = await startAudio(t);
});

t.beforeEach(() => {
  fs.onInvite = (request, response) => void fs.answer(request, response);
});

t.afterEach(async () => {
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  await until('media sessions are gone', () => sbc.edge.bridging.relay.sessions === 0);
});

/** A connected call: the caller's dialog, and the feature server's. */
async function connected(sdp = caller.audio.sdp): Promise<{ dialog: Dialog; far: SipDialog; callId: string }> {
  const far = fs.nextDialog();
  const call = caller.agent.invite({ uri: `sip:${NUMBER}@127.0.0.1:${server.sipPort}`, sdp });
  return { dialog: await call.answered, far: await far, callId: call.callId };
}

/** The feature server answers re-INVITEs with its SDP; what they offered, in order. */
function answersReinvites(far: SipDialog): string[] {
  const offered: string[] = [];
  far.on('modify', (request, response) => {
    offered.push(request.body);
    accept(far, response);
  });
  return offered;
}

const accept = (far: SipDialog, response: SipResponse): void =>
  response.send(200, 'OK', {
    body: fs.sdp,
    headers: { Contact: far.local.contact, 'Content-Type': 'application/sdp' },
  });

/** A request of the feature server in its dialog; resolves to the final response. */
function ask(far: SipDialog, method: string, headers: Record<string, string> = {}, body = ''): Promise<SipResponse> {
  return new Promise((resolve, reject) =>
    far.request({ method, headers, ...(body && { body }) }, (error, response) => {
      if (error || !response) reject(error);
      else if (response.status >= 200) resolve(response);
    }),
  );
}

/** The next request of the feature server that reaches the caller, other than INVITE, INFO and BYE; answered with `status`. */
function nextRequest(dialog: Dialog, status = 200): Promise<ServerTransaction['request']> {
  return new Promise((resolve) =>
    dialog.once('request', (transaction) => {
      transaction.reply(status);
      resolve(transaction.request);
    }),
  );
}

t.test('UPDATE with an offer: the feature server is re-invited, and media follows to the new address', async (t) => {
  const { dialog, far } = await connected();
  const offered = answersReinvites(far);
  const answer = await dialog.request('UPDATE', { body: elsewhere.sdp, contentType: 'application/sdp' });
  t.equal(answer?.status, 200);
  t.match(answer?.get('Content-Type'), 'application/sdp');
  t.ok(answer?.has('Contact'));
  t.equal(offered.length, 1);
  await elsewhere.echoThrough(answer?.bodyText ?? '');
  await dialog.bye();
});

t.test('a caller who vanishes without a BYE is found, and the feature server gets one', async (t) => {
  const watching = await startServerProcess(t);
  const { controlPort } = watching;
  const env = { FAR_KEEPALIVE_MS: '200' };
  const edge = await openSbc(t, openSbcInbound, { name: 'sbc-watching', stores, controlPort, env });
  await edge.edge.featureServers.refresh();
  // Over TCP it is known at once that nothing can be sent.
  const vanishing = await startCaller(t, '127.0.0.1', 'tcp');
  const present = await startCaller(t);
  const callFrom = async (from: TestCaller): Promise<{ dialog: Dialog; far: SipDialog }> => {
    const far = fs.nextDialog();
    const call = from.call(watching.sipPort, NUMBER);
    return { dialog: await call.answered, far: await far };
  };
  const staying = await callFrom(present);
  let asked = 0;
  staying.dialog.on('request', (transaction) => {
    asked++;
    // Who does not know OPTIONS is there all the same.
    transaction.reply(405);
  });
  const gone = await callFrom(vanishing);
  const bye = new Promise<void>((resolve) => void gone.far.on('destroy', () => resolve()));
  await vanishing.agent.stop();
  await bye;
  await until('it is not counted any more', () => edge.edge.calls.size === 1);
  const soFar = asked;
  await until('the other is asked on', () => asked > soFar + 2);
  t.ok(staying.far.connected);
  await staying.dialog.bye();
  await until('calls are gone', () => edge.edge.calls.size === 0);
});

t.test('UPDATE without an offer refreshes the session and goes no further', async (t) => {
  const { dialog, far } = await connected();
  const offered = answersReinvites(far);
  const answer = await dialog.request('UPDATE');
  t.equal(answer?.status, 200);
  t.ok(answer?.has('Contact'));
  t.equal(offered.length, 0);
  await caller.audio.echoThrough(dialog.remoteSdp);
  await dialog.bye();
});

t.test('a re-INVITE without offer gets that of the feature server, and the ACK moves the media', async (t) => {
  const { dialog, far } = await connected();
  const offered = answersReinvites(far);
  const acked = new Promise<void>((resolve) => far.on('ack', ({ body }) => body && resolve()));
  const answer = await dialog.reinvite(undefined, { onOffer: () => elsewhere.sdp });
  t.match(answer.bodyText, /m=audio/);
  t.same(offered, ['']);
  await acked;
  await elsewhere.echoThrough(answer.bodyText);
  await dialog.bye();
});

t.test('a re-INVITE of the feature server without offer gets that of the caller', async (t) => {
  const { dialog, far } = await connected();
  const asked = new Promise<string>((resolve) =>
    dialog.once('reinvite', (reinvite) => {
      resolve(reinvite.sdp);
      reinvite.accept(elsewhere.sdp);
    }),
  );
  const acked = new Promise<string>((resolve) => dialog.once('ack', (ack) => resolve(ack.bodyText)));
  const offer = await new Promise<SipResponse>((resolve, reject) =>
    far.request({ method: 'INVITE', noAck: true, headers: { Contact: far.local.contact } }, (error, response, ack) => {
      if (error || !response || response.status < 200) return error && reject(error);
      ack?.({ body: fs.sdp });
      resolve(response);
    }),
  );
  t.equal(await asked, '');
  t.equal(offer.status, 200);
  t.match(offer.body, /m=audio/);
  await elsewhere.echoThrough(await acked);
  await dialog.bye();
});

t.test('a re-INVITE that the feature server refuses leaves the media as it was', async (t) => {
  const { dialog, far } = await connected();
  far.on('modify', (_request, response) => response.send(488, undefined, { headers: { 'X-Reason': 'no such codec' } }));
  const refused = await dialog
    .reinvite(elsewhere.sdp)
    .catch((error: { response?: { get(name: string): string } }) => error);
  t.match(refused, { status: 488 });
  await caller.audio.echoThrough(dialog.remoteSdp);
  t.notOk(dialog.isEnded);
  await dialog.bye();
});

t.test('re-INVITEs that cross are both refused with 491, and one of them works later', async (t) => {
  const { dialog, far } = await connected();
  let heldBack: (() => void) | undefined;
  const arrived = new Promise<void>((resolve) => {
    far.on('modify', (_request, response) => {
      heldBack ??= () => response.send(491);
      resolve();
    });
  });
  const own = dialog.reinvite(elsewhere.sdp).catch((error: { status: number }) => error.status);
  await arrived;
  const crossing = await ask(far, 'INVITE', { Contact: far.local.contact, 'Content-Type': 'application/sdp' }, fs.sdp);
  t.equal(crossing.status, 491);
  heldBack?.();
  t.equal(await own, 491);
  far.removeAllListeners();
  t.equal(
    (await ask(far, 'INVITE', { Contact: far.local.contact, 'Content-Type': 'application/sdp' }, fs.sdp)).status,
    200,
  );
  await caller.audio.echoThrough(dialog.remoteSdp);
  await dialog.bye();
});

t.test('a feature server that does not know the dialog any more ends the call on both sides', async (t) => {
  const { dialog, far, callId } = await connected();
  far.on('modify', (_request, response) => response.send(481));
  const end = ended(dialog);
  await dialog.reinvite(elsewhere.sdp).catch(() => undefined);
  await end;
  t.match((await stores.event('call.ended', callId)).data, { answered: true, sipStatus: 200 });
});

t.test('OPTIONS, MESSAGE and NOTIFY go both ways with their bodies and headers', async (t) => {
  const { dialog, far } = await connected();
  for (const event of ['options', 'message', 'notify'] as const) {
    far.on(event, (request, response) => {
      const seen = [request.method, request.body, request.get('Event') ?? '', request.get('X-Own') ?? ''];
      response.send(200, 'OK', { body: seen.join('|'), headers: { 'Content-Type': 'text/plain' } });
    });
  }
  const content = { body: 'hello', contentType: 'text/plain' };
  for (const method of ['OPTIONS', 'MESSAGE', 'NOTIFY']) {
    const answer = await dialog.request(method, content, {
      Event: 'talk',
      'Subscription-State': 'active',
      'X-Own': 'yes',
    });
    t.equal(
      answer?.bodyText,
      `${method}|hello|${method === 'NOTIFY' || answer?.bodyText.includes('talk') ? 'talk' : ''}|yes`,
    );
  }
  const heard = nextRequest(dialog, 405);
  const headers = { Event: 'refer', 'Subscription-State': 'active', 'Content-Type': 'message/sipfrag' };
  t.equal((await ask(far, 'NOTIFY', headers, 'SIP/2.0 100 Trying')).status, 405);
  const notify = await heard;
  t.match(notify.get('Content-Type'), 'message/sipfrag');
  t.equal(notify.get('Event'), 'refer');
  t.equal(notify.bodyText, 'SIP/2.0 100 Trying');
  await dialog.bye();
});

t.test('REFER of the caller, attended or not, goes to the feature server, and its NOTIFYs come back', async (t) => {
  const { dialog, far } = await connected();
  const referTo = '<sip:carol@example.com?Replaces=abc%40x%3Bto-tag%3D1%3Bfrom-tag%3D2>';
  const refer = new Promise<SipRequest>((resolve) =>
    far.on('refer', (request, response) => {
      response.send(202);
      resolve(request);
    }),
  );
  const headers = {
    'Refer-To': referTo,
    'Referred-By': '<sip:anna@example.com>',
    'X-Account-Sid': 'forged',
    'X-Own': 'yes',
  };
  t.equal((await dialog.request('REFER', undefined, headers))?.status, 202);
  const seen = await refer;
  t.equal(seen.get('Refer-To'), referTo);
  t.equal(seen.get('Referred-By'), '<sip:anna@example.com>');
  t.equal(seen.get('X-Own'), 'yes');
  t.notOk(seen.has('X-Account-Sid'));
  const progress = nextRequest(dialog);
  const done = { Event: 'refer', 'Subscription-State': 'terminated;reason=noresource' };
  await ask(far, 'NOTIFY', { ...done, 'Content-Type': 'message/sipfrag' }, 'SIP/2.0 200 OK');
  t.match((await progress).get('Subscription-State'), /^terminated/);
  await dialog.bye();
});

t.test(
  'REFER of the feature server transfers the caller: Referred-By is required, an IPv4 host becomes his',
  async (t) => {
    const { dialog, far } = await connected();
    const refused = await ask(far, 'REFER', { 'Refer-To': '<sip:4930@127.0.0.9>' });
    t.equal(refused.status, 400);
    t.match(refused.get('X-Reason'), 'Referred-By');
    const referredBy = { 'Referred-By': '<sip:15551234567@localhost>' };
    const { port } = caller.agent.addresses[0]!;
    for (const [given, wanted, more] of [
      ['<sip:4930@127.0.0.9;user=phone>', `<sip:4930@127.0.0.1:${port};user=phone>`, {}],
      ['<sip:4930@pbx.example.com>', '<sip:4930@pbx.example.com>', {}],
      ['<sip:4930@127.0.0.9>', '<sip:4930@127.0.0.9>', { 'X-Refer-To-Leave-Untouched': 'true' }],
    ] as const) {
      const heard = nextRequest(dialog, 202);
      t.equal((await ask(far, 'REFER', { ...referredBy, 'Refer-To': given, 'X-Own': 'yes', ...more })).status, 202);
      const refer = await heard;
      t.equal(refer.get('Refer-To'), wanted);
      t.equal(refer.get('Referred-By'), referredBy['Referred-By']);
      t.equal(refer.get('X-Own'), 'yes');
      t.notOk(refer.has('X-Refer-To-Leave-Untouched'));
    }
    await dialog.bye();
  },
);

t.test('the feature server mutes the caller and lets him be heard again', async (t) => {
  const { dialog, far } = await connected();
  await caller.audio.echoThrough(dialog.remoteSdp);
  const muted = await ask(far, 'INFO', { 'X-Reason': 'mute' });
  t.equal(muted.status, 200, muted.get('X-Reason') ?? '');
  const heard = caller.audio.echoThrough(dialog.remoteSdp);
  const moreSent = (packets: number): Promise<true> => {
    const wanted = caller.audio.sent() + packets;
    return until('packets are sent', () => caller.audio.sent() >= wanted);
  };
  // One that was on its way when the mute came may still get through.
  await moreSent(2);
  const before = fs.received();
  await moreSent(10);
  t.equal(fs.received(), before, 'nothing of the caller gets through');
  t.equal((await ask(far, 'INFO', { 'X-Reason': 'unmute' })).status, 200);
  await heard;
  await dialog.bye();
});

t.test(
  'the feature server gives its end of the media away and takes it back; the caller is not re-invited',
  async (t) => {
    const { dialog, far } = await connected();
    let reinvites = 0;
    dialog.on('reinvite', (reinvite) => {
      reinvites++;
      reinvite.reject();
    });
    const other = await startEcho(t);
    const headers = { Contact: far.local.contact, 'Content-Type': 'application/sdp' };
    const released = await ask(far, 'INVITE', { ...headers, 'X-Reason': 'release-media' }, other.sdp);
    t.equal(released.status, 200);
    t.match(released.body, /m=audio/);
    await caller.audio.echoThrough(dialog.remoteSdp);
    t.ok(other.received() > 0);
    t.equal((await ask(far, 'INVITE', { ...headers, 'X-Reason': 'anchor-media' }, fs.sdp)).status, 200);
    const before = fs.received();
    await caller.audio.echoThrough(dialog.remoteSdp);
    t.ok(fs.received() > before);
    t.equal(reinvites, 0);
    await dialog.bye();
  },
);

t.test('media does not go past the relay unless the operator allows it, nor to nowhere', async (t) => {
  const { dialog, far } = await connected();
  const headers = { Contact: far.local.contact, 'Content-Type': 'application/sdp' };
  const past = await ask(far, 'INVITE', { ...headers, 'X-Reason': 'release-media-entirely' }, fs.sdp);
  t.equal(past.status, 488);
  t.equal(past.get('X-Reason'), 'media may not go past the relay');
  t.equal((await ask(far, 'INVITE', { ...headers, 'X-Reason': 'release-media' })).status, 488);
  await caller.audio.echoThrough(dialog.remoteSdp);
  await dialog.bye();
});

t.test('a restart of ICE gets new credentials of the relay', async (t) => {
  const ice = (ufrag: string): string =>
    caller.audio.sdp
      .replace('RTP/AVP', 'UDP/TLS/RTP/SAVPF')
      .concat(`a=ice-ufrag:${ufrag}\r\na=ice-pwd:${ufrag.repeat(8)}\r\na=setup:actpass\r\na=rtcp-mux\r\n`)
      .concat(`a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}\r\n`)
      .concat(`a=candidate:1 1 UDP 2130706431 127.0.0.1 ${caller.audio.port} typ host\r\n`);
  const { dialog, far } = await connected(ice('aaaa'));
  const offered = answersReinvites(far);
  const ufrag = (sdp: string): string | undefined => /a=ice-ufrag:(\S+)/.exec(sdp)?.[1];
  const before = ufrag(dialog.remoteSdp);
  t.ok(before);
  const after = ufrag((await dialog.reinvite(ice('bbbb'))).bodyText);
  t.ok(after);
  t.not(after, before);
  t.notMatch(offered[0], 'ice-ufrag', 'the feature server has plain RTP');
  await dialog.bye();
});

t.test('session timers: who is to refresh and does keeps the call, who does not ends it and its record', async (t) => {
  const clock = new FakeClock();
  const argv = ['--contact', 'sip:127.0.0.1:0;transport=udp', '--port', '0', '--http-port', '0'];
  const timed = await startSipServer(readArguments(argv), { logger: silentLogger(), instanceId: 'timed', clock });
  t.teardown(() => timed.stop());
  const edge = await openSbc(t, openSbcInbound, { name: 'timed', stores, controlPort: timed.controlPort });
  await edge.edge.featureServers.refresh();
  const sipPort = timed.layer.addresses[0]!.port;
  const call = async (
    refresher: string,
  ): Promise<{ dialog: Dialog; far: SipDialog; callId: string; offers: string[] }> => {
    const far = fs.nextDialog();
    const placed = caller.call(sipPort, NUMBER, {
      Supported: 'timer',
      'Session-Expires': `120;refresher=${refresher}`,
    });
    const [dialog, ok] = (await once(placed, 'answered')) as [Dialog, SipMessage];
    t.equal(ok.get('Session-Expires'), `120;refresher=${refresher}`);
    // Behind the ACK, which the server must have seen before time goes on.
    await dialog.request('OPTIONS');
    return { dialog, far: await far, callId: placed.callId, offers: answersReinvites(await far) };
  };

  const lapsing = await call('uac');
  // Half of the interval has gone when the caller refreshes, by UPDATE and then by re-INVITE.
  clock.advance(60_000);
  const refresh = { Supported: 'timer', 'Session-Expires': '120;refresher=uac' };
  t.equal((await lapsing.dialog.request('UPDATE', undefined, refresh))?.status, 200);
  clock.advance(60_000);
  t.equal((await lapsing.dialog.reinvite(caller.audio.sdp, { headers: refresh })).status, 200);
  await lapsing.dialog.request('OPTIONS');
  clock.advance(60_000);
  await lapsing.dialog.request('OPTIONS');
  t.notOk(lapsing.dialog.isEnded);
  const bye = ended(lapsing.dialog);
  const farBye = new Promise((resolve) => lapsing.far.on('destroy', resolve));
  clock.advance(60_000);
  t.match((await bye).request?.get('Reason'), 'Session timer expired');
  await farBye;
  t.match((await stores.event('call.ended', lapsing.callId)).data, {
    answered: true,
    terminationReason: 'caller hungup',
  });
  await until('the cause is on the timeline', async () =>
    (await stores.events(lapsing.callId)).some(
      ({ type, data }) => type === 'call.timeline' && /session timer expired/.test((data as { text: string }).text),
    ),
  );

  const ours = await call('uas');
  const refreshed = new Promise<string | undefined>((resolve) =>
    ours.dialog.once('reinvite', (reinvite) => {
      resolve(reinvite.request.get('Session-Expires'));
      reinvite.accept(caller.audio.sdp, { 'Session-Expires': '120;refresher=uac', Require: 'timer' });
    }),
  );
  clock.advance(60_000);
  t.equal(await refreshed, '120;refresher=uac');
  t.same(ours.offers, [], 'the feature server is not troubled');
  await caller.audio.echoThrough(ours.dialog.remoteSdp);
  await ours.dialog.bye();
  await until('calls are gone', () => edge.edge.calls.size === 0);
});

t.test('a flood of requests within a call leaves a hundred entries on its timeline, and their number', async (t) => {
  const { dialog, far, callId } = await connected();
  far.on('info', (_request, response) => response.send(200));
  for (let i = 0; i < 103; i++) t.equal((await dialog.request('INFO'))?.status, 200);
  await dialog.bye();
  await stores.event('call.ended', callId);
  const texts = await until('the number', async () => {
    const events = (await stores.events(callId)).filter(({ type }) => type === 'call.timeline');
    const found = events.map(({ data }) => (data as TimelineEntry).text);
    return found.some((text) => /more requests/.test(text)) ? found : undefined;
  });
  t.equal(texts.filter((text) => /^INFO from the caller/.test(text)).length, 100);
  t.ok(texts.includes('3 more requests were passed on'));
});
