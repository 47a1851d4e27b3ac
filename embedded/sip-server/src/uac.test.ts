import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import type { AppDialog, AppMessage, AppRequest } from './test-app.js';
import { DRACHTIO } from './test-drachtio.js';
import { startPeer } from './test-peer.js';
import {
  appRequest,
  connectApp,
  disconnect,
  heldDialogs,
  notDrachtio,
  nothingHeld,
  sdp,
  startPhone,
  startServer,
  until,
  uriOf,
} from './test-rig.js';

for (const transport of ['udp', 'tcp'] as const) {
  t.test(`createUAC: a call over ${transport} with headers, progress, answer and BYE of the callee`, async (t) => {
    const server = await startServer(t);
    const srf = await connectApp(t, server);
    const phone = await startPhone(t);
    const theirs: string[] = [];
    phone.onInvite((call) => {
      theirs.push(call.request.get('X-Custom') ?? '', call.request.get('From') ?? '', call.sdp);
      call.ring(183, { sdp: sdp(1), headers: { 'X-Early': '1' } });
      const dialog = call.accept(sdp(2));
      dialog?.on('ack', () => void dialog.bye({ 'X-Bye': 'b' }));
    });
    const progress: AppMessage[] = [];
    const sent: AppRequest[] = [];
    const dialog = await srf.createUAC(
      phone.contactUri(transport),
      { localSdp: sdp(3), callingNumber: '4711', headers: { 'X-Custom': 'c' } },
      { cbRequest: (_err, req) => sent.push(req), cbProvisional: (res) => progress.push(res) },
    );
    t.equal(dialog.remote.sdp, sdp(2));
    const [bye] = await once(dialog, 'destroy');
    t.equal(bye.get('X-Bye'), 'b');
    t.equal(sent.length, 1);
    t.match(theirs[1], new RegExp(`<sip:4711@127.0.0.1:${server.layer.addressFor(transport).port}>;tag=`));
    t.same([theirs[0], theirs[2]], ['c', sdp(3)]);
    t.same(
      progress.map((res) => [res.status, res.get('X-Early'), res.body]),
      [[183, '1', sdp(1)]],
    );
    await nothingHeld(server);
  });
}

t.test('createUAC: a refusal comes with its status; unreachable peers give 408 and 503', async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const phone = await startPhone(t);
  phone.onInvite((call) => call.reject(486));
  const statusOf = (uri: string) => srf.createUAC(uri, { localSdp: sdp(1) }).catch((err: unknown) => err);
  t.match(await statusOf(phone.contactUri()), { status: 486 });
  const tcp = phone.contactUri('tcp');
  await phone.stop();
  t.match(await statusOf(`sip:127.0.0.1:${await silentPort(t)}`), { status: 408 });
  t.match(await statusOf(tcp), { status: 503 });
  t.match(await statusOf('sip:x@127.0.0.1;transport=ws'), { message: /./ });
});

/** A UDP port that takes everything and answers nothing. */
async function silentPort(t: Test): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  t.teardown(() => socket.close());
  await once(socket, 'listening');
  return socket.address().port;
}

t.test('createUAC: the proxy option decides where the INVITE goes', async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const phone = await startPhone(t);
  let uri = '';
  phone.onInvite((call) => {
    uri = call.request.uri;
    call.reject(404);
  });
  const proxy = phone.contactUri('tcp');
  await t.rejects(srf.createUAC('sip:100@example.invalid', { localSdp: sdp(1), proxy }), { message: /404|Not Found/ });
  t.equal(uri, 'sip:100@example.invalid');
});

t.test('createUAC: cancelled while it rings, the callee sees CANCEL and the application 487', async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const phone = await startPhone(t);
  const cancelled = new Promise<void>((resolve) => {
    phone.onInvite((call) => {
      call.on('cancel', () => resolve());
      call.ring();
    });
  });
  let invite: AppRequest | undefined;
  const outcome = srf.createUAC(
    phone.contactUri(),
    { localSdp: sdp(1) },
    { cbRequest: (_err, req) => (invite = req), cbProvisional: () => invite?.cancel() },
  );
  t.match(await outcome.catch((err: unknown) => err), { status: 487 });
  await cancelled;
});

t.test('createUAC: cancelled before anything came back, nothing is left behind', async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const phone = await startPhone(t);
  phone.onInvite((call) => setImmediate(() => call.accept(sdp(2))));
  const outcome = srf.createUAC(phone.contactUri(), { localSdp: sdp(1) }, { cbRequest: (_err, req) => req.cancel() });
  const result = await outcome.catch((err: unknown) => err);
  // Whoever was first: either the INVITE ended with 487, or there is a call to end.
  if (result instanceof Error) t.match(result, { status: 487 });
  // drachtio-server ends such a call by itself and knows no dialog.
  else await (result as AppDialog).destroy().catch((err: unknown) => t.ok(DRACHTIO, String(err)));
  await until(() => phone.dialogCount === 0);
  await heldDialogs(server, 0);
});

t.test('createUAC: a delayed offer is answered by the application in the ACK', async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const phone = await startPhone(t);
  const acked = new Promise<string>((resolve) => {
    phone.onInvite((call) => call.accept(sdp(2))?.on('ack', (ack) => resolve(ack.bodyText)));
  });
  const offered = await srf.createUAC(phone.contactUri(), { noAck: true });
  t.equal(offered.sdp, sdp(2));
  const dialog = await offered.ack(sdp(8));
  t.equal(await acked, sdp(8));
  const reoffer = await dialog.modify({ noAck: true });
  t.equal(reoffer.sdp, sdp(2));
  reoffer.ack(sdp(9));
  await dialog.destroy();
  await until(() => phone.dialogCount === 0);
});

t.test('createUAC: credentials answer a digest challenge', async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const phone = await startPhone(t);
  const seen: Array<string | undefined> = [];
  phone.onInvite((call) => {
    const credentials = call.request.get('Authorization');
    seen.push(call.request.get('CSeq'), call.callId);
    if (!credentials) call.reject(401, undefined, { 'WWW-Authenticate': 'Digest realm="r", nonce="n"' });
    else if (credentials.includes(digest('u', 'r', 'p', 'n', call.request.uri))) call.accept(sdp(2));
    else call.reject(403);
  });
  const auth = { username: 'u', password: 'p' };
  const dialog = await srf.createUAC(phone.contactUri(), { localSdp: sdp(1), auth });
  t.equal(dialog.remote.sdp, sdp(2));
  const [first, second] = [seen[0], seen[2]].map((cseq) => Number(cseq?.split(' ')[0]));
  t.same([second, seen[3]], [Number(first) + 1, seen[1]]);
  await dialog.destroy();
});

t.test('destroy: a challenged BYE is sent again with credentials', async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const peer = await startPeer(t);
  for (const [status, challenge, credentials] of [
    [401, 'WWW-Authenticate', 'Authorization'],
    [407, 'Proxy-Authenticate', 'Proxy-Authorization'],
  ] as const) {
    const made = srf.createUAC(peer.uri(), { localSdp: sdp(1), auth: { username: 'u', password: 'p' } });
    peer.answer(await peer.request('INVITE'), 200, { port: 2 });
    const ended = (await made).destroy();
    peer.answer(await peer.request('BYE'), status, { headers: { [challenge]: 'Digest realm="r", nonce="n"' } });
    const again = await peer.request('BYE');
    t.match(again.request.get(credentials), /username="u"/);
    peer.answer(again, 200);
    await ended;
    await heldDialogs(server, 0);
  }
});

t.test(
  'destroy: a dialog whose BYE was challenged and not repeated is forgotten (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const srf = await connectApp(t, server);
    const peer = await startPeer(t);
    const made = srf.createUAC(peer.uri(), { localSdp: sdp(1) });
    peer.answer(await peer.request('INVITE'), 200, { port: 2 });
    const ended = (await made).destroy();
    peer.answer(await peer.request('BYE'), 401, { headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n"' } });
    await ended;
    await heldDialogs(server, 0);
  },
);

t.test('createUAC: a URI with headers is refused by its name (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const failed = await srf.createUAC('sip:b@127.0.0.1?X-H=1', { localSdp: sdp(1) }).catch((err: unknown) => err);
  t.match(String(failed), /invalid request-uri: sip:b@127\.0\.0\.1\?X-H=1/);
});

function digest(user: string, realm: string, password: string, nonce: string, uri: string): string {
  const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
  return md5(`${md5(`${user}:${realm}:${password}`)}:${nonce}:${md5(`INVITE:${uri}`)}`);
}

t.test('createB2BUA: two legs, early media, failure and the end on both sides', async (t) => {
  const server = await startServer(t);
  const callee = await startPhone(t);
  const legs: Array<{ uas: AppDialog; uac: AppDialog }> = [];
  await connectApp(t, server, (srf) => {
    srf.invite(async (req, res) => {
      const options = { localSdpB: req.body, proxyRequestHeaders: ['X-Pass'] };
      const both = await srf.createB2BUA(req, res, callee.contactUri(), options).catch(() => undefined);
      if (!both) return;
      both.uas.other = both.uac;
      both.uas.on('destroy', () => void both.uac.destroy());
      both.uac.on('destroy', () => void both.uas.destroy());
      legs.push(both);
    });
  });
  const caller = await startPhone(t);
  let busy = true;
  callee.onInvite((call) => {
    if (busy) call.reject(486);
    else {
      t.equal(call.request.get('X-Pass'), 'p');
      call.ring(183, { sdp: sdp(5) });
      call.accept(sdp(6));
    }
  });
  const refused = caller.invite({ uri: uriOf(server), sdp: sdp(4) });
  t.match(await refused.answered.catch((err: unknown) => err), { status: 486 });
  busy = false;
  const call = caller.invite({ uri: uriOf(server), sdp: sdp(4), headers: { 'X-Pass': 'p' } });
  const dialog = await call.answered;
  t.equal(dialog.remoteSdp, sdp(6));
  await until(() => legs.length === 1);
  await dialog.bye();
  await until(() => callee.dialogCount === 0);
  await heldDialogs(server, 0);
});

t.test('requests outside dialogs: OPTIONS, REGISTER and MESSAGE both ways', async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server, (app) => {
    app.options((_req, res) => res.send(200, { headers: { Allow: 'INVITE' } }));
    app.register((req, res) => res.send(200, { headers: { Contact: `${req.get('Contact')};expires=60` } }));
    app.message((_req, res) => res.send(202));
  });
  const phone = await startPhone(t);
  phone.onRequest((transaction) => transaction.reply(transaction.request.bodyText === 'hi' ? 202 : 200));
  const uri = uriOf(server);
  t.equal((await phone.request({ method: 'OPTIONS', uri }))?.get('Allow'), 'INVITE');
  const registered = await phone.request({ method: 'REGISTER', uri, headers: { Contact: '<sip:a@h>' } });
  t.equal(registered?.get('Contact'), '<sip:a@h>;expires=60');
  t.equal(
    (await phone.request({ method: 'MESSAGE', uri, content: { body: 'x', contentType: 'text/plain' } }))?.status,
    202,
  );
  t.equal((await phone.request({ method: 'PUBLISH', uri }))?.status, 503, 'nobody takes PUBLISH');
  for (const method of ['OPTIONS', 'REGISTER']) {
    t.equal((await appRequest(srf, phone.contactUri(), { method })).status, 200, method);
  }
  const message = { method: 'MESSAGE', body: 'hi', headers: { 'Content-Type': 'text/plain' } };
  t.equal((await appRequest(srf, phone.contactUri('tcp'), message)).status, 202);
});

t.test('requests outside dialogs: Call-ID, tags and CSeq of the application are kept', async (t) => {
  const server = await startServer(t);
  const srf = await connectApp(t, server);
  const phone = await startPhone(t);
  const seen: Array<string | undefined> = [];
  phone.onRequest((transaction) => transaction.reply(200));
  phone.layer.on('request', ({ request }) => {
    seen.push(...['Call-ID', 'From', 'To', 'CSeq'].map((name) => request.get(name)));
  });
  const headers = {
    'Call-ID': 'of-a-crashed-instance',
    From: '<sip:a@h>;tag=theirs',
    To: '<sip:b@h>;tag=ours',
    CSeq: '17 BYE',
  };
  t.equal((await appRequest(srf, phone.contactUri(), { method: 'BYE', headers })).status, 481);
  t.same(seen, ['of-a-crashed-instance', '<sip:a@h>;tag=theirs', '<sip:b@h>;tag=ours', '17 BYE']);
});

t.test(
  'client loss: an INVITE of the application is cancelled, a late answer ended with BYE (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const phone = await startPhone(t);
    const srf = await connectApp(t, server);
    const cancelled = new Promise<void>((resolve) => {
      phone.onInvite((call) => {
        call.on('cancel', () => resolve());
        call.ring();
      });
    });
    srf
      .createUAC(phone.contactUri(), { localSdp: sdp(1) }, { cbProvisional: () => disconnect(srf) })
      .catch(() => undefined);
    await cancelled;

    const other = await connectApp(t, server);
    const ended = new Promise<void>((resolve) => {
      phone.onInvite((call) => {
        disconnect(other);
        call.accept(sdp(2))?.on('bye', () => resolve());
      });
    });
    other.createUAC(phone.contactUri(), { localSdp: sdp(1) }).catch(() => undefined);
    await ended;
    await heldDialogs(server, 0);
  },
);
