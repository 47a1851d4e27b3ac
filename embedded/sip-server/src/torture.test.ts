import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { parseMessage, type SipMessage } from '@ringwire/sip';
import t from 'tap';
import { connectApp, notDrachtio, startServer, type Teardown, until } from './test-rig.js';

const corpus = new URL('../../sip/testdata/rfc4475/invalid/', import.meta.url);
const ipv6 = new URL('../../sip/testdata/rfc5118/', import.meta.url);
/** Answered by the application with 200, silently dropped, or refused with a status. */
type Outcome = number | 'accepted' | 'dropped';

/** RFC 4475: the answer that the RFC names for each message, and why; over UDP. */
const CASES: Array<[file: string, outcome: Outcome, why: string]> = [
  ['badinv01.dat', 400, '§3.1.2.1: nothing between separators in Via'],
  ['clerr.dat', 400, '§3.1.2.2: Content-Length beyond the datagram'],
  ['ncl.dat', 400, '§3.1.2.3: negative Content-Length'],
  ['scalar02.dat', 400, '§3.1.2.4: numbers out of range in a request'],
  ['scalarlg.dat', 'dropped', '§3.1.2.5: numbers out of range in a response'],
  ['quotbal.dat', 400, '§3.1.2.6: a display name whose quote never ends'],
  ['ltgtruri.dat', 400, '§3.1.2.7: Request-URI in angle brackets'],
  ['lwsruri.dat', 400, '§3.1.2.8: white space in the Request-URI'],
  ['lwsstart.dat', 400, '§3.1.2.9: two spaces in the request line'],
  ['trws.dat', 'accepted', '§3.1.2.10: spaces after the request line, which may be ignored'],
  ['escruri.dat', 400, '§3.1.2.11: headers in the Request-URI'],
  ['baddate.dat', 'accepted', '§3.1.2.12: a Date in a wrong zone, which we do not use'],
  ['regbadct.dat', 400, '§3.1.2.13: a Contact with headers and no angle brackets'],
  ['badaspec.dat', 400, '§3.1.2.14: spaces around the address in brackets'],
  ['baddn.dat', 400, '§3.1.2.15: a display name that needs quotes'],
  ['badvers.dat', 505, '§3.1.2.16: another protocol version'],
  ['mismatch01.dat', 400, '§3.1.2.17: CSeq names another method'],
  ['mismatch02.dat', 501, '§3.1.2.18: CSeq names another method, and the method is unknown'],
  ['bigcode.dat', 'dropped', '§3.1.2.19: a status code out of range'],
  ['badbranch.dat', 400, '§3.2.1: a branch without identifier'],
  ['insuf.dat', 400, '§3.3.1: Call-ID, From and To are missing'],
  ['unkscm.dat', 416, '§3.3.2: a Request-URI scheme that does not exist'],
  ['novelsc.dat', 416, '§3.3.3: a Request-URI scheme that exists elsewhere'],
  ['unksm2.dat', 400, '§3.3.4: a registration of what is no SIP address'],
  ['bext01.dat', 420, '§3.3.5: extensions that nobody supports'],
  ['invut.dat', 415, '§3.3.6: a body of unknown type'],
  ['regaut01.dat', 'accepted', '§3.3.7: an unknown authorization scheme, which is for the registrar to judge'],
  ['multi01.dat', 400, '§3.3.8: headers twice that may come once'],
  ['mcl01.dat', 400, '§3.3.9: two Content-Lengths'],
  ['bcast.dat', 'dropped', '§3.3.10: a response that would go on to a broadcast address'],
  ['zeromf.dat', 'accepted', '§3.3.11: Max-Forwards 0 stops a proxy only'],
  ['cparam01.dat', 'accepted', '§3.3.12: an unknown Contact parameter'],
  ['cparam02.dat', 'accepted', '§3.3.13: an unknown Contact URI parameter'],
  ['regescrt.dat', 'accepted', '§3.3.14: an escaped header in a Contact URI'],
  ['sdp01.dat', 406, '§3.3.15: an INVITE that accepts no SDP'],
  ['inv2543.dat', 'accepted', '§3.4.1: an INVITE of RFC 2543'],
];

/** The application hears of these and answers in vain. */
const REFUSED_AS_USER_AGENT = new Set(['bext01.dat', 'invut.dat', 'sdp01.dat', 'unksm2.dat']);

/** The corpus is byte-exact; so that the answer comes back to a free port, rport is added to the top Via. */
function withRport(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  return Buffer.from(text.replace(/^(via\s*:[^;,\r]*)/im, '$1;rport'), 'latin1');
}

async function peer(t: Teardown, port: number) {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const received: SipMessage[] = [];
  socket.on('message', (bytes) => {
    const parsed = parseMessage(bytes);
    if (parsed.ok && parsed.message.status >= 200) received.push(parsed.message);
  });
  return { received, send: (bytes: Buffer): void => socket.send(bytes, port, '127.0.0.1') };
}

/**
 * A server whose application takes everything and answers 200, or 180 and 486 to INVITE so that no dialog is left. What no
 * user agent can accept is refused when it answers so: a proxy would have to pass it on.
 */
async function serverWithApp(t: Teardown) {
  const server = await startServer(t);
  const seen: string[] = [];
  await connectApp(t, server, (srf) => {
    for (const method of ['options', 'register'] as const) {
      srf[method]((req, res) => {
        seen.push(req.get('Call-ID') ?? '');
        res.send(200);
      });
    }
    srf.invite((req, res) => {
      seen.push(req.get('Call-ID') ?? '');
      res.send(180);
      res.send(486);
    });
  });
  return { server, seen };
}

t.test('RFC 4475: every message of the corpus has its case', async (t) => {
  t.same(readdirSync(corpus).sort(), CASES.map(([file]) => file).sort());
});

for (const [file, outcome, why] of CASES) {
  t.test(`RFC 4475 ${why}: ${outcome} (${file}) (not drachtio)`, notDrachtio, async (t) => {
    const { server, seen } = await serverWithApp(t);
    const { port } = server.layer.addressFor('udp');
    const { received, send } = await peer(t, port);
    const bytes = withRport(readFileSync(new URL(file, corpus)));
    send(bytes);
    const { counters } = server.layer;
    if (outcome === 'dropped') {
      await until(() => counters.parseErrorTotal + counters.strayResponses === 1);
      t.equal(counters.responsesSent + counters.requestsSent, 0);
      return;
    }
    await until(() => received.length > 0);
    const [response] = received;
    const accepted = /^INVITE/.test(bytes.toString('latin1')) ? 486 : 200;
    t.equal(response?.status, outcome === 'accepted' ? accepted : outcome);
    t.equal(seen.length, outcome === 'accepted' || REFUSED_AS_USER_AGENT.has(file) ? 1 : 0);
    t.equal(counters.listenerErrors, 0);
    if (file === 'bext01.dat') t.equal(response?.get('Unsupported'), 'nothingSupportsThis, nothingSupportsThisEither');
    if (outcome === 415) t.match(response?.get('Accept'), /application\/sdp/);
  });
}

t.test(
  'RFC 4475 §3.1.2.15: the display name itself is what is refused, also in a whole message (not drachtio)',
  notDrachtio,
  async (t) => {
    const { server } = await serverWithApp(t);
    const { received, send } = await peer(t, server.layer.addressFor('udp').port);
    send(Buffer.concat([withRport(readFileSync(new URL('baddn.dat', corpus))), Buffer.from('\r\n')]));
    await until(() => received.length > 0);
    t.equal(received[0]?.status, 400);
    t.same(server.layer.counters.parseErrors, { 'bad-from': 1 });
  },
);

t.test('RFC 5118 §4.2: an IPv6 address without brackets is answered 400 (not drachtio)', notDrachtio, async (t) => {
  const { server } = await serverWithApp(t);
  const { received, send } = await peer(t, server.layer.addressFor('udp').port);
  send(withRport(readFileSync(new URL('ipv6-bad.dat', ipv6))));
  await until(() => received.length > 0);
  t.equal(received[0]?.status, 400);
});

for (const [file, why] of [
  ['ncl.dat', '§3.1.2.3'],
  ['mcl01.dat', '§3.3.9'],
] as const) {
  t.test(
    `RFC 4475 ${why}: over a stream ${file} is answered 400 and the connection closed, since nobody knows where it ends (not drachtio)`,
    notDrachtio,
    async (t) => {
      const { server } = await serverWithApp(t);
      const socket = connect(server.layer.addressFor('tcp').port, '127.0.0.1');
      t.teardown(() => socket.destroy());
      socket.write(readFileSync(new URL(file, corpus)));
      let answer = '';
      socket.on('data', (chunk) => {
        answer += chunk;
      });
      await once(socket, 'close');
      t.match(answer, /^SIP\/2\.0 400 .*\r\n\r\n$/s);
      t.same(server.layer.counters.parseErrors, { 'bad-content-length': 1 });
      t.same(server.layer.counters.connectionsClosed, { unframeable: 1 });
    },
  );
}

for (const transport of ['udp', 'tcp'] as const) {
  t.test(
    `RFC 3261 §21.5.7: a message over the limits gets 513 over ${transport} (not drachtio)`,
    notDrachtio,
    async (t) => {
      const { server } = await serverWithApp(t);
      const port = server.layer.addressFor(transport).port;
      const lines = [
        'MESSAGE sip:x@127.0.0.1 SIP/2.0',
        `Via: SIP/2.0/${transport.toUpperCase()} 127.0.0.1:9;branch=z9hG4bKlarge;rport`,
        'From: <sip:a@h>;tag=a',
        'To: <sip:b@h>',
        'Call-ID: large',
        'CSeq: 1 MESSAGE',
      ];
      if (transport === 'tcp') {
        const socket = connect(port, '127.0.0.1');
        t.teardown(() => socket.destroy());
        socket.write([...lines, 'Content-Length: 99000000', '', 'x'.repeat(1000)].join('\r\n'));
        const [answer] = (await once(socket, 'data')) as [Buffer];
        t.match(answer.toString(), /^SIP\/2\.0 513 /);
        await once(socket, 'close');
      } else {
        const { received, send } = await peer(t, port);
        for (let n = 0; n < 600; n++) lines.push(`X-${n}: ${'y'.repeat(80)}`);
        send(Buffer.from([...lines, 'Content-Length: 0', '\r\n'].join('\r\n')));
        await until(() => received.length > 0);
        t.equal(received[0]?.status, 513);
      }
    },
  );
}

const exact = process.env.RINGWIRE_RFC4475;
t.test(
  'RFC 4475: our copy of the corpus is the one that RINGWIRE_RFC4475 names, byte for byte',
  { skip: exact === undefined || !existsSync(exact) ? 'RINGWIRE_RFC4475 is not set' : false },
  async (t) => {
    for (const [file] of CASES) {
      t.same(readFileSync(new URL(file, corpus)), readFileSync(`${exact}/invalid/${file}`), file);
    }
  },
);
