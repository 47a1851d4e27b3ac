import { once } from 'node:events';
import type { SipDialog, SipResponse } from '@ringwire/common/sip/stack.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import type { SbcInbound } from '@ringwire/sbc-inbound/sbc-inbound.js';
import { ended, refusal } from '@ringwire/sbc-inbound/testing/caller.js';
import { addClients, REALM, startDevice, type TestDevice } from '@ringwire/sbc-inbound/testing/device.js';
import { type Dialog, type IncomingCall, tagOf } from '@ringwire/sip';
import t, { type Test } from 'tap';
import type { SbcOutbound } from './sbc-outbound.js';
import { dial, type PlacedCall } from './testing/carriers.js';
import { startTwoEdges } from './testing/two-edges.js';

t.setTimeout(180_000);

const OTHER_REALM = 'two.example.com';
const APPLICATION = `app-${SEED.applicationSid}`;

const { stores, fs, east, west } = await startTwoEdges(t, async (db) => {
  await db.execute('UPDATE accounts SET sip_realm = ? WHERE account_sid = ?', [OTHER_REALM, SEED.siblingAccountSid]);
  await addClients(db, [
    { username: 'alice' },
    { username: 'bob' },
    { username: 'carol' },
    { username: 'mallory', account_sid: SEED.siblingAccountSid },
  ]);
});

const processes = (): (SbcInbound | SbcOutbound)[] =>
  [east, west].flatMap(({ inbound, outbound }) => [inbound, outbound]);

t.afterEach(async () => {
  for (const { edge } of processes()) {
    await until('calls are gone', () => edge.calls.size === 0);
    await until('media sessions are gone', () => edge.bridging.relay.sessions === 0);
  }
  await until('no dialog is named any more', async () => (await stores.redis.keys('ringwire:dialog:*')).length === 0);
});

const phone = (t: Test, user: string, edge = east, realm = REALM): Promise<TestDevice> =>
  startDevice(t, { user, sipPort: edge.server.sipPort, realm });

const callBob = (): PlacedCall =>
  dial(fs, east.server, null, { uri: `sip:bob@${REALM}`, headers: { 'X-Jambonz-Routing': 'user' } });

/** What another telephone is told to send, so that it takes the place of this one. */
const replaces = ({ callId, state }: Dialog): { Replaces: string } => ({
  Replaces: `${callId};to-tag=${state.remoteTag};from-tag=${state.localTag}`,
});

/** The same while it rings. */
function replacesRinging({ callId, request, transaction }: IncomingCall): { Replaces: string } {
  const [ours, theirs] = [tagOf(transaction.makeResponse(180).get('To')), tagOf(request.get('From'))];
  return { Replaces: `${callId};to-tag=${theirs};from-tag=${ours};early-only` };
}

/** The feature server answers re-INVITEs, with and without an offer; how many there were. */
function answersReinvites(far: SipDialog): { count: number; saysReplaced: boolean } {
  const seen = { count: 0, saysReplaced: false };
  far.on('modify', (request, response) => {
    seen.count++;
    seen.saysReplaced = request.get('X-Jambonz-Replaced') === 'yes';
    accept(far, response);
  });
  return seen;
}

const accept = (far: SipDialog, response: SipResponse): void =>
  response.send(200, 'OK', {
    body: fs.sdp,
    headers: { Contact: far.local.contact, 'Content-Type': 'application/sdp' },
  });

const over = (far: SipDialog): Promise<void> => new Promise((resolve) => void far.on('destroy', () => resolve()));

/** The next call that a device gets. */
const nextCall = (device: TestDevice): Promise<IncomingCall> =>
  new Promise((resolve) => {
    device.behave = (call) => {
      device.behave = (later) => later.ring();
      resolve(call);
    };
  });

const registered = async (t: Test, user: string, edge = east): Promise<TestDevice> => {
  const device = await phone(t, user, edge);
  await device.register();
  t.teardown(() => device.register({ Contact: '*', Expires: '0' }));
  return device;
};

/** Other processes know of the call. */
const named = (): Promise<unknown> =>
  until('others can know', async () => (await stores.redis.keys('ringwire:dialog:*')).length === 1);

/** Bob was called by an application and talks with it. */
async function talking(t: Test): Promise<{ placed: PlacedCall; far: SipDialog; dialog: Dialog }> {
  const bob = await registered(t, 'bob');
  const answering = bob.answerNext();
  const placed = callBob();
  const { dialog } = await answering;
  const far = await placed.dialog;
  await named();
  return { placed, far, dialog };
}

/** Bob's telephone rings. */
async function ringing(t: Test): Promise<{ placed: PlacedCall; call: IncomingCall; cancelled: Promise<unknown[]> }> {
  const bob = await registered(t, 'bob');
  const arriving = nextCall(bob);
  const placed = callBob();
  const call = await arriving;
  const cancelled = once(call, 'cancel');
  call.ring();
  await until('it rings', () => placed.provisionals.includes(180));
  await named();
  return { placed, call, cancelled };
}

for (const [where, edgeOf, offers] of [
  ['the same edge', () => east, true],
  ['another edge, without an offer', () => west, false],
] as const) {
  t.test(`Replaces: a telephone at ${where} takes the place of a user who was called`, async (t) => {
    const { placed, far, dialog } = await talking(t);
    const reinvites = answersReinvites(far);
    const released = ended(dialog);
    const carol = await phone(t, 'carol', edgeOf());
    const taken = await (await carol.call(APPLICATION, replaces(dialog), offers)).answered;
    t.equal((await released).by, 'remote');
    t.same(reinvites, { count: 1, saysReplaced: true });
    await carol.audio.echoThrough(taken.remoteSdp);
    t.same(
      processes().map(({ edge }) => edge.calls.size),
      [0, 1, 0, 0],
      'the call is that of the process that placed it',
    );
    const farOver = over(far);
    if (offers) {
      await taken.bye();
      await farOver;
    } else {
      const hungUp = ended(taken);
      far.destroy({}, () => {});
      await hungUp;
    }
    const record = (await stores.event('call.ended', await placed.callId)).data;
    t.match(record, { trunk: 'user', terminationReason: offers ? 'called party hungup' : 'caller hungup' });
  });

  t.test(`Replaces: a telephone at ${where} picks up a call that rings`, async (t) => {
    const { placed, call, cancelled } = await ringing(t);
    const carol = await phone(t, 'carol', edgeOf());
    let reinvites = { count: 0, saysReplaced: false };
    void placed.dialog.then((far) => {
      reinvites = answersReinvites(far);
    });
    const picked = await (await carol.call(APPLICATION, replacesRinging(call), offers)).answered;
    const [cancel] = (await cancelled) as [{ get(name: string): string | undefined }];
    t.match(cancel.get('Reason'), /Call completed elsewhere/);
    const far = await placed.dialog;
    t.equal(reinvites.count, 1);
    await carol.audio.echoThrough(picked.remoteSdp);
    const farOver = over(far);
    await picked.bye();
    await farOver;
    const record = (await stores.event('call.ended', await placed.callId)).data;
    t.match(record, { answered: true, terminationReason: 'called party hungup' });
  });
}

for (const offers of [true, false]) {
  const how = offers ? 'with' : 'without';
  t.test(`Replaces: the place of a caller at another edge, ${how} an offer`, async (t) => {
    const alice = await phone(t, 'alice');
    const next = fs.nextDialog();
    const dialog = await (await alice.call(APPLICATION)).answered;
    const far = await next;
    answersReinvites(far);
    await named();
    const released = ended(dialog);
    const bob = await phone(t, 'bob', west);
    const taken = await (await bob.call(APPLICATION, replaces(dialog), offers)).answered;
    await released;
    await bob.audio.echoThrough(taken.remoteSdp);
    const hungUp = ended(taken);
    far.destroy({}, () => {});
    await hungUp;
    t.match((await stores.event('call.ended', dialog.callId)).data, { terminationReason: 'called party hungup' });
  });
}

t.test('Replaces: who may not, and calls that are unknown, answered or a caller’s own ringing: 481, 486', async (t) => {
  const { placed, call } = await ringing(t);
  const [carol, mallory] = [await phone(t, 'carol', west), await phone(t, 'mallory', west, OTHER_REALM)];
  const status = async (by: TestDevice, header: string): Promise<number> =>
    (await refusal(await by.call(APPLICATION, { Replaces: header }))).status;
  const { Replaces } = replacesRinging(call);
  t.equal(await status(mallory, Replaces), 481);
  t.equal(await status(carol, `x${Replaces}`), 481);
  const dialog = call.accept(fs.sdp)!;
  const far = await placed.dialog;
  answersReinvites(far);
  t.equal(await status(mallory, replaces(dialog).Replaces), 481);
  await until('it is known to be answered', async () => (await status(carol, Replaces)) === 486);
  await dialog.bye();
  await stores.event('call.ended', await placed.callId);
  t.equal(await status(carol, replaces(dialog).Replaces), 481, 'a call that is over');

  fs.onInvite = (_request, response) => response.send(180);
  const alice = await phone(t, 'alice');
  const own = await alice.call(APPLICATION);
  const [progress] = await once(own, 'progress');
  const tags = `to-tag=${tagOf(progress.get('To'))};from-tag=${tagOf(progress.get('From'))}`;
  t.equal(await status(carol, `${own.callId};${tags}`), 481, 'an early dialog that is not ours (RFC 3891 §3)');
  own.cancel();
  fs.onInvite = (request, response) => void fs.answer(request, response);
});

t.test('Replaces: a pick-up that the feature server does not take ends the call, on all sides', async (t) => {
  const { placed, call, cancelled } = await ringing(t);
  const farOver = placed.dialog.then((far) => {
    far.on('modify', (_request, response) => response.send(488));
    return over(far);
  });
  const carol = await phone(t, 'carol', west);
  t.equal((await refusal(await carol.call(APPLICATION, replacesRinging(call)))).status, 488);
  await cancelled;
  await farOver;
  const record = (await stores.event('call.ended', await placed.callId)).data;
  t.match(record, { answered: false, terminationReason: 'failed' });
});

t.test('Replaces: who picks up and gives up meanwhile ends the call', async (t) => {
  const { placed, call } = await ringing(t);
  let answer = (): void => {};
  const asked = placed.dialog.then(
    (far) =>
      new Promise<SipDialog>((resolve) => {
        far.on('modify', (_request, response) => {
          answer = () => accept(far, response);
          resolve(far);
        });
      }),
  );
  const carol = await phone(t, 'carol', west);
  const picking = await carol.call(APPLICATION, replacesRinging(call));
  const refused = refusal(picking);
  const far = await asked;
  const farOver = over(far);
  picking.cancel();
  t.equal((await refused).status, 487);
  answer();
  await farOver;
});

t.test('Replaces: a caller who hangs up while his call is picked up leaves nothing', async (t) => {
  const { placed, call } = await ringing(t);
  const carol = await phone(t, 'carol', west);
  const hungUp = placed.dialog.then(
    (dialog) =>
      new Promise<void>((resolve) => {
        dialog.on('modify', () => dialog.destroy({}, () => resolve()));
      }),
  );
  t.equal((await refusal(await carol.call(APPLICATION, replacesRinging(call)))).status, 603);
  await hungUp;
});

t.test('Replaces: a call that has just stopped ringing, and is put away still, cannot be picked up: 481', async (t) => {
  const { relay } = east.outbound.edge.bridging;
  const open = relay.session;
  let putAway = (): void => {};
  const held = new Promise<void>((resolve) => {
    putAway = resolve;
  });
  relay.session = (name) => {
    const session = open.call(relay, name);
    const forget = session.delete;
    session.delete = () => held.then(() => forget.call(session));
    return session;
  };
  t.teardown(() => {
    putAway();
    relay.session = open;
  });
  const { placed, call } = await ringing(t);
  const [key = ''] = await stores.redis.keys('ringwire:dialog:*');
  const owner = (await stores.redis.get(key)) ?? '';
  call.reject(486);
  await stores.event('call.ended', await placed.callId);
  await until('it is not named any more', async () => (await stores.redis.exists(key)) === 0);
  // Another process has read it before.
  await stores.redis.set(key, owner, 'PX', 30_000);
  const carol = await phone(t, 'carol');
  t.equal((await refusal(await carol.call(APPLICATION, replacesRinging(call)))).status, 481);
  t.equal(east.outbound.edge.calls.size, 1, 'it was there still');
  await stores.redis.del(key);
  putAway();
});

t.test('Replaces: a call of a process that is gone cannot be taken: 481', async (t) => {
  const { far, dialog, placed } = await talking(t);
  const { Replaces } = replaces(dialog);
  await stores.redis.set(
    `ringwire:dialog:${dialog.callId};to-tag=x;from-tag=y`,
    JSON.stringify({ owner: 'nobody', callSid: 'c', accountSid: SEED.accountSid, voipCarrierSid: null }),
    'PX',
    2_000,
  );
  const carol = await phone(t, 'carol', west);
  const header = `${dialog.callId};to-tag=x;from-tag=y`;
  t.not(header, Replaces);
  t.equal((await refusal(await carol.call(APPLICATION, { Replaces: header }))).status, 481);
  far.destroy({}, () => {});
  await stores.event('call.ended', await placed.callId);
});
