import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import type { SubmitResult } from '@ringwire/common';
import { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { findFreePort } from '@ringwire/common/testing/services.js';
import { makeStirAuthority } from '@ringwire/common/testing/stir-authority.js';
import { test } from 'tap';
import { submitOverHttp } from './http-submit.js';

const guard = new AddressGuard({ allowPrivate: true });
const request = (url: string) => ({ url, headers: { 'content-type': 'text/plain' }, body: 'hello' });
const read = (status: number, body: string): SubmitResult => ({ kind: 'refused', detail: `${status} ${body.length}` });

interface Teardown {
  teardown(fn: () => unknown): void;
}

async function serve(t: Teardown, answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((_, response) => answer(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test('http: an answer is read, up to a bound', async (t) => {
  const small = await serve(t, (response) => response.writeHead(400).end('no'));
  t.same(await submitOverHttp(request(small), read, { guard }), { kind: 'refused', detail: '400 2' });
  const endless = await serve(t, (response) => {
    response.writeHead(200);
    const more = (): void => {
      if (!response.destroyed) response.write(Buffer.alloc(16_384, 'x'), more);
    };
    more();
  });
  t.same(await submitOverHttp(request(endless), read, { guard }), { kind: 'refused', detail: '200 65536' });
});

test('http: without a connection nothing was sent, and it may be tried again', async (t) => {
  const port = await findFreePort();
  t.match(await submitOverHttp(request(`http://127.0.0.1:${port}/`), read, { guard }), {
    kind: 'busy',
    detail: /REFUSED/,
  });
  t.match(await submitOverHttp(request('http://nowhere.invalid/'), read, { guard }), { kind: 'busy' });
});

test('http: what fails after the request was sent may have been accepted', async (t) => {
  const silent = await serve(t, () => {});
  const late = await submitOverHttp(request(silent), read, { guard, timeoutMs: 300 });
  t.same(late, { kind: 'unknown', detail: 'no answer within 300 ms' });
  const reset = await serve(t, (response) => response.socket?.resetAndDestroy());
  t.match(await submitOverHttp(request(reset), read, { guard }), { kind: 'unknown' });
  const garbage = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('SSH-2.0-nothing of the kind\r\n'));
  });
  garbage.listen(0, '127.0.0.1');
  await once(garbage, 'listening');
  t.teardown(() => garbage.close());
  const url = `http://127.0.0.1:${(garbage.address() as AddressInfo).port}/`;
  t.match(await submitOverHttp(request(url), read, { guard }), { kind: 'unknown' });
});

test('http: private addresses are not asked unless the operator says so', async (t) => {
  let asked = 0;
  const url = await serve(t, (response) => {
    asked += 1;
    response.end();
  });
  const strict = new AddressGuard({ allowPrivate: false });
  t.match(await submitOverHttp(request(url), read, { guard: strict }), { kind: 'refused', isConfiguration: true });
  t.match(await submitOverHttp(request(url.replace('127.0.0.1', 'localhost')), read, { guard: strict }), {
    kind: 'refused',
  });
  t.equal(asked, 0);
});

test('https: a server that cannot prove who it is gets no message', async (t) => {
  const authority = makeStirAuthority(t);
  const server = createTlsServer(authority.webServer(), (_, response) => response.end('ok'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  t.match(await submitOverHttp(request(url), read, { guard }), { kind: 'busy', detail: /certificate/ });
  t.same(await submitOverHttp(request(url), read, { guard, ca: [authority.rootPem] }), {
    kind: 'refused',
    detail: '200 2',
  });
});
