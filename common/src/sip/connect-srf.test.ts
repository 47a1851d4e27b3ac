import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import t from 'tap';
import { silentLogger } from '../testing/logger.js';
import { findFreePort } from '../testing/services.js';
import { connectSrf, SipServerAuthError } from './connect-srf.js';
import { headerOf, parseHostPort } from './headers.js';

const logger = silentLogger();

/** As much of a SIP server's control port as it takes to be connected to. */
class ControlPort {
  readonly commands: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(secret: string) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', (data) => {
        for (const [, frame = ''] of data.toString().matchAll(/\d+#([^#]+?)(?=\d+#|$)/g)) {
          const [id, command, given, tags] = frame.split('|');
          this.commands.push([command, given, tags].filter((part) => part !== undefined).join('|'));
          if (command !== 'authenticate') continue;
          const answer =
            given === secret
              ? `u|response|${id}|OK|tcp/127.0.0.1:5070,udp/127.0.0.1:5071,udp/127.0.0.1:5070|v0.9.10|127.0.0.1:1`
              : `u|response|${id}|NO|incorrect secret`;
          socket.write(`${answer.length}#${answer}`);
          if (given !== secret) socket.end();
        }
      });
    });
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}

t.test('it waits for a SIP server that is not there yet, and knows its addresses, UDP first', async (t) => {
  const port = await findFreePort();
  const connecting = connectSrf({ host: '127.0.0.1', port, secret: 'cymru', tags: ['inbound'], logger });
  const control = new ControlPort('cymru');
  await control.listen(port);
  const srf = await connecting;
  t.ok(srf.link.isConnected);
  t.strictSame(srf.link.sipAddresses, ['127.0.0.1:5071', '127.0.0.1:5070']);
  t.match(control.commands, ['authenticate|cymru|inbound']);
  srf.link.close();
  t.notOk(srf.link.isConnected);
  await control.close();
});

t.test('a lost connection is told, renewed and told again, and its handlers are registered anew', async (t) => {
  const port = await findFreePort();
  const first = new ControlPort('cymru');
  await first.listen(port);
  const srf = await connectSrf({ host: '127.0.0.1', port, secret: 'cymru', logger });
  srf.invite(() => {});
  const lost = new Promise<void>((resolve) => srf.on('lost', resolve));
  await first.close();
  await lost;
  t.notOk(srf.link.isConnected);
  const restored = new Promise<void>((resolve) => srf.on('restored', resolve));
  const second = new ControlPort('cymru');
  await second.listen(port);
  await restored;
  t.ok(srf.link.isConnected);
  t.ok(second.commands.includes('route|INVITE') || second.commands.includes('route|invite'), second.commands.join());
  srf.link.close();
  await second.close();
});

t.test('a wrong secret is an error at once and is not tried again', async (t) => {
  const port = await findFreePort();
  const control = new ControlPort('cymru');
  await control.listen(port);
  await t.rejects(connectSrf({ host: '127.0.0.1', port, secret: 'wrong', logger }), SipServerAuthError);
  await control.close();
  t.equal(control.commands.length, 1);
});

t.test('waiting for a SIP server can be given up', async (t) => {
  const abort = new AbortController();
  const port = await findFreePort();
  const connecting = connectSrf({ host: '127.0.0.1', port, secret: 'x', logger, signal: abort.signal });
  abort.abort(new Error('enough'));
  await t.rejects(connecting, /enough/);
});

t.test('host and port are split, and headers are read without their space', async (t) => {
  t.strictSame(parseHostPort('127.0.0.1:5060'), { host: '127.0.0.1', port: 5060 });
  t.strictSame(parseHostPort('[::1]:5060'), { host: '::1', port: 5060 });
  for (const garbage of ['', 'host', ':5060', 'a:0', 'a:70000', 'a:b', '::1:5060', 'a b:5060'])
    t.equal(parseHostPort(garbage), undefined, garbage);
  const headers = new Map([
    ['X-A', ' a '],
    ['X-B', '  '],
  ]);
  const message = { has: (name: string) => headers.has(name), get: (name: string) => headers.get(name) ?? '' };
  t.equal(headerOf(message, 'X-A'), 'a');
  t.equal(headerOf(message, 'X-B'), undefined);
  t.equal(headerOf(message, 'X-C'), undefined);
});
