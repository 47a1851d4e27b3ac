import { createHash } from 'node:crypto';
import { once } from 'node:events';
import t from 'tap';
import type { App, AppDialog, B2buaOptions, Callbacks, UacOptions } from './test-app.js';
import { startPeer, type TestPeer } from './test-peer.js';
import { connectApp, nothingHeld, sdp, startServer, uriOf } from './test-rig.js';

type Tap = Parameters<typeof startServer>[0];
type Legs = { uas: AppDialog; uac: AppDialog };

/** An application that calls a peer with these options; the peer has its INVITE. */
async function calling(t: Tap, options: (srf: App) => UacOptions, uri?: (callee: TestPeer) => string) {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const callee = await startPeer(t);
  const outcome = srf.createUAC(uri?.(callee) ?? callee.uri(), { localSdp: sdp(5000), ...options(srf) });
  outcome.catch(() => undefined);
  return { server, srf, callee, invite: await callee.request('INVITE'), outcome };
}

t.test(
  'createUAC: callingName, callingNumber and headers are on the wire, lists and long values unharmed',
  async (t) => {
    const headers = { 'X-List': 'a, "b,c";d=1', 'X-Long': 'x'.repeat(600), Subject: 'Grüße' };
    const { callee, invite, outcome } = await calling(t, () => ({
      callingNumber: '4711',
      callingName: 'Ann',
      headers: { ...headers },
    }));
    t.match(invite.request.get('From'), /^"Ann" <sip:4711@127\.0\.0\.1:\d+>;tag=/);
    t.match(invite.request.get('Contact'), /sip:4711@127\.0\.0\.1/);
    for (const [name, value] of Object.entries(headers)) t.equal(invite.request.get(name), value);
    callee.answer(invite, 404);
    t.match(await outcome.catch((err: unknown) => err), { status: 404 });
  },
);

t.test('createUAC: calledNumber makes the URI where only an address is given', async (t) => {
  const { callee, invite } = await calling(
    t,
    () => ({ calledNumber: '555' }),
    (peer) => peer.uri().replace(/^sip:peer@/, ''),
  );
  t.match(invite.request.uri, /^sip:555@127\.0\.0\.1:/);
  callee.answer(invite, 404);
});

t.test('createUAC: credentials from a function answer a 407 with qop', async (t) => {
  const auth = (_req: unknown, _res: unknown, callback: (err: null, user: string, password: string) => void): void =>
    callback(null, 'u', 'p');
  const { callee, invite, outcome } = await calling(t, () => ({ auth }));
  callee.answer(invite, 407, { headers: { 'Proxy-Authenticate': 'Digest realm="r", nonce="n", qop="auth"' } });
  const again = await callee.request('INVITE');
  const sent = again.request.get('Proxy-Authorization') ?? '';
  const value = (name: string): string => new RegExp(`${name}="?([^",]+)"?`).exec(sent)?.[1] ?? '';
  const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
  const ha2 = md5(`INVITE:${again.request.uri}`);
  t.equal(value('response'), md5(`${md5('u:r:p')}:n:${value('nc')}:${value('cnonce')}:auth:${ha2}`));
  t.equal(again.request.get('Call-ID'), invite.request.get('Call-ID'));
  const cseq = (text = '') => Number.parseInt(text, 10);
  t.equal(cseq(again.request.get('CSeq')), cseq(invite.request.get('CSeq')) + 1);
  const dialog = callee.dialog(again, callee.answer(again, 200, { port: 6000 }));
  const ended = once(await outcome, 'destroy');
  t.equal((await callee.inside(dialog, 'BYE').final()).status, 200);
  await ended;
});

t.test('createUAC: a redirect is followed where the application wants it', async (t) => {
  const { callee, invite, outcome } = await calling(t, () => ({ followRedirects: true }));
  const target = await startPeer(t);
  invite.respond(invite.makeResponse(302).add('Contact', `<${target.uri('other')}>`));
  const onward = await target.request('INVITE');
  t.equal(onward.request.uri, target.uri('other'));
  target.answer(onward, 200, { port: 6000 });
  const bye = (await outcome).destroy();
  target.answer(await target.request('BYE'), 200);
  await bye;
  t.equal(callee.requests.length, 0);
});

/** An application that joins a caller with a callee by createB2BUA; the callee has the INVITE. */
async function bridging(
  t: Tap,
  options: B2buaOptions,
  given: { headers?: Record<string, string>; offers?: boolean; callbacks?: Callbacks } = {},
) {
  const server = await startServer(t);
  const callee = await startPeer(t);
  const caller = await startPeer(t);
  let settle: (legs: Legs | Error) => void;
  const outcome = new Promise<Legs | Error>((resolve) => (settle = resolve));
  await connectApp(t, server, (srf) => {
    srf.invite((req, res) => {
      srf.createB2BUA(req, res, callee.uri(), { ...options }, given.callbacks ?? {}).then(settle, settle);
    });
  });
  const { headers = {}, offers = true } = given;
  const invite = offers ? caller.invite(uriOf(server), { headers }) : caller.send('INVITE', uriOf(server), { headers });
  return { server, caller, callee, invite, outcome, onward: await callee.request('INVITE') };
}

/** Ends both legs of a call from the caller's side. */
async function endBoth(caller: TestPeer, callee: TestPeer, dialog: ReturnType<TestPeer['dialog']>, legs: Legs | Error) {
  if (legs instanceof Error) throw legs;
  legs.uas.on('destroy', () => void legs.uac.destroy().catch(() => undefined));
  const bye = caller.inside(dialog, 'BYE');
  callee.answer(await callee.request('BYE'), 200);
  await bye.final();
}

t.test('createB2BUA: all headers but those named go on, those of the answer come back, SDP by function', async (t) => {
  const options: B2buaOptions = {
    localSdpB: sdp(5100),
    localSdpA: (theirs: string) => Promise.resolve(theirs.replace('m=audio 6000', 'm=audio 5200')),
    proxyRequestHeaders: ['all', '-X-Secret'],
    proxyResponseHeaders: ['X-Answer'],
    responseHeaders: { 'X-Fixed': 'f' },
  };
  const uacs: AppDialog[] = [];
  const { server, caller, callee, invite, onward, outcome } = await bridging(t, options, {
    headers: { 'X-Pass': 'p', 'X-Secret': 's' },
    callbacks: { cbFinalizedUac: (uac) => uacs.push(uac) },
  });
  t.equal(onward.request.get('X-Pass'), 'p');
  t.notOk(onward.request.has('X-Secret'));
  t.equal(onward.request.bodyText, sdp(5100));
  t.not(onward.request.get('Call-ID'), invite.request.get('Call-ID'));
  callee.answer(onward, 183, { port: 6000, headers: { 'X-Answer': '183' } });
  const early = await invite.response(183);
  t.equal(early.get('X-Answer'), '183');
  t.equal(early.get('X-Fixed'), 'f');
  callee.answer(onward, 200, { port: 6000, headers: { 'X-Answer': '200' } });
  const ok = await invite.final();
  t.equal(ok.get('X-Answer'), '200');
  t.match(ok.bodyText, /m=audio 5200/);
  const dialog = invite.dialog(ok);
  caller.ack(dialog, invite);
  t.equal(uacs.length, 1);
  await endBoth(caller, callee, dialog, await outcome);
  await nothingHeld(server);
});

t.test('createB2BUA: provisional responses are kept where asked, a failure goes back with its headers', async (t) => {
  const { server, callee, invite, onward, outcome } = await bridging(t, {
    passProvisionalResponses: false,
    proxyResponseHeaders: ['X-Why'],
  });
  callee.answer(onward, 180);
  callee.answer(onward, 486, { headers: { 'X-Why': 'w' } });
  const final = await invite.final();
  t.equal(final.status, 486);
  t.equal(final.get('X-Why'), 'w');
  t.equal(
    invite.responses.count(({ status }) => status > 100),
    0,
    'nothing but 100 before it',
  );
  t.match(await outcome, { status: 486 });
  await nothingHeld(server);
});

t.test('createB2BUA: passFailure false lets the application try the next', async (t) => {
  const server = await startServer(t);
  const [first, second, caller] = [await startPeer(t), await startPeer(t), await startPeer(t)];
  const joined = new Promise<Legs>((resolve, reject) => {
    void connectApp(t, server, (srf) => {
      srf.invite(async (req, res) => {
        const options = { localSdpB: req.body, passFailure: false };
        await srf.createB2BUA(req, res, first.uri(), options).catch(() => undefined);
        srf.createB2BUA(req, res, second.uri(), { localSdpB: req.body }).then(resolve, reject);
      });
    }).then(() => invited());
  });
  let invited: () => void = () => {};
  const ready = new Promise<void>((resolve) => (invited = resolve));
  await ready;
  const invite = caller.invite(uriOf(server));
  first.answer(await first.request('INVITE'), 503);
  second.answer(await second.request('INVITE'), 200, { port: 6100 });
  const ok = await invite.final();
  t.equal(ok.bodyText, sdp(6100));
  const dialog = invite.dialog(ok);
  caller.ack(dialog, invite);
  await endBoth(caller, second, dialog, await joined);
  await nothingHeld(server);
});

t.test('createB2BUA: a caller who gives up cancels the callee, with the reason', async (t) => {
  const { server, caller, callee, invite, onward, outcome } = await bridging(t, {});
  callee.answer(onward, 180);
  await invite.response(180);
  const cancelled = once(onward, 'cancel');
  invite.transaction.cancel([['Reason', 'SIP;cause=200;text="elsewhere"']]);
  const [cancel] = await cancelled;
  t.match(cancel.get('Reason'), /elsewhere/);
  callee.answer(onward, 487);
  t.equal((await invite.final()).status, 487);
  t.match(await outcome, { status: 487 });
  t.equal(caller.requests.length, 0);
  await nothingHeld(server);
});

t.test(
  'createB2BUA: an INVITE without SDP is joined with the offer in the answer and the answer in the ACK',
  async (t) => {
    const localSdpB = (answer: string) => answer.replace('m=audio 4000', 'm=audio 5300');
    const { server, caller, callee, invite, onward, outcome } = await bridging(t, { localSdpB }, { offers: false });
    t.equal(onward.request.bodyText, '');
    callee.answer(onward, 200, { port: 6000 });
    const ok = await invite.final();
    t.equal(ok.bodyText, sdp(6000));
    const dialog = invite.dialog(ok);
    caller.ack(dialog, invite, { port: 4000 });
    t.match((await callee.acks.take()).bodyText, /m=audio 5300/);
    await endBoth(caller, callee, dialog, await outcome);
    await nothingHeld(server);
  },
);
