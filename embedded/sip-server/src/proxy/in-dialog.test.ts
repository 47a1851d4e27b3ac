import { once } from 'node:events';
import { type Dialog, endpointOfUri, type IncomingCall, SipMessage, type UserAgent } from '@ringwire/sip';
import t from 'tap';
import { notDrachtio, sdp, startPhone, startServer, until, uriOf } from '../test-rig.js';
import { answering, noTransactions, startProxying, startTarget } from './test-targets.js';

/** A callee that takes each call; its dialogs and the INVITEs that made them. */
function answer(callee: UserAgent) {
  const taken: Array<{ dialog: Dialog; invite: SipMessage }> = [];
  callee.onInvite((call: IncomingCall) => {
    const dialog = call.accept(sdp(9));
    if (dialog) taken.push({ dialog, invite: call.request });
  });
  return taken;
}

for (const [from, to] of [
  ['udp', 'udp'],
  ['udp', 'tcp'],
  ['tcp', 'udp'],
] as const) {
  t.test(
    `proxy: Record-Route: a dialog from ${from} to ${to} stays on the server in both directions (not drachtio)`,
    notDrachtio,
    async (t) => {
      const callee = await startPhone(t);
      const taken = answer(callee);
      const { server, srf } = await startProxying(t, callee.contactUri(to), { remainInDialog: true });
      const caller = await startPhone(t);
      const call = caller.invite({ uri: uriOf(server, '100', from), sdp: sdp(1) });
      const [dialog, ok] = (await once(call, 'answered')) as [Dialog, SipMessage];
      const recorded = ok.getList('Record-Route');
      t.equal(recorded.length, from === to ? 1 : 2, 'one Record-Route for each side that differs (RFC 5658)');
      if (from !== to) {
        t.match(recorded[from === 'udp' ? 0 : 1], /;transport=tcp;lr/);
        t.notMatch(recorded[from === 'udp' ? 1 : 0], /;transport=/);
      }
      await until(() => taken.length === 1);
      const { dialog: other } = taken[0]!;
      // The proxy belongs to the server.
      srf.disconnect();

      const offered = once(other, 'reinvite');
      const changed = dialog.reinvite(sdp(5));
      const [reinvite] = (await offered) as [{ request: SipMessage; accept(sdp: string): void }];
      t.equal(reinvite.request.getList('Via').length, 2, 'through the server');
      t.notOk(reinvite.request.has('Route'), 'every Route of ours is off');
      t.equal(reinvite.request.uri, callee.contactUri(to));
      const acknowledged = once(other, 'ack');
      reinvite.accept(sdp(6));
      await changed;
      const [ack] = (await acknowledged) as [SipMessage];
      t.equal(ack.getList('Via').length, 2, 'the ACK too');
      t.equal(ack.get('Max-Forwards'), '69');

      const info = once(dialog, 'info');
      t.equal((await other.info({ contentType: 'text/plain', body: 'hi' }))?.status, 200);
      t.equal(((await info) as [SipMessage])[0].getList('Via').length, 2);
      const ended = once(dialog, 'bye');
      t.equal((await other.bye())?.status, 200);
      t.equal(((await ended) as [SipMessage])[0].getList('Via').length, 2);
      t.equal(server.bridge.dialogCount, 0, 'the server keeps nothing of the dialog');
      await noTransactions(server);
      t.equal(server.layer.counters.strayAcks, 0);
    },
  );
}

t.test('proxy: without Record-Route the dialog goes past the server (not drachtio)', notDrachtio, async (t) => {
  const callee = await startPhone(t);
  const taken = answer(callee);
  const { server } = await startProxying(t, callee.contactUri());
  const caller = await startPhone(t);
  const call = caller.invite({ uri: uriOf(server), sdp: sdp(1) });
  const dialog = await call.answered;
  await until(() => taken.length === 1);
  const ended = once(taken[0]!.dialog, 'bye');
  t.equal((await dialog.bye())?.status, 200);
  t.equal(((await ended) as [SipMessage])[0].getList('Via').length, 1);
  t.equal(server.counters.proxiedRequests, 1);
});

t.test('proxy: a Route that the server did not write is not followed (not drachtio)', notDrachtio, async (t) => {
  const victim = await startTarget(t, answering(200));
  const server = await startServer(t);
  const phone = await startPhone(t);
  const { host, port } = server.layer.addressFor('udp');
  for (const route of [`<sip:${host}:${port};lr>`, `<sip:${host}:${port};lr;rt=0123456789abcdef>`]) {
    const response = await phone.request({
      method: 'BYE',
      uri: victim.uri(),
      to: `<${victim.uri()}>;tag=guessed`,
      headers: { Route: route },
      destination: { transport: 'udp', host, port },
    });
    t.equal(response?.status, 481);
  }
  t.same(victim.requests, []);
});

t.test(
  'proxy: a request of a strict router, whose Request-URI is our Record-Route, goes on to its last Route (not drachtio)',
  notDrachtio,
  async (t) => {
    const callee = await startTarget(t, answering(200));
    const { server } = await startProxying(t, callee.uri(), { remainInDialog: true });
    const caller = await startTarget(t, () => {});
    const destination = endpointOfUri(uriOf(server))!;
    const write = (method: string, seq: number, uri: string): SipMessage =>
      SipMessage.request(method, uri)
        .add('From', '<sip:a@127.0.0.1>;tag=a')
        .add('To', '<sip:b@127.0.0.1>')
        .add('Call-ID', 'strict')
        .add('CSeq', `${seq} ${method}`)
        .add('Contact', `<${caller.uri('caller')}>`);
    caller.layer.sendRequest(write('INVITE', 1, uriOf(server)), { destination });
    await until(() => callee.requests.length === 1);
    const recorded = /<([^>]*)>/.exec(callee.requests[0]?.get('Record-Route') ?? '')![1]!;
    const bye = write('BYE', 2, recorded)
      .set('To', '<sip:b@127.0.0.1>;tag=b')
      .add('Route', `<${callee.uri('target')}>`);
    const [answered] = (await once(caller.layer.sendRequest(bye, { destination }), 'response')) as [SipMessage];
    t.equal(answered.status, 200);
    t.equal(callee.requests.at(-1)?.uri, callee.uri('target'));
    t.notOk(callee.requests.at(-1)?.has('Route'));
  },
);

t.test('proxy: a strict router ahead gets its URI in the request line (not drachtio)', notDrachtio, async (t) => {
  const strict = await startTarget(t, answering(200));
  const { server } = await startProxying(t, (req) => (req as unknown as { uri: string }).uri);
  const phone = await startPhone(t);
  const own = /@(.*)$/.exec(uriOf(server))![1]!;
  await phone.request({
    method: 'MESSAGE',
    uri: 'sip:bob@far.example',
    headers: { Route: `<sip:${own};lr>, <${strict.uri('strict')}>, <sip:next.example;lr>` },
    content: { contentType: 'text/plain', body: 'hi' },
    destination: endpointOfUri(uriOf(server))!,
  });
  const [message] = strict.requests;
  t.equal(message?.uri, strict.uri('strict'));
  t.same(message?.getList('Route'), ['<sip:next.example;lr>', '<sip:bob@far.example>']);
});
