import { until } from '@ringwire/common/testing/until.js';
import { openSbc, type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { startAudio, type TestAudio } from '@ringwire/sbc-inbound/testing/media.js';
import { type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import type { Dialog, SipMessage } from '@ringwire/sip';
import t from 'tap';
import { openSbcOutbound, type SbcOutbound } from './sbc-outbound.js';
import { dial, md5, Provisioner, proves, startGateway, type TestGateway } from './testing/carriers.js';

t.setTimeout(200_000);

let stores: Stores;
let server: ServerProcess;
let sbc: SbcOutbound;
let fs: TestFeatureServer;
let rows: Provisioner;
let audio: TestAudio;

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t);
  fs = await startFeatureServer(t, stores, 'fs-one');
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort });
  await sbc.edge.featureServers.refresh();
  rows = new Provisioner(t, stores, () => sbc);
  audio = await startAudio(t);
});

const CARRIER = { register_username: 'me', register_password: 'secret' };

/** A gateway whose nonces are good for one request: whatever comes without a fresh one is challenged, re-INVITE and BYE too. */
interface OnceGateway extends TestGateway {
  /** Legs that were answered. */
  readonly legs: Dialog[];
  /** What each BYE was answered with. */
  readonly byes: number[];
  /** What each re-INVITE was answered with. */
  readonly reinvites: number[];
}

/** Opens one that answers with the given SDP. */
async function startOnceGateway(t: Parameters<typeof startGateway>[0], sdp: string): Promise<OnceGateway> {
  const fresh = new Set<string>();
  let made = 0;
  const isProved = (request: SipMessage): boolean => {
    const nonce = /nonce="([^"]*)"/.exec(request.get('Authorization') ?? '')?.[1] ?? '';
    return fresh.delete(nonce) && proves(request, 'Authorization', md5);
  };
  const challenge = (request: SipMessage): string => {
    const nonce = `once-${++made}`;
    fresh.add(nonce);
    return `Digest realm="carrier", nonce="${nonce}", qop="auth"${request.has('Authorization') ? ', stale=true' : ''}`;
  };
  const legs: Dialog[] = [];
  const byes: number[] = [];
  const reinvites: number[] = [];
  const gateway = await startGateway(t, (call) => {
    if (!isProved(call.request)) {
      call.reject(401, undefined, { 'WWW-Authenticate': challenge(call.request) });
      return;
    }
    const leg = call.accept(sdp)!;
    legs.push(leg);
    const receive = leg.receive.bind(leg);
    leg.receive = (transaction) => {
      const { request } = transaction;
      const proved = !/^(BYE|INVITE)$/.test(request.method) || isProved(request);
      if (request.method === 'INVITE') reinvites.push(proved ? 200 : 401);
      if (request.method === 'BYE') byes.push(proved ? 200 : 401);
      if (proved) receive(transaction);
      else transaction.respond(transaction.makeResponse(401).add('WWW-Authenticate', challenge(request)));
    };
  });
  return Object.assign(gateway, { legs, byes, reinvites });
}

t.test('nonces that are good once: the BYE is challenged again and sent again, and the leg ends', async (t) => {
  const gateway = await startOnceGateway(t, audio.sdp);
  const call = dial(fs, server, await rows.add({ carrier: CARRIER, gateways: [gateway] }));
  (await call.dialog).destroy({}, () => {});
  await until('the leg is over', () => gateway.legs[0]?.isEnded === true);
  t.same(gateway.byes, [401, 200]);
  await until('calls are gone', () => sbc.edge.calls.size === 0);
});

t.test('a re-INVITE that the carrier challenges is sent again with proof, with an offer and without', async (t) => {
  const gateway = await startOnceGateway(t, audio.sdp);
  const call = dial(fs, server, await rows.add({ carrier: CARRIER, gateways: [gateway] }));
  const dialog = await call.dialog;
  const headers = { Contact: dialog.local.contact, 'Content-Type': 'application/sdp' };
  const reinvite = (body?: string): Promise<number> =>
    new Promise((resolve, reject) =>
      dialog.request({ method: 'INVITE', headers, ...(body ? { body } : { noAck: true }) }, (error, response, ack) => {
        if (error || !response) return reject(error);
        ack?.({ body: fs.sdp });
        if (response.status >= 200) resolve(response.status);
      }),
    );
  t.equal(await reinvite(fs.sdp), 200);
  t.equal(await reinvite(), 200);
  t.same(gateway.reinvites, [401, 200, 401, 200]);
  await until('the ACK has come through', () => gateway.legs[0]?.remoteSdp.includes('m=audio'));
  dialog.destroy({}, () => {});
  await until('the leg is over', () => gateway.legs[0]?.isEnded === true);
  await until('calls are gone', () => sbc.edge.calls.size === 0);
});

for (const [name, offer, answer] of [
  ['answered without SDP', undefined, ''],
  ['whose SDP is refused, of an INVITE without offer', '', 'nonsense'],
] as const) {
  t.test(`a leg ${name} is hung up with proof`, async (t) => {
    const gateway = await startOnceGateway(t, answer);
    const carrierSid = await rows.add({ carrier: CARRIER, gateways: [gateway] });
    const call = dial(fs, server, carrierSid, offer === undefined ? {} : { sdp: offer });
    t.equal(await call.status(), 488);
    await until('the leg is over', () => gateway.legs[0]?.isEnded === true);
    t.same(gateway.byes, [401, 200]);
    await until('calls are gone', () => sbc.edge.calls.size === 0);
  });
}
