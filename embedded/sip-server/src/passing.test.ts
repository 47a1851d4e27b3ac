import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { bracketed, createUserAgent, parseMessage, type SipMessage, type TransportName } from '@ringwire/sip';
import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { connectApp, notDrachtio, startServer, until } from './test-rig.js';

const authority = makeAuthority(t);
const own = authority.issue('sip.ringwire.test');
const FILES = ['--cert-file', own.certFile, '--key-file', own.keyFile, '--tls-no-verify'];

/** Headers as they are on the wire, and how they are to arrive: folding resolved, all else untouched and in order. */
const HEADERS: Array<[name: string, wire: string, arrives: string]> = [
  ['X-Unknown', 'anything;at=all, "quoted, \\" text" <x>', 'anything;at=all, "quoted, \\" text" <x>'],
  ['x-lower-CASE', 'kept as it is spelt', 'kept as it is spelt'],
  ['Subject', 'Grüße, 大停電 \u{1f600}', 'Grüße, 大停電 \u{1f600}'],
  ['X-Folded', 'one\r\n two\r\n\tthree', 'one two three'],
  ['k', 'x-compact, y-compact', 'x-compact, y-compact'],
  ['X-Unknown', 'the second of its name', 'the second of its name'],
  ['X-Empty', '', ''],
  ['X-Spaces', 'inner   spaces\tand tabs', 'inner   spaces\tand tabs'],
];

const BOUNDARY = 'b0undary';
const MULTIPART = [
  `--${BOUNDARY}`,
  'Content-Type: application/sdp',
  '',
  'v=0',
  `--${BOUNDARY}`,
  'Content-Type: text/plain; charset=utf-8',
  '',
  'größer: 大停電, with a bare\nline end',
  `--${BOUNDARY}--`,
  '',
].join('\r\n');

/** Over UDP what fits into a datagram, over streams as much as the limit lets through. */
function bodies(transport: TransportName): Array<[type: string, body: string]> {
  const large = 'ä'.repeat(transport === 'udp' ? 10_000 : 32_768);
  return [
    [`multipart/mixed;boundary=${BOUNDARY}`, MULTIPART],
    ['text/plain;charset=utf-8', large],
  ];
}

/** One connection by hand; `next` is the message that comes next, as bytes. */
async function peer(t: Test, transport: TransportName, host: string, port: number) {
  const inbox: Buffer[] = [];
  let stream = Buffer.alloc(0) as Buffer;
  const collect = (chunk: Buffer): void => {
    stream = Buffer.concat([stream, chunk]);
    for (;;) {
      const head = stream.indexOf('\r\n\r\n');
      const length = Number(/content-length: *(\d+)/i.exec(stream.toString('latin1', 0, head))?.[1] ?? 0);
      if (head < 0 || stream.length < head + 4 + length) return;
      inbox.push(stream.subarray(0, head + 4 + length));
      stream = stream.subarray(head + 4 + length);
    }
  };
  const next = async (): Promise<SipMessage> => {
    await until(() => inbox.length > 0);
    const parsed = parseMessage(inbox.shift()!);
    if (!parsed.ok) throw parsed.error;
    return parsed.message;
  };
  if (transport === 'udp') {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    t.teardown(() => socket.close());
    socket.on('message', (bytes) => inbox.push(bytes));
    return { next, send: (bytes: Buffer): void => socket.send(bytes, port, host) };
  }
  if (transport === 'ws' || transport === 'wss') {
    const url = `${transport}://${bracketed(host)}:${port}/`;
    const socket = new WebSocket(url, 'sip', { rejectUnauthorized: false });
    t.teardown(() => socket.terminate());
    socket.on('message', (data: Buffer) => inbox.push(data));
    await once(socket, 'open');
    return { next, send: (bytes: Buffer): void => socket.send(bytes) };
  }
  const socket: Socket =
    transport === 'tls' ? connectTls({ host, port, rejectUnauthorized: false }) : connect({ host, port });
  t.teardown(() => socket.destroy());
  socket.on('data', collect);
  await once(socket, transport === 'tls' ? 'secureConnect' : 'connect');
  return { next, send: (bytes: Buffer): void => void socket.write(bytes) };
}

/** The headers of ours among those of a message, as they stand in its text. */
function ours(text: string): Array<[string, string]> {
  const names = new Set(HEADERS.map(([name]) => name));
  return text
    .slice(0, text.indexOf('\r\n\r\n'))
    .split('\r\n')
    .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trimStart()])
    .filter(([name]) => names.has(name));
}

for (const host of ['127.0.0.1', '::1']) {
  for (const transport of ['udp', 'tcp', 'tls', 'ws', 'wss'] as const) {
    t.test(
      `passing: any header in order, UTF-8 and bodies go unharmed to the application and out again, ${transport} on ${host} (not drachtio)`,
      notDrachtio,
      async (t) => {
        const flags = transport === 'tls' || transport === 'wss' ? FILES : [];
        const contact = `sip:${bracketed(host)}:0;transport=${transport}`;
        const server = await startServer(t, ['--contact', contact, ...flags]);
        const { port } = server.layer.addressFor(transport);
        const callee = await createUserAgent({
          listen: [{ transport, host, port: 0 }],
          tls: { ...own, ca: authority.ca },
        });
        t.teardown(() => callee.stop());
        const heard: SipMessage[] = [];
        callee.onRequest((transaction) => {
          heard.push(transaction.request);
          transaction.reply(200);
        });
        const seen: Array<{ raw: string; body: string }> = [];
        const out = callee.contactUri(transport);
        const app = await connectApp(t, server, (srf) => {
          srf.message((req, res) => {
            seen.push(req as unknown as { raw: string; body: string });
            res.send(200);
          });
        });
        const by = await peer(t, transport, host, port);
        for (const [n, [type, body]] of bodies(transport).entries()) {
          const head = [
            `MESSAGE sip:100@${bracketed(host)} SIP/2.0`,
            `v: SIP/2.0/${transport.toUpperCase()} ${bracketed(host)}:9;branch=z9hG4bK${n};rport`,
            'Max-Forwards: 70',
            'f: "Ä, B" <sip:a@h>;tag=a',
            't: <sip:100@h>',
            `i: passing-${n}`,
            'CSeq: 1 MESSAGE',
            ...HEADERS.map(([name, wire]) => `${name}: ${wire}`),
            `c: ${type}`,
            `l: ${Buffer.byteLength(body)}`,
          ];
          by.send(Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`));
          t.equal((await by.next()).status, 200);
          const { raw, body: arrived } = seen[n]!;
          t.same(
            ours(raw),
            HEADERS.map(([name, , arrives]) => [name, arrives]),
            `${type}: headers to the application`,
          );
          t.equal(arrived, body, `${type}: ${Buffer.byteLength(body)} bytes to the application`);
          // drachtio-srf leaves empty headers out, and has one value for each name.
          const sent = HEADERS.filter(([, , arrives]) => arrives !== '');
          const headers = Object.fromEntries(sent.map(([name, , arrives]) => [name, arrives]));
          await new Promise<void>((resolve, reject) => {
            app.request(out, { method: 'MESSAGE', headers: { ...headers, 'Content-Type': type }, body }, (err, req) => {
              if (err || !req) reject(err instanceof Error ? err : new Error(String(err)));
              else req.on('response', () => resolve());
            });
          });
          t.equal(heard[n]?.bodyText, body, `${type}: out of the application`);
          for (const [name, value] of Object.entries(headers)) t.equal(heard[n]?.get(name), value, `${name} out`);
        }
      },
    );
  }
}
