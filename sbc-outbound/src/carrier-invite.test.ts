import { until } from '@ringwire/common/testing/until.js';
import { answerAudio, createSrtpKey, parseSdp, RtpSocket, SRTP_SUITES } from '@ringwire/rtp';
import {
  openSbc,
  type ServerProcess,
  startServerProcess,
  withoutDrachtio,
} from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { startAudio, type TestAudio } from '@ringwire/sbc-inbound/testing/media.js';
import { type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import { createUserAgent, type Dialog, type IncomingCall, type SipMessage } from '@ringwire/sip';
import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t from 'tap';
import { openSbcOutbound, type SbcOutbound } from './sbc-outbound.js';
import {
  type CarrierRows,
  dial,
  md5,
  type PlacedCall,
  Provisioner,
  proves,
  sha256,
  startGateway,
  type TestGateway,
} from './testing/carriers.js';

t.setTimeout(200_000);

let stores: Stores;
let server: ServerProcess;
let sbc: SbcOutbound;
let fs: TestFeatureServer;
let rows: Provisioner;
let audio: TestAudio;
const authority = makeAuthority(t);
const own = authority.issue('edge.test');

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t, () => [
    ...['--contact', 'sip:[::1]:0;transport=udp,tcp', '--contact', 'sips:127.0.0.1:0;transport=tls'],
    ...['--cert-file', own.certFile, '--key-file', own.keyFile, '--tls-ca-file', authority.caFile],
  ]);
  fs = await startFeatureServer(t, stores, 'fs-one');
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort });
  await sbc.edge.featureServers.refresh();
  rows = new Provisioner(t, stores, () => sbc);
  audio = await startAudio(t);
});

/** A gateway that answers, and its carrier. */
async function answering(
  t: Parameters<typeof startGateway>[0],
  carrier: CarrierRows['carrier'] = {},
  columns: Record<string, string | number> = {},
): Promise<{ gateway: TestGateway; carrierSid: string; dialogs: Dialog[] }> {
  const dialogs: Dialog[] = [];
  const gateway = await startGateway(t, (call) => {
    dialogs.push(call.accept(audio.sdp)!);
  });
  const { host, port } = gateway;
  return { gateway, dialogs, carrierSid: await rows.add({ carrier, gateways: [{ host, port, columns }] }) };
}

async function hangUp(call: PlacedCall): Promise<void> {
  (await call.dialog).destroy({}, () => {});
  await until('calls are gone', () => sbc.edge.calls.size === 0);
}

t.test("the INVITE carries what the carrier wants, the application's own headers, and nothing internal", async (t) => {
  const { gateway, carrierSid } = await answering(t, { e164_leading_plus: 1, tech_prefix: '88', diversion: '4930999' });
  const call = dial(fs, server, carrierSid, {
    headers: {
      'X-Custom': 'kept',
      'User-to-User': 'abc;encoding=hex',
      'X-Application-Sid': 'app',
      'X-CID': 'parent',
      'X-Trace-ID': 'trace',
      'X-Voip-Carrier-Sid': 'inbound',
      'X-Forwarded-For': '10.0.0.1',
      'X-Jambonz-FS-UUID': 'fs',
      Diversion: '<sip:1@other>',
    },
  });
  await hangUp(call);
  const invite = gateway.invites[0]!;
  const at = `127.0.0.1:${gateway.port}`;
  t.equal(invite.uri, `sip:88+4930123456@${at};transport=udp`);
  t.equal(invite.get('To'), `<sip:88+4930123456@${at};transport=udp>`);
  t.match(invite.get('From'), /^<sip:15550002222@127\.0\.0\.1:\d+>;tag=/);
  t.match(invite.get('Contact'), /^<sip:15550002222@127\.0\.0\.1:\d+>$/);
  t.same(invite.getAll('Diversion'), ['<sip:+4930999@127.0.0.1>;reason=unknown;counter=1;privacy=off']);
  t.equal(invite.get('X-Custom'), 'kept');
  t.equal(invite.get('User-to-User'), 'abc;encoding=hex');
  const names = invite.headers.map(({ name }) => name.toLowerCase());
  t.same(
    names.filter((name) => name.startsWith('x-')),
    ['x-custom'],
  );
});

for (const [name, status, challenge, answer, hash] of [
  ['MD5', 401, 'WWW-Authenticate', 'Authorization', md5],
  ['SHA-256', 407, 'Proxy-Authenticate', 'Proxy-Authorization', sha256],
] as const) {
  t.test(`a gateway that challenges with ${status} and ${name} gets the proof, also in the BYE`, async (t) => {
    const ended: SipMessage[] = [];
    const gateway = await startGateway(t, (call) => {
      if (!call.request.has(answer)) {
        const value = `Digest realm="carrier", nonce="n-${status}", algorithm=${name}, qop="auth"`;
        return call.reject(status, undefined, { [challenge]: value });
      }
      if (!proves(call.request, answer, hash)) return call.reject(403);
      call.accept(audio.sdp)!.once('ended', ({ request }) => void ended.push(request!));
    });
    const carrier = { register_username: 'me', register_password: 'secret' };
    const call = dial(fs, server, await rows.add({ carrier, gateways: [gateway] }));
    await call.dialog;
    const [first, second] = gateway.invites;
    t.equal(second?.get('Call-ID'), first?.get('Call-ID'), 'the same call');
    t.equal(second?.get('From'), first?.get('From'));
    t.equal(Number.parseInt(second?.get('CSeq') ?? '', 10), Number.parseInt(first?.get('CSeq') ?? '', 10) + 1);
    await hangUp(call);
    await until('BYE', () => ended.length === 1);
    t.ok(proves(ended[0]!, answer, hash), 'the BYE proves it too');
    t.match(ended[0]!.get(answer), /nc=00000002/);
  });
}

t.test(
  'both algorithms offered: the topmost is answered; a re-INVITE that is challenged anew is sent again',
  async (t) => {
    let dialog: Dialog | undefined;
    const gateway = await startGateway(t, (call: IncomingCall) => {
      if (call.request.has('Authorization')) {
        dialog = call.accept(audio.sdp);
        return;
      }
      const sha = 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"';
      call.reject(401, undefined, {
        'WWW-Authenticate': `${sha}, Digest realm="r", nonce="n", algorithm=MD5, qop="auth"`,
      });
    });
    const carrier = { register_username: 'me', register_password: 'secret' };
    const call = dial(fs, server, await rows.add({ carrier, gateways: [gateway] }));
    const own = await call.dialog;
    t.ok(proves(gateway.invites[1]!, 'Authorization', sha256));
    const seen: string[] = [];
    dialog!.on('reinvite', (reinvite) => {
      const nonce = /nonce="([^"]*)"/.exec(reinvite.request.get('Authorization') ?? '')?.[1] ?? '';
      seen.push(nonce);
      if (nonce === 'n') {
        const fresh = 'Digest realm="r", nonce="n2", algorithm=SHA-256, qop="auth", stale=true';
        reinvite.transaction.respond(reinvite.transaction.makeResponse(401).add('WWW-Authenticate', fresh));
      } else reinvite.accept(audio.sdp);
    });
    const status = await new Promise<number | undefined>((resolve) =>
      own.request(
        { method: 'INVITE', body: fs.sdp, headers: { 'Content-Type': 'application/sdp' } },
        (_error, response) => resolve(response?.status),
      ),
    );
    t.equal(status, 200);
    t.same(seen, ['n', 'n2']);
    await hangUp(call);
  },
);

t.test(
  'wrong credentials, and none: the next gateway is tried; the feature server never sees the challenge',
  async (t) => {
    const challenging = await startGateway(t, (call) =>
      call.reject(407, undefined, { 'Proxy-Authenticate': 'Digest realm="r", nonce="n", qop="auth"' }),
    );
    const good = await startGateway(t, (call) => void call.accept(audio.sdp));
    const wrong = { register_username: 'me', register_password: 'wrong' };
    await hangUp(dial(fs, server, await rows.add({ carrier: wrong, gateways: [challenging, good] })));
    t.equal(challenging.invites.length, 2);
    await hangUp(dial(fs, server, await rows.add({ gateways: [challenging, good] })));
    t.equal(challenging.invites.length, 3);
    t.equal(good.invites.length, 2);
    t.equal(await dial(fs, server, await rows.add({ gateways: [challenging] })).status(), 502);
  },
);

t.test(
  'a registered trunk: its realm in the URI, the gateway as next hop; an outbound proxy instead of both',
  async (t) => {
    const trunk = {
      requires_register: 1,
      register_sip_realm: 'trunk.example',
      register_username: 'me',
      register_password: 'x',
    };
    const { gateway, carrierSid } = await answering(t, trunk);
    await hangUp(dial(fs, server, carrierSid));
    t.equal(gateway.invites[0]?.uri, 'sip:4930123456@trunk.example;transport=udp');
    t.match(gateway.invites[0]?.get('Contact'), /^<sip:me@/);
    const elsewhere = { host: '192.0.2.1', port: 5070 };
    const proxied = await rows.add({
      carrier: { outbound_sip_proxy: `127.0.0.1:${gateway.port}` },
      gateways: [elsewhere],
    });
    await hangUp(dial(fs, server, proxied));
    t.equal(gateway.invites[1]?.uri, 'sip:4930123456@192.0.2.1:5070;transport=udp');
    const bad = await rows.add({ carrier: { outbound_sip_proxy: 'sip:' }, gateways: [gateway] });
    t.equal(await dial(fs, server, bad).status(), 480);
    const badRealm = { ...trunk, register_sip_realm: 'x>;evil=1' };
    t.equal(await dial(fs, server, await rows.add({ carrier: badRealm, gateways: [gateway] })).status(), 480);
  },
);

t.test('gateways over TCP and over IPv6', withoutDrachtio('ends with SIGSEGV where it calls over IPv6'), async (t) => {
  const tcp = await startGateway(t, (call) => void call.accept(audio.sdp), [
    { transport: 'tcp', host: '127.0.0.1', port: 0 },
  ]);
  const { host, port } = tcp;
  await hangUp(dial(fs, server, await rows.add({ gateways: [{ host, port, columns: { protocol: 'tcp' } }] })));
  t.equal(tcp.invites[0]?.uri, `sip:4930123456@127.0.0.1:${port};transport=tcp`);
  const six = await startGateway(t, (call) => void call.accept(audio.sdp), [
    { transport: 'udp', host: '::1', port: 0 },
  ]);
  for (const written of ['::1', '[::1]']) {
    await hangUp(dial(fs, server, await rows.add({ gateways: [{ host: written, port: six.port }] })));
  }
  t.same(
    six.invites.map(({ uri }) => uri),
    Array(2).fill(`sip:4930123456@[::1]:${six.port};transport=udp`),
  );
});

t.test('a gateway with TLS and SRTP: keys by SDES, heard through rtpengine; the next one is plain', async (t) => {
  const { cert, key } = authority.issue('carrier.test');
  const agent = await createUserAgent({
    listen: [{ transport: 'tls', host: '127.0.0.1', port: 0 }],
    tls: { cert, key, ca: authority.ca },
    user: 'gateway',
  });
  t.teardown(() => agent.stop());
  const { host, port } = agent.addresses[0]!;
  const socket = await RtpSocket.bind();
  t.teardown(() => socket.close());
  const offers: string[] = [];
  let accepts = true;
  agent.onInvite((call) => {
    offers.push(call.sdp);
    if (!accepts) return call.reject(503);
    const offer = parseSdp(call.sdp);
    if (!offer.ok) return call.reject(488);
    const suite = SRTP_SUITES.find(({ name }) => name === 'AES_CM_128_HMAC_SHA1_80')!;
    const local = { host: '127.0.0.1', port: socket.port, sessionId: '1', sessionVersion: 1 };
    const answer = answerAudio(offer.sdp, { ...local, srtpSendKey: createSrtpKey(suite) });
    if (!answer.ok || !answer.agreement.srtp) return call.reject(488);
    socket.setSecurity(answer.agreement.srtp);
    socket.onPacket = (_packet, datagram) => socket.send(Buffer.from(datagram));
    call.accept(answer.sdp);
  });
  const columns = { protocol: 'tls/srtp', pad_crypto: 1, remove_ice: 1, dtls_off: 1 };
  const carrierSid = await rows.add({ gateways: [{ host, port, columns }] });
  const caller = await startAudio(t);
  const call = dial(fs, server, carrierSid, { sdp: caller.sdp });
  const dialog = await call.dialog;
  t.match(offers[0], /m=audio \d+ RTP\/SAVP /);
  t.match(offers[0], /a=crypto:\d+ AEAD_AES_256_GCM inline:[\w+/]+=+/, 'padded keys');
  t.notMatch(offers[0], /a=fingerprint|a=candidate|a=ice-/);
  t.match(dialog.remote.sdp, /m=audio \d+ RTP\/AVP /, 'plain towards the feature server');
  await caller.echoThrough(dialog.remote.sdp);
  await hangUp(call);
  const unpadded = await rows.add({ gateways: [{ host, port, columns: { protocol: 'tls/srtp', dtls_off: 1 } }] });
  await hangUp(dial(fs, server, unpadded, { sdp: caller.sdp }));
  t.notMatch(offers[1], /a=crypto:.*=\r/);
  accepts = false;
  const plain = await startGateway(t, (leg) => void leg.accept(audio.sdp));
  const both = await rows.add({ gateways: [{ host, port, columns }, plain] });
  const second = dial(fs, server, both, { sdp: caller.sdp });
  await second.dialog;
  t.match(plain.invites[0]?.bodyText, /m=audio \d+ RTP\/AVP /);
  t.notMatch(plain.invites[0]?.bodyText, /a=crypto/);
  await hangUp(second);
});

t.test(
  'a SIP URI whose media the application wants encrypted: by SDES, heard through rtpengine, or offered by DTLS',
  async (t) => {
    const socket = await RtpSocket.bind();
    t.teardown(() => socket.close());
    const gateway = await startGateway(t, (call) => {
      const offer = parseSdp(call.sdp);
      if (!offer.ok || call.sdp.includes('UDP/TLS')) return call.reject(488);
      const suite = SRTP_SUITES.find(({ name }) => name === 'AES_CM_128_HMAC_SHA1_80')!;
      const local = { host: '127.0.0.1', port: socket.port, sessionId: '1', sessionVersion: 1 };
      const answer = answerAudio(offer.sdp, { ...local, srtpSendKey: createSrtpKey(suite) });
      if (!answer.ok || !answer.agreement.srtp) return call.reject(488);
      socket.setSecurity(answer.agreement.srtp);
      socket.onPacket = (_packet, datagram) => socket.send(Buffer.from(datagram));
      call.accept(answer.sdp);
    });
    const caller = await startAudio(t);
    const uri = `sip:bob@${gateway.host}:${gateway.port}`;
    const call = (srtp: string): PlacedCall =>
      dial(fs, server, null, {
        uri,
        sdp: caller.sdp,
        headers: { 'X-Jambonz-Routing': 'sip', 'X-Jambonz-SRTP': srtp },
      });
    const encrypted = call('sdes');
    const dialog = await encrypted.dialog;
    t.match(gateway.invites[0]?.bodyText, /m=audio \d+ RTP\/SAVP /);
    t.match(gateway.invites[0]?.bodyText, /a=crypto:/);
    t.notOk(gateway.invites[0]?.has('X-Jambonz-SRTP'));
    t.match(dialog.remote.sdp, /m=audio \d+ RTP\/AVP /, 'plain towards the feature server');
    await caller.echoThrough(dialog.remote.sdp);
    await hangUp(encrypted);
    t.equal(await call('dtls').status(), 488);
    t.match(gateway.invites.at(-1)?.bodyText, /m=audio \d+ UDP\/TLS\/RTP\/SAVPF /);
    t.match(gateway.invites.at(-1)?.bodyText, /a=fingerprint:/);
    t.equal(await call('rot13').status(), 400);
  },
);

t.test("the carrier's codecs are offered in its order, whatever the feature server offers", async (t) => {
  const { gateway, carrierSid } = await answering(t, { outbound_codecs: 'PCMA,PCMU' });
  await hangUp(dial(fs, server, carrierSid));
  const media = parseSdp(gateway.invites[0]!.bodyText);
  t.ok(media.ok);
  t.match(gateway.invites[0]?.bodyText, /m=audio \d+ RTP\/AVP 8 0/);
});
