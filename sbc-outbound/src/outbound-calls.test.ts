import { once } from 'node:events';
import { callKey } from '@ringwire/common';
import { sealCredentials } from '@ringwire/common/sip/sealed-credentials.js';
import type { SipDialog } from '@ringwire/common/sip/stack.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import { ended, startCaller, type TestCaller } from '@ringwire/sbc-inbound/testing/caller.js';
import {
  DRACHTIO,
  metric,
  openSbc,
  type ServerProcess,
  startServerProcess,
} from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { startRecordingServer, startTone } from '@ringwire/sbc-inbound/testing/recording-server.js';
import { type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import type { Dialog, IncomingCall, SipMessage } from '@ringwire/sip';
import t from 'tap';
import { openSbcOutbound, type SbcOutbound } from './sbc-outbound.js';
import { dial, Provisioner, proves, sha256, startGateway } from './testing/carriers.js';

t.setTimeout(200_000);

let stores: Stores;
let server: ServerProcess;
let sbc: SbcOutbound;
let fs: TestFeatureServer;
/** Somebody in the outside world whom we call. */
let callee: TestCaller;

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t);
  fs = await startFeatureServer(t, stores, 'fs-one');
  const env = { SIPREC_ALLOW_PRIVATE: 'loopback' };
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort, env });
  await sbc.edge.featureServers.refresh();
  callee = await startCaller(t, '127.0.0.3');
});

interface Placed {
  incoming: IncomingCall;
  dialog: Promise<SipDialog>;
  cancel(): void;
  callId(): string;
}

const calleeUri = (): string => {
  const { host, port } = callee.agent.addresses[0]!;
  return `sip:bob@${host}:${port}`;
};

/** The feature server places a call through the edge; resolves when it reaches the callee. */
async function place(headers: Record<string, string> = {}): Promise<Placed> {
  const arrived = new Promise<IncomingCall>((resolve) => callee.agent.onInvite(resolve));
  let sent: { cancel(): void; get(name: string): string | undefined } | undefined;
  const dialog = fs.stack.createUAC(
    calleeUri(),
    {
      localSdp: fs.sdp,
      proxy: `sip:127.0.0.1:${server.sipPort}`,
      headers: {
        From: '<sip:15550002222@localhost>',
        'X-Account-Sid': SEED.accountSid,
        'X-Call-Sid': `call-${Math.random()}`,
        'X-Jambonz-Routing': 'sip',
        'X-Custom': 'kept',
        ...headers,
      },
    },
    {
      cbRequest: (_error, request) => {
        sent = request;
      },
      cbProvisional: () => {},
    },
  ) as Promise<SipDialog>;
  const refused = dialog.then(() => new Promise<never>(() => {}));
  const incoming = await Promise.race([arrived, refused]);
  return { incoming, dialog, cancel: () => sent?.cancel(), callId: () => sent?.get('Call-ID') ?? '' };
}

async function connected(): Promise<Placed & { own: SipDialog; far: Dialog }> {
  const placed = await place();
  const far = placed.incoming.accept(callee.audio.sdp)!;
  return { ...placed, own: await placed.dialog, far };
}

async function nothingLeft(): Promise<void> {
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  await until('media sessions are gone', () => sbc.edge.bridging.relay.sessions === 0);
  await until('live entries are gone', async () => (await stores.redis.keys(callKey('*'))).length === 0);
}

t.test('a call to a SIP URI goes out without internal headers, with media through the relay', async (t) => {
  const { own, far, incoming, callId } = await connected();
  const { request } = incoming;
  t.equal(request.uri, calleeUri());
  t.match(request.get('From'), /<sip:15550002222@/);
  t.equal(request.get('X-Custom'), 'kept');
  for (const name of ['X-Account-Sid', 'X-Call-Sid', 'X-Jambonz-Routing', 'X-CID']) t.notOk(request.has(name), name);
  await callee.audio.echoThrough(incoming.sdp);
  const started = await stores.event('call.started', callId());
  t.match(started.data, {
    direction: 'outbound',
    accountSid: SEED.accountSid,
    trunk: 'sipUri',
    remoteHost: '127.0.0.3',
  });
  const end = ended(far);
  own.destroy({ headers: { 'X-Account-Sid': 'inside', 'X-Bye': 'said' } }, () => {});
  const { request: bye } = await end;
  t.equal(bye?.get('X-Bye'), 'said');
  t.notOk(bye?.has('X-Account-Sid'));
  t.match((await stores.event('call.ended', callId())).data, { answered: true, terminationReason: 'caller hungup' });
  await nothingLeft();
});

t.test(
  'SIPREC: a call out is recorded by the recording server that its feature server names, until it ends',
  async (t) => {
    const srs = await startRecordingServer(t);
    const voice = await startTone(t, 700);
    const { incoming, dialog, callId } = await place({ 'X-Custom': 'kept' });
    const far = incoming.accept(voice.sdp)!;
    voice.sendTo(incoming.sdp);
    const own = await dialog;
    const order = { 'X-Reason': 'startCallRecording', 'X-Srs-Url': srs.uri };
    const reply = await new Promise<number | undefined>((resolve) =>
      own.request({ method: 'INFO', headers: order }, (_error, response) => resolve(response?.status)),
    );
    t.equal(reply, 200);
    await srs.hears(1, 700);
    const { data } = await stores.event('call.started', callId());
    const metadata = srs.offers[0]?.metadata;
    t.match(metadata, `<ext:callSid>${data.callSid}</ext:callSid>`);
    t.match(metadata, '<ext:direction>outbound</ext:direction>');
    t.match(metadata, '<ext:callingNumber>15550002222</ext:callingNumber>');
    t.match(metadata, '<ext:calledNumber>bob</ext:calledNumber>');
    const over = ended(srs.dialog!);
    await far.bye();
    t.equal((await over).by, 'remote');
    await nothingLeft();
  },
);

t.test('the callee hangs up', async (t) => {
  const { own, far, callId } = await connected();
  const gone = once(own as unknown as NodeJS.EventEmitter, 'destroy');
  await far.bye();
  await gone;
  t.match((await stores.event('call.ended', callId())).data, { terminationReason: 'called party hungup' });
  await nothingLeft();
});

t.test('INFO and re-INVITE go both ways', async (t) => {
  const { own, far } = await connected();
  far.on('info', (request, transaction) => {
    transaction.respond(transaction.makeResponse(200).setBody(`got ${request.bodyText}`, 'text/plain'));
  });
  const answer = await new Promise<string | undefined>((resolve) =>
    own.request({ method: 'INFO', body: 'ping', headers: { 'Content-Type': 'text/plain' } }, (_e, res) =>
      resolve(res?.body),
    ),
  );
  t.equal(answer, 'got ping');
  const modified = new Promise<string>((resolve) => {
    own.on('modify', (request, response) => {
      resolve(request.body);
      response.send(200, 'OK', {
        body: own.local.sdp,
        headers: { Contact: own.local.contact, 'Content-Type': 'application/sdp' },
      });
    });
  });
  t.equal((await far.reinvite(callee.audio.sdp.replace('a=sendrecv', 'a=sendonly'))).status, 200);
  t.match(await modified, 'a=sendonly');
  await far.bye();
  await nothingLeft();
});

t.test('the feature server gives up: the callee gets CANCEL', async (t) => {
  const { incoming, dialog, cancel, callId } = await place();
  incoming.ring(180);
  const cancelled = once(incoming, 'cancel');
  cancel();
  await cancelled;
  await t.rejects(dialog, /487/);
  t.match((await stores.event('call.ended', callId())).data, { sipStatus: 487, terminationReason: 'caller abandoned' });
  await nothingLeft();
});

t.test('a busy callee is told to the feature server', async (t) => {
  const { incoming, dialog } = await place();
  incoming.reject(486);
  await t.rejects(dialog, /486/);
  await nothingLeft();
});

t.test('INVITEs that are not of a feature server, or say too little, are refused', async (t) => {
  const stranger = await startCaller(t);
  const call = stranger.call(server.sipPort, '1', { 'X-Account-Sid': SEED.accountSid, 'X-Jambonz-Routing': 'sip' });
  await t.rejects(call.answered, /403/);
  await t.rejects(place({ 'X-Account-Sid': '' }), /403/);
  await t.rejects(place({ 'X-Jambonz-Routing': 'pigeon' }), /403/);
  await t.rejects(place({ 'X-Account-Sid': 'unknown' }), /403/);
  t.match((await stores.event('call.timeline', call.callId)).data, {
    level: 'error',
    text: /refused with 403: source is not a feature server$/,
  });
  await t.rejects(place({ 'X-Jambonz-Routing': 'teams' }), /404/);
  t.equal(await metric(sbc.edge, 'ringwire_calls_rejected_total', { reason: 'unknown-source' }), 1);
  t.equal(await metric(sbc.edge, 'ringwire_calls_rejected_total', { reason: 'unknown-tenant' }), 1);
  await nothingLeft();
});

t.test('a SIP URI that challenges us gets the proof of its own credentials, also in the BYE', async (t) => {
  const ended: SipMessage[] = [];
  const pbx = await startGateway(t, (call) => {
    if (!call.request.has('Authorization')) {
      const challenge = 'Digest realm="pbx", nonce="n", algorithm=SHA-256, qop="auth"';
      return call.reject(401, undefined, { 'WWW-Authenticate': challenge });
    }
    if (!proves(call.request, 'Authorization', sha256, 'geheim')) return call.reject(403);
    call.accept(callee.audio.sdp)!.once('ended', ({ request }) => void ended.push(request!));
  });
  const uri = `sip:bob@${pbx.host}:${pbx.port}`;
  const call = (password: string) => {
    const sealed = sealCredentials({ username: 'anna', password }, stores.env.ENCRYPTION_SECRET!);
    return dial(fs, server, null, { uri, headers: { 'X-Jambonz-Routing': 'sip', 'X-Jambonz-Credentials': sealed } });
  };
  const dialog = await call('geheim').dialog;
  t.match(pbx.invites[1]?.get('Authorization'), /username="anna"/);
  t.notOk(pbx.invites.some(({ headers }) => headers.some(({ name }) => /^x-jambonz/i.test(name))));
  dialog.destroy({}, () => {});
  await until('BYE', () => ended.length === 1);
  t.ok(proves(ended[0]!, 'Authorization', sha256, 'geheim'));
  t.equal(await call('wrong').status(), 403);
  const unreadable = { 'X-Jambonz-Routing': 'sip', 'X-Jambonz-Credentials': 'anna:geheim' };
  t.equal(await dial(fs, server, null, { uri, headers: unreadable }).status(), 400);
  await nothingLeft();
});

t.test(
  'a SIP URI of our own network is not called, nor by way of a proxy there, unless a setting allows it',
  async (t) => {
    const routing = { 'X-Jambonz-Routing': 'sip' };
    const core = dial(fs, server, null, {
      uri: `sip:bob@${sbc.edge.featureServers.list()[0]!.sipAddress}`,
      headers: routing,
    });
    // drachtio-server refuses to send a request to itself before an edge can.
    t.equal(await core.status(), DRACHTIO ? 0 : 403, 'never a feature server');
    const other = await startServerProcess(t);
    const env = { SIP_ALLOW_PRIVATE: 'false' };
    const strict = await openSbc(t, openSbcOutbound, { name: 'strict', stores, controlPort: other.controlPort, env });
    await strict.edge.featureServers.refresh();
    const gateway = await startGateway(t);
    const local = `127.0.0.1:${gateway.port}`;
    for (const [uri, proxy] of [
      [`sip:bob@${local}`],
      ['sip:bob@169.254.169.254'],
      [`sip:bob@localhost:${gateway.port}`],
      [`sip:bob@8.8.8.8:${gateway.port};maddr=127.0.0.1`],
      ['sip:bob@8.8.8.8', local],
    ] as const) {
      const headers = proxy === undefined ? routing : { ...routing, 'X-SIP-Proxy': proxy };
      const call = dial(fs, other, null, { uri, headers });
      t.equal(await call.status(), 403, uri);
    }
    t.equal(gateway.invites.length, 0);
    t.equal(await metric(strict.edge, 'ringwire_calls_rejected_total', { reason: 'private-address' }), 5);

    const rows = new Provisioner(t, stores, () => strict);
    const named = { host: 'localhost', port: gateway.port };
    const refused = dial(fs, other, await rows.add({ gateways: [named] }));
    t.equal(await refused.status(), 480, "nor the name of a gateway of an account's own carrier");
    const { data } = await until('that is told', async () =>
      (await stores.events(await refused.callId)).find(
        (event) => event.type === 'call.timeline' && /passed over/.test(event.data.text),
      ),
    );
    t.match(data, { text: /^localhost of .* is passed over: localhost has the private address 127\.0\.0\.1$/ });
    t.equal(gateway.invites.length, 0);
    gateway.behave = (call) => call.reject(486);
    for (const [why, carrier] of [
      ['what stands there as an address', { gateways: [named, gateway] }],
      ["a service provider's", { carrier: { account_sid: null }, gateways: [named] }],
    ] as const) {
      gateway.invites.length = 0;
      t.equal(await dial(fs, other, await rows.add(carrier)).status(), 486, `${why} is called`);
      t.equal(gateway.invites.length, 1);
    }
  },
);

t.test('the feature server dies: the callee gets a BYE', async (t) => {
  const { far, callId } = await connected();
  const end = ended(far);
  await fs.server.kill();
  t.match((await end).request?.get('Reason'), 'platform failure');
  t.match((await stores.event('call.ended', callId())).data, { terminationReason: 'platform failure' });
  await nothingLeft();
});
