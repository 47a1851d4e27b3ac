import { once } from 'node:events';
import { get } from 'node:http';
import { connect } from 'node:net';
import t from 'tap';
import { WebSocket } from 'ws';
import { DEFAULT_LIMITS, parseMessage } from './parse-message.js';
import type { TransportSink } from './transport.js';
import { createUserAgent, type UserAgent } from './user-agent.js';
import { DEFAULT_WEBSOCKET_LIMITS, WebSocketTransport } from './websocket-transport.js';

type Teardown = { teardown(fn: () => unknown): void };

async function agent(t: Teardown): Promise<UserAgent> {
  const listen = [
    { transport: 'ws', host: '127.0.0.1', port: 0 } as const,
    { transport: 'udp', host: '127.0.0.1', port: 0 } as const,
  ];
  const made = await createUserAgent({ listen, timers: { T1: 500 } });
  t.teardown(() => made.stop());
  return made;
}

/** A browser as RFC 7118 describes one: a made-up host in Via and Contact. */
async function browser(t: Teardown, server: UserAgent, host = 'df7jal23ls0d.invalid') {
  const { port } = server.layer.addressFor('ws');
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, 'sip');
  t.teardown(() => socket.terminate());
  await once(socket, 'open');
  const next = async () => {
    const [data, isBinary] = await once(socket, 'message');
    const parsed = parseMessage(data);
    if (!parsed.ok) throw parsed.error;
    return { message: parsed.message, isBinary };
  };
  const send = (method: string, branch: string, transport = 'WS'): void =>
    socket.send(
      [
        `${method} sip:x@127.0.0.1 SIP/2.0`,
        `Via: SIP/2.0/${transport} ${host};branch=${branch}`,
        'From: <sip:a@h>;tag=a',
        'To: <sip:b@h>',
        `Call-ID: ${branch}`,
        `CSeq: 1 ${method}`,
        `Contact: <sip:a@${host};transport=ws;ob>`,
        'Max-Forwards: 69',
        '',
        '',
      ].join('\r\n'),
    );
  return { socket, next, send, host };
}

t.test('ws: a request is answered on its connection in a text frame, with received in Via', async (t) => {
  const server = await agent(t);
  const { send, next, socket } = await browser(t, server);
  t.equal(socket.protocol, 'sip');
  send('OPTIONS', 'z9hG4bK1');
  const { message, isBinary } = await next();
  t.equal(message.status, 200);
  t.equal(message.get('Via'), 'SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK1;received=127.0.0.1');
  t.notOk(isBinary);
});

t.test('ws: a request that says that it came over something else gets 400', async (t) => {
  const server = await agent(t);
  const { send, next } = await browser(t, server);
  send('OPTIONS', 'z9hG4bK1', 'TCP');
  t.equal((await next()).message.status, 400);
  send('OPTIONS', 'z9hG4bK2', 'wss');
  t.equal((await next()).message.status, 200);
});

t.test('ws: a request to the made-up name of a browser goes over its connection with a WS Via', async (t) => {
  const server = await agent(t);
  const { send, next, host } = await browser(t, server);
  send('OPTIONS', 'z9hG4bK1');
  await next();
  void server.request({ method: 'MESSAGE', uri: `sip:a@${host};transport=ws` });
  const { message } = await next();
  t.equal(message.method, 'MESSAGE');
  t.match(message.get('Via'), /^SIP\/2\.0\/WS 127\.0\.0\.1:\d+;branch=z9hG4bK/);
});

t.test('ws: a name belongs to the connection that said it first; a name nobody said is not looked up', async (t) => {
  const server = await agent(t);
  const first = await browser(t, server);
  first.send('OPTIONS', 'z9hG4bK1');
  await first.next();
  const second = await browser(t, server);
  second.send('OPTIONS', 'z9hG4bK2');
  await second.next();
  const asked = first.next();
  void server.request({ method: 'MESSAGE', uri: `sip:a@${first.host};transport=ws` });
  t.equal((await asked).message.method, 'MESSAGE');
  const failures = server.counters.transportErrors;
  t.equal(await server.request({ method: 'MESSAGE', uri: 'sip:a@other.invalid;transport=ws' }), undefined);
  t.equal(server.counters.transportErrors, failures + 1);
});

t.test('ws: a name is at the newest connection whose REGISTER was answered with success', async (t) => {
  const server = await agent(t);
  server.onRequest((transaction) => transaction.reply(transaction.request.get('Call-ID') === 'refused' ? 403 : 200));
  const [first, second, third] = [await browser(t, server), await browser(t, server), await browser(t, server)];
  for (const [one, callId] of [
    [first, 'z9hG4bK1'],
    [second, 'z9hG4bK2'],
    [third, 'refused'],
  ] as const) {
    one.send('REGISTER', callId);
    await one.next();
  }
  const asked = second.next();
  void server.request({ method: 'MESSAGE', uri: `sip:a@${first.host};transport=ws` });
  t.equal((await asked).message.method, 'MESSAGE');
});

t.test('ws: a double CRLF is answered with one', async (t) => {
  const server = await agent(t);
  const { socket } = await browser(t, server);
  socket.send('\r\n\r\n');
  const [data] = await once(socket, 'message');
  t.equal(String(data), '\r\n');
  t.equal(server.counters.keepAlives, 1);
});

t.test('ws: two user agents call each other', async (t) => {
  const [caller, callee] = [await agent(t), await agent(t)];
  callee.onInvite((call) => void call.accept('v=0 answer'));
  const dialog = await caller.invite({ uri: callee.contactUri('ws'), sdp: 'v=0 offer' }).answered;
  t.equal(dialog.remoteSdp, 'v=0 answer');
  t.equal((await dialog.info({ body: 'x', contentType: 'text/plain' }))?.status, 200);
  t.equal((await dialog.bye())?.status, 200);
  t.equal(caller.counters.retransmissionsSent + callee.counters.retransmissionsSent, 0);
});

t.test('ws: who does not offer the subprotocol, or speaks HTTP only, is refused', async (t) => {
  const server = await agent(t);
  const { port } = server.layer.addressFor('ws');
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, 'chat');
  const [error] = await once(socket, 'error');
  t.match(error.message, /400/);
  const [response] = await once(get(`http://127.0.0.1:${port}/`), 'response');
  response.resume();
  t.equal(response.statusCode, 426);
});

t.test('ws: a message over the limits, or bytes that are no WebSocket, end the connection', async (t) => {
  const server = await agent(t);
  const { socket } = await browser(t, server);
  socket.on('error', () => {});
  socket.send(Buffer.alloc(4_000_000));
  const [code] = await once(socket, 'close');
  t.ok([1006, 1009].includes(code), `code ${code}`);
  const raw = connect(server.layer.addressFor('ws').port, '127.0.0.1');
  raw.on('error', () => raw.destroy());
  raw.write('OPTIONS sip:x SIP/2.0\r\n\r\n');
  raw.resume();
  await once(raw, 'close');
  const after = await browser(t, server);
  after.send('OPTIONS', 'z9hG4bK3');
  t.equal((await after.next()).message.status, 200);
});

t.test('ws: a peer that leaves a ping without answer is cut off, one that answers stays', async (t) => {
  const sink: TransportSink = {
    message: () => {},
    unframeable: () => {},
    keepAlive: () => {},
    refused: () => {},
    nextConnectionId: () => 1,
  };
  const limits = { ...DEFAULT_WEBSOCKET_LIMITS, pingMs: 20 };
  const server = await WebSocketTransport.open({
    host: '127.0.0.1',
    port: 0,
    sink,
    parseLimits: DEFAULT_LIMITS,
    limits,
  });
  t.teardown(() => server.close());
  const url = `ws://127.0.0.1:${server.local.port}/`;
  const dead = new WebSocket(url, 'sip', { autoPong: false });
  await once(dead, 'close');
  const alive = new WebSocket(url, 'sip');
  t.teardown(() => alive.terminate());
  for (let pings = 0; pings < 3; pings++) await once(alive, 'ping');
  t.equal(alive.readyState, WebSocket.OPEN);
});
