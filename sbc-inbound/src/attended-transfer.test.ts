import type { SipDialog, SipResponse } from '@ringwire/common/sip/stack.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import type { Dialog } from '@ringwire/sip';
import t, { type Test } from 'tap';
import { openSbcInbound, type SbcInbound } from './sbc-inbound.js';
import { ended, NUMBER, refusal, startCaller } from './testing/caller.js';
import { addClients, REALM, startDevice, type TestDevice } from './testing/device.js';
import { openSbc, type ServerProcess, startServerProcess } from './testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from './testing/feature-server.js';
import { openSeededDatabase, type Stores, startStores } from './testing/stores.js';

t.setTimeout(200_000);

const OTHER_REALM = 'two.example.com';
let stores: Stores;
let server: ServerProcess;
let sbc: SbcInbound;
let fs: TestFeatureServer;

t.before(async () => {
  stores = await startStores(t);
  const db = openSeededDatabase(stores.env);
  await db.execute('UPDATE accounts SET sip_realm = ? WHERE account_sid = ?', [OTHER_REALM, SEED.siblingAccountSid]);
  await addClients(db, [
    { username: 'alice' },
    { username: 'bob' },
    { username: 'carol' },
    { username: 'mallory', account_sid: SEED.siblingAccountSid },
  ]);
  await db.close();
  server = await startServerProcess(t);
  sbc = await openSbc(t, openSbcInbound, { name: 'sbc-inbound', stores, controlPort: server.controlPort });
  fs = await startFeatureServer(t, stores, 'fs-one');
  await sbc.edge.featureServers.refresh();
});

t.beforeEach(() => {
  fs.onInvite = (request, response) => void fs.answer(request, response);
});

t.afterEach(async () => {
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  await until('media sessions are gone', () => sbc.edge.bridging.relay.sessions === 0);
});

const phone = (t: Test, user: string, realm = REALM): Promise<TestDevice> =>
  startDevice(t, { user, realm, sipPort: server.sipPort });

const APPLICATION = `app-${SEED.applicationSid}`;

/** Alice talks with an application. */
async function talking(t: Test): Promise<{ alice: TestDevice; dialog: Dialog; far: SipDialog }> {
  const alice = await phone(t, 'alice');
  const far = fs.nextDialog();
  const dialog = await (await alice.call(APPLICATION)).answered;
  return { alice, dialog, far: await far };
}

/** What another telephone is told to send, so that it takes the place of this one. */
const replaces = ({ callId, state }: Dialog): { Replaces: string } => ({
  Replaces: `${callId};to-tag=${state.remoteTag};from-tag=${state.localTag}`,
});

const accept = (far: SipDialog, response: SipResponse): void =>
  response.send(200, 'OK', {
    body: fs.sdp,
    headers: { Contact: far.local.contact, 'Content-Type': 'application/sdp' },
  });

/** The feature server answers re-INVITEs; how many there were. */
function answersReinvites(far: SipDialog): { count: number } {
  const seen = { count: 0 };
  far.on('modify', (_request, response) => {
    seen.count++;
    accept(far, response);
  });
  return seen;
}

/** The feature server keeps its answer to the first re-INVITE back; resolves with what sends it. */
function holdsFirst(far: SipDialog): { held: Promise<() => void>; count(): number } {
  let count = 0;
  const held = new Promise<() => void>((resolve) => {
    far.on('modify', (_request, response) => {
      count++;
      if (count === 1) resolve(() => accept(far, response));
      else accept(far, response);
    });
  });
  return { held, count: () => count };
}

const endedCalls = async (callId: string): Promise<number> =>
  (await stores.events(callId)).filter(({ type }) => type === 'call.ended').length;

t.test("a telephone takes another's place: media follows, the old one is released, the record is one", async (t) => {
  const { dialog, far } = await talking(t);
  const reinvites = answersReinvites(far);
  const farEnded = new Promise<void>((resolve) => far.on('destroy', () => resolve()));
  const [bob, released] = [await phone(t, 'bob'), ended(dialog)];
  const taken = await (await bob.call(APPLICATION, replaces(dialog))).answered;
  t.equal((await released).by, 'remote');
  t.equal(reinvites.count, 1);
  await bob.audio.echoThrough(taken.remoteSdp);
  t.equal(sbc.edge.calls.size, 1);
  await until('one media session is left', () => sbc.edge.bridging.relay.sessions === 1);
  await taken.bye();
  await farEnded;
  const record = (await stores.event('call.ended', dialog.callId)).data;
  t.match(record, { answered: true, terminationReason: 'caller hungup', from: 'alice' });
  t.equal(await endedCalls(dialog.callId), 1);
  t.equal(await endedCalls(taken.callId), 0);
});

t.test('who has taken a place may lose it to a third, and hears when the feature server hangs up', async (t) => {
  const { dialog, far } = await talking(t);
  answersReinvites(far);
  const bobs = await (await (await phone(t, 'bob')).call(APPLICATION, replaces(dialog))).answered;
  const carol = await phone(t, 'carol');
  const carols = await (await carol.call(APPLICATION, replaces(bobs))).answered;
  await carol.audio.echoThrough(carols.remoteSdp);
  t.equal((await refusal(await (await phone(t, 'bob')).call(APPLICATION, replaces(dialog)))).status, 481);
  const over = ended(carols);
  far.destroy({}, () => {});
  await over;
});

t.test('a user takes the place of a caller of a carrier in a call of his account', async (t) => {
  const caller = await startCaller(t);
  const next = fs.nextDialog();
  const dialog = await caller.call(server.sipPort, NUMBER).answered;
  answersReinvites(await next);
  const released = ended(dialog);
  const bob = await phone(t, 'bob');
  const taken = await (await bob.call(APPLICATION, replaces(dialog))).answered;
  await released;
  await bob.audio.echoThrough(taken.remoteSdp);
  await taken.bye();
});

t.test('calls that are unknown, of another account or not answered are not taken: 481; nor otherwise', async (t) => {
  const { alice, dialog, far } = await talking(t);
  const reinvites = answersReinvites(far);
  const [bob, mallory] = [await phone(t, 'bob'), await phone(t, 'mallory', OTHER_REALM)];
  const status = async (by: TestDevice, header: string): Promise<number> =>
    (await refusal(await by.call(APPLICATION, { Replaces: header }))).status;
  const { Replaces } = replaces(dialog);
  const { localTag, remoteTag } = dialog.state;
  t.equal(await status(mallory, Replaces), 481);
  t.equal(await status(bob, `x${Replaces}`), 481);
  t.equal(await status(bob, `${Replaces}x`), 481, 'another from-tag');
  t.equal(await status(bob, `${dialog.callId};to-tag=${localTag};from-tag=${remoteTag}`), 481, 'swapped');
  t.equal(await status(bob, `${Replaces};early-only`), 486);
  t.equal(await status(bob, dialog.callId), 400);
  t.equal(reinvites.count, 0);
  await alice.audio.echoThrough(dialog.remoteSdp);
  await dialog.bye();
  await stores.event('call.ended', dialog.callId);
  t.equal(await status(bob, Replaces), 481, 'a call that is over');
});

t.test('a call that the feature server does not change stays with its caller', async (t) => {
  const { alice, dialog, far } = await talking(t);
  far.on('modify', (_request, response) => response.send(488));
  const refused = await refusal(await (await phone(t, 'bob')).call(APPLICATION, replaces(dialog)));
  t.equal(refused.status, 488);
  t.notOk(dialog.isEnded);
  t.equal(sbc.edge.bridging.relay.sessions, 1);
  await alice.audio.echoThrough(dialog.remoteSdp);
  await dialog.bye();
});

t.test('a telephone that gives up meanwhile leaves the call as it was', async (t) => {
  const { alice, dialog, far } = await talking(t);
  const { held, count } = holdsFirst(far);
  const call = await (await phone(t, 'bob')).call(APPLICATION, replaces(dialog));
  const refused = refusal(call);
  const answer = await held;
  call.cancel();
  t.equal((await refused).status, 487);
  answer();
  await until('the feature server has the old media again', () => count() === 2);
  await until('one media session is left', () => sbc.edge.bridging.relay.sessions === 1);
  await alice.audio.echoThrough(dialog.remoteSdp);
  t.notOk(dialog.isEnded);
  await dialog.bye();
});

t.test('a call that ends meanwhile cannot be taken: 603', async (t) => {
  const { dialog, far } = await talking(t);
  const { held } = holdsFirst(far);
  const refused = refusal(await (await phone(t, 'bob')).call(APPLICATION, replaces(dialog)));
  await held;
  await dialog.bye();
  t.equal((await refused).status, 603);
  t.equal(await stores.event('call.ended', dialog.callId).then(({ data }) => data.terminationReason), 'caller hungup');
});
