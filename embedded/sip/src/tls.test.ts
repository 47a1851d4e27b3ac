import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import t from 'tap';
import { WebSocket } from 'ws';
import { makeAuthority } from './test-certificates.js';
import type { TlsSettings } from './tls-settings.js';
import { createUserAgent, type UserAgent } from './user-agent.js';

const authority = makeAuthority(t);
const own = authority.issue('sip.ringwire.test');
const other = authority.issue('other.ringwire.test', '127.0.0.9');
const stranger = makeAuthority(t).issue('stranger.ringwire.test');

async function agent(
  t: { teardown(fn: () => unknown): void },
  settings: Partial<TlsSettings> = {},
): Promise<UserAgent> {
  const listen = (['tls', 'wss', 'udp'] as const).map((transport) => ({ transport, host: '127.0.0.1', port: 0 }));
  const tls = { cert: own.cert, key: own.key, ca: authority.ca, ...settings };
  const made = await createUserAgent({ listen, timers: { T1: 20 }, tls });
  t.teardown(() => made.stop());
  return made;
}

/** A TLS client that speaks by hand. */
async function client(t: { teardown(fn: () => unknown): void }, to: UserAgent, options: object): Promise<TLSSocket> {
  const { port } = to.layer.addressFor('tls');
  const socket = connect({ port, host: '127.0.0.1', ca: authority.ca, ...options });
  t.teardown(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

for (const transport of ['tls', 'wss'] as const) {
  t.test(`${transport}: two user agents call each other, with TLS in Via and Contact`, async (t) => {
    const [caller, callee] = [await agent(t), await agent(t)];
    const vias: Array<string | undefined> = [];
    callee.onInvite((call) => {
      vias.push(call.request.get('Via'), call.request.get('Contact'));
      call.accept('v=0 answer');
    });
    const dialog = await caller.invite({ uri: callee.contactUri(transport), sdp: 'v=0 offer' }).answered;
    t.match(vias[0], new RegExp(`^SIP/2\\.0/${transport.toUpperCase()} 127`));
    t.match(vias[1], new RegExp(`;transport=${transport}>$`));
    t.equal((await dialog.bye())?.status, 200);
    t.equal(caller.counters.connectionsRefused + callee.counters.connectionsRefused, 0);
  });
}

t.test('tls: a sips URI goes over TLS', async (t) => {
  const [caller, callee] = [await agent(t), await agent(t)];
  const { port } = callee.layer.addressFor('tls');
  t.equal((await caller.request({ method: 'OPTIONS', uri: `sips:x@127.0.0.1:${port}` }))?.status, 200);
});

t.test('tls: a server whose certificate is of nobody we trust, or of another name, is not spoken to', async (t) => {
  const caller = await agent(t);
  for (const certificate of [stranger, other]) {
    const callee = await agent(t, certificate);
    let received = 0;
    callee.onRequest(() => received++);
    t.equal(await caller.request({ method: 'OPTIONS', uri: callee.contactUri('tls') }), undefined);
    t.equal(await caller.request({ method: 'OPTIONS', uri: callee.contactUri('wss') }), undefined);
    t.equal(received, 0);
    const careless = await agent(t, { verifyServers: false });
    callee.onRequest((transaction) => transaction.reply(200));
    t.equal((await careless.request({ method: 'OPTIONS', uri: callee.contactUri('tls') }))?.status, 200);
  }
});

t.test(
  'tls: the name found for a URI is what the certificate has to prove, and connections of names stay apart',
  async (t) => {
    const caller = await agent(t);
    const callee = await agent(t);
    const { port } = callee.layer.addressFor('tls');
    const destination = { transport: 'tls', host: '127.0.0.1', port } as const;
    const options = { method: 'OPTIONS', uri: 'sips:x@h' };
    const named = { ...destination, serverName: 'sip.ringwire.test' };
    t.equal((await caller.request({ ...options, destination: named }))?.status, 200);
    const misnamed = { ...destination, serverName: 'wrong.ringwire.test' };
    t.equal(await caller.request({ ...options, destination: misnamed }), undefined);
  },
);

t.test('tls: the certificate shown is that of the name asked for', async (t) => {
  const server = await agent(t, { names: new Map([['Other.ringwire.test', other]]) });
  const subjects: unknown[] = [];
  for (const servername of ['other.ringwire.test', 'sip.ringwire.test']) {
    const socket = await client(t, server, { servername });
    subjects.push(socket.getPeerCertificate().subject.CN);
  }
  t.same(subjects, ['other.ringwire.test', 'sip.ringwire.test']);
  // A name without certificate gets the first one; whether that will do is for the client to say.
  const socket = await client(t, server, { servername: 'unknown.ringwire.test', rejectUnauthorized: false });
  t.equal(socket.getPeerCertificate().subject.CN, 'sip.ringwire.test');
});

t.test('tls: a peer must show a certificate where that is demanded', async (t) => {
  const server = await agent(t, { requireClientCertificate: true });
  const uri = server.contactUri('tls');
  t.equal((await (await agent(t)).request({ method: 'OPTIONS', uri }))?.status, 200);
  t.equal(await (await agent(t, { ...stranger })).request({ method: 'OPTIONS', uri }), undefined);
  const { port } = server.layer.addressFor('wss');
  const browser = new WebSocket(`wss://127.0.0.1:${port}/`, 'sip', { ca: authority.ca });
  const [error] = await once(browser, 'error');
  t.ok(error instanceof Error);
});

t.test('tls: responses and requests of ours come back on the connection of the peer', async (t) => {
  const server = await agent(t);
  const socket = await client(t, server, { servername: 'sip.ringwire.test' });
  socket.setEncoding('latin1');
  socket.write(
    'OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1;rport\r\nFrom: <sip:a@h>;tag=a\r\n' +
      'To: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n',
  );
  const text = (await once(socket, 'data')) as [string];
  t.match(text[0], /^SIP\/2\.0 200/);
  const request = server.request({ method: 'MESSAGE', uri: `sip:x@127.0.0.1:${socket.localPort};transport=tls` });
  const [message] = (await once(socket, 'data')) as [string];
  t.match(message, /^MESSAGE/);
  const headers = message.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq):/.test(line));
  socket.write(['SIP/2.0 202 Accepted', ...headers, 'Content-Length: 0', '', ''].join('\r\n'));
  t.equal((await request)?.status, 202);
});

t.test('tls: what speaks no TLS is refused and counted', async (t) => {
  const server = await agent(t);
  const raw = connectTcp(server.layer.addressFor('tls').port, '127.0.0.1');
  raw.on('error', () => raw.destroy());
  raw.resume();
  raw.write('OPTIONS sip:x SIP/2.0\r\n\r\n');
  await once(raw, 'close');
  t.equal(server.counters.connectionsRefused, 1);
});

t.test('tls: a certificate that cannot be used is said at the start', async (t) => {
  await t.rejects(agent(t, { key: stranger.key }), /key/);
  const listen = [{ transport: 'tls', host: '127.0.0.1', port: 0 } as const];
  await t.rejects(createUserAgent({ listen }), /tls needs a certificate/);
});
