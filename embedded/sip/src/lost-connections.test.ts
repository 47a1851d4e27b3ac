import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import t from 'tap';
import { WebSocketServer } from 'ws';
import type { ClientTransaction } from './client-transaction.js';
import { SipMessage } from './message.js';
import { parseMessage } from './parse-message.js';
import { createResponse } from './response.js';
import { makeAuthority } from './test-certificates.js';
import { startDns } from './test-dns.js';
import { TransactionLayer, type TransactionLayerOptions } from './transaction-layer.js';
import type { TransportName } from './transport.js';

type Teardown = { teardown(fn: () => unknown): void };

const authority = makeAuthority(t);
const own = authority.issue('sip.ringwire.test');
const other = authority.issue('other.ringwire.test', '127.0.0.9');
const strangers = makeAuthority(t);
const stranger = strangers.issue('stranger.ringwire.test');

/** A layer that waits for an answer for the usual 32 s: what it tells earlier, it has noticed. */
async function start(t: Teardown, options: Partial<TransactionLayerOptions> = {}) {
  const listen = (['tcp', 'tls', 'ws'] as const).map((transport) => ({ transport, host: '127.0.0.1', port: 0 }));
  const layer = new TransactionLayer({ listen, tls: { ...own, ca: authority.ca }, ...options });
  await layer.start();
  t.teardown(() => layer.stop());
  return layer;
}

function request(method: string, uri: string): SipMessage {
  return SipMessage.request(method, uri)
    .add('From', '<sip:a@h>;tag=a')
    .add('To', '<sip:b@h>')
    .add('Call-ID', 'c')
    .add('CSeq', `1 ${method}`);
}

/** Listens on a free port of loopback. */
async function listening(t: Teardown, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

/** What becomes of a transaction: the statuses that came, then its end. */
async function outcome(transaction: ClientTransaction): Promise<{ heard: number[]; error: Error | undefined }> {
  const heard: number[] = [];
  let error: Error | undefined;
  transaction.on('response', ({ status }) => heard.push(status));
  transaction.once('transportError', (cause) => (error = cause));
  await once(transaction, 'terminated');
  return { heard, error };
}

/** A response of a peer by hand. */
function answer(bytes: Buffer, status: number): Buffer {
  const parsed = parseMessage(bytes);
  if (!parsed.ok) throw parsed.error;
  return createResponse(parsed.message, status, undefined, 'them').toBuffer();
}

const onTls = (options: TlsOptions): Server =>
  createTlsServer(options, (socket) => socket.on('error', () => socket.destroy()).resume());
const ECDSA_ONLY = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' } as const;
const WANTS_CERTIFICATE = { requestCert: true, rejectUnauthorized: true, ca: strangers.ca };

const PEERS: Array<[what: string, transport: TransportName, peer: () => Server, cause: RegExp, heard?: number[]]> = [
  ['closes right after it has accepted', 'tcp', () => createServer((socket) => socket.destroy()), /./],
  [
    'resets the connection after the request',
    'tcp',
    () => createServer((socket) => socket.once('data', () => socket.resetAndDestroy())),
    /ECONNRESET/,
  ],
  [
    'resets the connection while it rings',
    'tcp',
    () =>
      createServer((socket) =>
        socket.once('data', (data) => {
          socket.write(answer(data, 180));
          setTimeout(() => socket.resetAndDestroy(), 50);
        }),
      ),
    /ECONNRESET/,
    [180],
  ],
  [
    'speaks no TLS',
    'tls',
    () => createServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400\r\n\r\n'))),
    /^TLS: /,
  ],
  ['shares no cipher', 'tls', () => onTls({ ...own, ...ECDSA_ONLY }), /alert handshake failure/],
  ['closes before the TLS handshake', 'tls', () => createServer((socket) => socket.destroy()), /./],
  ['proves another name', 'tls', () => onTls(other), /127\.0\.0\.1/],
  ['vouches for itself', 'tls', () => onTls(authority.selfSigned('sip.ringwire.test')), /self-signed certificate/],
  ['has a certificate of an unknown authority', 'tls', () => onTls(stranger), /certificate/],
  [
    'wants a certificate of its own authority (TLS 1.3)',
    'tls',
    () => onTls({ ...own, ...WANTS_CERTIFICATE }),
    /connection closed/,
  ],
  [
    'wants a certificate of its own authority (TLS 1.2)',
    'tls',
    () => onTls({ ...own, ...WANTS_CERTIFICATE, maxVersion: 'TLSv1.2' }),
    /before secure TLS connection/,
  ],
  [
    'closes its WebSocket after the request',
    'ws',
    () => {
      const server = createHttpServer();
      new WebSocketServer({ server }).on('connection', (socket) => socket.once('message', () => socket.close()));
      return server;
    },
    /WebSocket closed/,
  ],
];

for (const method of ['INVITE', 'OPTIONS']) {
  for (const [what, transport, peer, cause, heard = []] of PEERS) {
    t.test(`lost connection: ${method} to a peer that ${what} fails at once, and says why`, async (t) => {
      const layer = await start(t);
      const port = await listening(t, peer());
      const told: unknown[] = [];
      layer.on('transportFailed', (error, { destination }) => told.push(error.message, destination.port));
      const result = await outcome(
        layer.sendRequest(request(method, `sip:b@127.0.0.1:${port};transport=${transport}`)),
      );
      t.same(result.heard, heard);
      t.match(result.error?.message, cause);
      t.notMatch(result.error?.message, /\p{Cc}/u);
      t.same(told, [result.error?.message, port]);
      t.equal(layer.counters.transportErrors, 1);
      t.equal(layer.counters.timeouts, 0);
      t.equal(layer.gauges.clientTransactions, 0);
    });
  }
}

t.test('lost connection: a TLS handshake that does not come ends when connecting takes too long', async (t) => {
  const layer = await start(t, { tcp: { connectTimeoutMs: 100 } });
  const port = await listening(
    t,
    createServer((socket) => socket.resume()),
  );
  const { error } = await outcome(layer.sendRequest(request('INVITE', `sip:b@127.0.0.1:${port};transport=tls`)));
  t.match(error?.message, /timed out/);
});

t.test('lost connection: all that wait on it are told, those that are answered are not', async (t) => {
  const layer = await start(t);
  const requests: Buffer[] = [];
  const port = await listening(
    t,
    createServer((socket) =>
      socket.on('data', (data) => {
        requests.push(data);
        if (requests.length === 1) socket.write(answer(data, 200));
        else socket.resetAndDestroy();
      }),
    ),
  );
  const uri = `sip:b@127.0.0.1:${port};transport=tcp`;
  const answered = layer.sendRequest(request('INVITE', uri));
  const events: string[] = [];
  answered.on('transportError', () => events.push('answered'));
  await once(answered, 'response');
  const waiting = [1, 2, 3].map(() => outcome(layer.sendRequest(request('MESSAGE', uri))));
  for (const { error } of await Promise.all(waiting)) t.match(error?.message, /ECONNRESET/);
  t.same(events, []);
  t.equal(answered.state, 'accepted');
  t.equal(layer.counters.transportErrors, 3);
});

for (const afterwards of ['after the request', 'while it rings']) {
  t.test(
    `lost connection: a peer that ends it in an orderly way ${afterwards} may answer over one of its own (RFC 3261 §18.2.2)`,
    async (t) => {
      const layer = await start(t);
      const { port: ours } = layer.addressFor('tcp');
      const peer = createServer((socket) =>
        socket.once('data', (data) => {
          if (afterwards === 'while it rings') socket.write(answer(data, 180));
          socket.end();
          socket.once('close', () => {
            const back = connect(ours, '127.0.0.1');
            t.teardown(() => back.destroy());
            back.write(answer(data, 486));
          });
        }),
      );
      const port = await listening(t, peer);
      const transaction = layer.sendRequest(request('INVITE', `sip:b@127.0.0.1:${port};transport=tcp`));
      const heard: number[] = [];
      transaction.on('response', ({ status }) => heard.push(status));
      transaction.on('transportError', () => heard.push(0));
      while (!heard.includes(486)) await once(transaction, 'response');
      t.same(heard, afterwards === 'while it rings' ? [180, 486] : [486]);
      t.equal(layer.counters.transportErrors, 0);
    },
  );
}

t.test('lost connection: a peer that leaves our ping without answer has lost what was asked', async (t) => {
  const layer = await start(t, { tcp: { keepAliveMs: 30, pongMs: 30 } });
  let pings = 0;
  const port = await listening(
    t,
    createServer((socket) =>
      socket.on('data', (data) => {
        if (data.toString() === '\r\n\r\n' && ++pings === 1) socket.write('\r\n');
      }),
    ),
  );
  const { error } = await outcome(layer.sendRequest(request('INVITE', `sip:b@127.0.0.1:${port};transport=tcp`)));
  t.match(error?.message, /no-pong/);
});

t.test(
  'failover: a connection that is lost, or a certificate that is no good, is followed by the next address (RFC 3263 §4.3)',
  async (t) => {
    const answering = createTlsServer(own, (socket) =>
      socket.on('data', (data) => {
        const parsed = parseMessage(data);
        if (parsed.ok && parsed.message.method !== 'ACK') socket.write(answer(data, 486));
      }),
    );
    const ports = await Promise.all(
      [createServer((socket) => socket.destroy()), onTls(other), onTls(stranger), answering].map((peer) =>
        listening(t, peer),
      ),
    );
    const { server } = await startDns(t, {
      SRV: {
        '_sips._tcp.sip.ringwire.test': ports.map((port, priority) => ({
          priority,
          port,
          weight: 0,
          target: 'lo.test',
        })),
      },
      A: { 'lo.test': ['127.0.0.1'] },
    });
    const layer = await start(t, { dns: { servers: [server] } });
    const { heard, error } = await outcome(layer.sendRequest(request('INVITE', 'sips:b@sip.ringwire.test')));
    t.same(heard, [486]);
    t.equal(error, undefined);
    t.equal(layer.counters.failovers, 3);
    t.equal(layer.counters.transportErrors, 3);
  },
);
