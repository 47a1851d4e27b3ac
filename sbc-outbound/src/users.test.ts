import { once } from 'node:events';
import { flowToken, registrations } from '@ringwire/common';
import { connectSrf } from '@ringwire/common/sip/connect-srf.js';
import { asSipStack, type SipDialog, type SipRequest } from '@ringwire/common/sip/stack.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import { ended } from '@ringwire/sbc-inbound/testing/caller.js';
import { REALM, startDevice, type TestDevice } from '@ringwire/sbc-inbound/testing/device.js';
import { startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { openSeededDatabase } from '@ringwire/sbc-inbound/testing/stores.js';
import type { IncomingCall } from '@ringwire/sip';
import t, { type Test } from 'tap';
import { dial, type PlacedCall } from './testing/carriers.js';
import { inbox, sendText, startTwoEdges, type TestEdge } from './testing/two-edges.js';

t.setTimeout(180_000);

const { stores, fs, east, west, phone, addBinding } = await startTwoEdges(t);

const callUser = (
  user: string,
  options: { edge?: TestEdge; headers?: Record<string, string>; realm?: string } = {},
) => {
  const { edge = east, headers = {}, realm = REALM } = options;
  return dialUser(edge, `sip:${user}@${realm}`, headers);
};

function dialUser(edge: TestEdge, uri: string, headers: Record<string, string>): PlacedCall {
  return dial(fs, edge.server, null, { uri, headers: { 'X-Jambonz-Routing': 'user', ...headers } });
}

/** The next call that a device gets. */
const nextCall = (device: TestDevice): Promise<IncomingCall> =>
  new Promise((resolve) => {
    device.behave = (call) => {
      device.behave = (later) => later.ring();
      resolve(call);
    };
  });

async function nothingLeft(): Promise<void> {
  for (const { outbound } of [east, west]) {
    await until('calls are gone', () => outbound.edge.calls.size === 0);
    await until('media sessions are gone', () => outbound.edge.bridging.relay.sessions === 0);
  }
}

t.test(
  'a call to a user goes to where his device was heard, without internal headers, with media through the relay',
  async (t) => {
    for (const transport of ['udp', 'tcp'] as const) {
      const bob = await phone(t, 'bob', east, { transport });
      // What a device behind NAT says of itself cannot be reached.
      const contact = `sip:bob@192.168.77.7:5060;transport=${transport}`;
      t.equal((await bob.register({ Contact: `<${contact}>` })).status, 200);
      const arriving = nextCall(bob);
      const placed = callUser('bob', { headers: { 'X-Custom': 'kept', 'X-Override-To': 'line2' } });
      const call = await arriving;
      t.equal(call.request.uri, `sip:line2@192.168.77.7:5060;transport=${transport}`);
      t.match(call.request.get('From'), new RegExp(`<sip:15550002222@${REALM}>`));
      t.equal(call.request.get('To'), `<sip:bob@${REALM}>`);
      t.equal(call.request.get('X-Custom'), 'kept');
      for (const name of ['X-Account-Sid', 'X-Call-Sid', 'X-Jambonz-Routing', 'X-Override-To', 'X-Jambonz-Flow']) {
        t.notOk(call.request.has(name), name);
      }
      const far = call.accept(bob.audio.sdp)!;
      const own = await placed.dialog;
      await bob.audio.echoThrough(call.sdp);
      const over = new Promise((resolve) => void own.on('destroy', resolve));
      await far.bye();
      await over;
      const record = (await stores.event('call.ended', await placed.callId)).data;
      t.match(record, { trunk: 'user', answered: true, terminationReason: 'called party hungup' });
      await bob.register({ Contact: '*', Expires: '0' });
    }
    await nothingLeft();
  },
);

t.test('a user whom an application transfers to a number calls it at the realm, not at his own device', async (t) => {
  const bob = await phone(t, 'bob');
  t.equal((await bob.register()).status, 200);
  const arriving = nextCall(bob);
  const placed = callUser('bob');
  const far = (await arriving).accept(bob.audio.sdp)!;
  const own = await placed.dialog;
  const heard = new Promise<{ get(name: string): string | undefined }>((resolve) =>
    far.once('request', (transaction) => {
      transaction.reply(202);
      resolve(transaction.request);
    }),
  );
  const headers = { 'Refer-To': '<sip:+4930@127.0.0.9;user=phone>', 'Referred-By': '<sip:15550002222@localhost>' };
  const answered = new Promise<number>((resolve, reject) =>
    own.request({ method: 'REFER', headers }, (error, response) =>
      response ? resolve(response.status) : reject(error),
    ),
  );
  t.equal((await heard).get('Refer-To'), `<sip:+4930@${REALM};user=phone>`);
  t.equal(await answered, 202);
  await far.bye();
  await nothingLeft();
  await bob.register({ Contact: '*', Expires: '0' });
});

t.test(
  'all devices ring at the same time, the first answer gets the call, the others hear that it was answered elsewhere',
  async (t) => {
    const devices = [
      await phone(t, 'bob'),
      await phone(t, 'bob', east, { transport: 'tcp' }),
      await phone(t, 'bob', west),
    ];
    for (const device of devices) t.equal((await device.register()).status, 200);
    const arriving = devices.map(nextCall);
    const placed = callUser('bob');
    const calls = await Promise.all(arriving);
    const cancelled = [calls[0]!, calls[2]!].map(
      (call) => new Promise<string>((resolve) => call.once('cancel', (cancel) => resolve(cancel.get('Reason') ?? ''))),
    );
    for (const call of calls) call.ring();
    await until('it rings', () => placed.provisionals.includes(180));
    const far = calls[1]!.accept(devices[1]!.audio.sdp)!;
    const own = await placed.dialog;
    t.match(await Promise.all(cancelled), [/Call completed elsewhere/, /Call completed elsewhere/]);
    await devices[1]!.audio.echoThrough(calls[1]!.sdp);
    const over = ended(far);
    own.destroy({}, () => {});
    t.equal((await over).by, 'remote');
    await nothingLeft();
    for (const device of devices) await device.register({ Contact: '*', Expires: '0' });
  },
);

t.test('a device at another edge is called by way of that edge, which stays on the way', async (t) => {
  const bob = await phone(t, 'bob', west, { transport: 'tcp' });
  await bob.register();
  const arriving = nextCall(bob);
  const placed = callUser('bob', { edge: east });
  const call = await arriving;
  const vias = call.request.getAll('Via').map((via) => /:(\d+)/.exec(via)?.[1]);
  t.same(vias, [`${west.server.sipPort}`, `${east.server.sipPort}`]);
  const far = call.accept(bob.audio.sdp)!;
  const own = await placed.dialog;
  await bob.audio.echoThrough(call.sdp);
  t.equal(west.outbound.edge.calls.size, 0, 'the call is that of the first edge');
  const over = new Promise((resolve) => void own.on('destroy', resolve));
  await far.bye();
  await over;
  await nothingLeft();
  await bob.register({ Contact: '*', Expires: '0' });
});

t.test(
  'an edge sends nothing but to devices that are registered at it, whoever asks from the address of another',
  async (t) => {
    const bob = await phone(t, 'bob', west);
    await bob.register();
    const [kept] = await registrations(stores.redis).bindingsOf({ user: 'bob', realm: REALM });
    const status = async (to: string, token: string): Promise<number> => {
      const host = `127.0.0.1:${west.server.sipPort}`;
      const headers = { To: to, 'X-Jambonz-Flow': token, From: '<sip:a@b>' };
      return await new Promise((resolve, reject) =>
        east.outbound.edge.stack.request(
          'sip:bob@192.168.77.7',
          {
            method: 'MESSAGE',
            headers: { ...headers, 'Content-Type': 'text/plain' },
            body: 'hi',
            proxy: `sip:${host}`,
          },
          (error, request) => {
            if (error || !request) return reject(error);
            request.on('response', (response) => resolve(response.status));
          },
        ),
      );
    };
    const got = inbox(bob);
    const known = `<sip:bob@${REALM}>`;
    t.equal(await status(known, flowToken('sip:somebody@else')), 480);
    t.equal(await status(`<sip:alice@${REALM}>`, flowToken(kept!.id)), 480);
    t.same(got, []);
    t.equal(await status(known, flowToken(kept!.id)), 200);
    t.equal(got.length, 1);
    await bob.register({ Contact: '*', Expires: '0' });
  },
);

/** A proxy before the edges, as an operator writes one with drachtio-srf: it stays on the way of registrations and of calls. */
async function startProxy(t: Test, registrar: TestEdge): Promise<{ sipPort: number; seen: string[] }> {
  const server = await startServerProcess(t);
  const srf = await connectSrf({
    ...{ host: '127.0.0.1', port: server.controlPort, secret: 'cymru', logger: silentLogger() },
  });
  t.teardown(() => srf.link.close());
  const stack = asSipStack(srf);
  const seen: string[] = [];
  const proxy = (request: SipRequest, to: string): void => {
    seen.push(request.method);
    stack.proxyRequest(request, [to], { remainInDialog: true }).catch((error: unknown) => seen.push(String(error)));
  };
  stack.register((request) => proxy(request, `sip:127.0.0.1:${registrar.server.sipPort}`));
  stack.invite((request) => proxy(request, request.uri));
  stack.message((request) => proxy(request, request.uri));
  return { sipPort: server.sipPort, seen };
}

t.test(
  'a device behind a proxy registers with its Path, and is called, hung up on and written to by way of it',
  async (t) => {
    const proxy = await startProxy(t, east);
    for (const transport of ['udp', 'tcp'] as const) {
      const bob = await startDevice(t, { user: 'bob', sipPort: proxy.sipPort, transport });
      // Not where it is heard: what the edge knows is the proxy.
      const registered = await bob.register({ Supported: 'path' });
      t.equal(registered.status, 200);
      t.match(registered.get('Path'), `<sip:127.0.0.1:${proxy.sipPort}`);
      for (const [edge, who] of [
        [east, 'device'],
        [west, 'caller'],
      ] as const) {
        const arriving = nextCall(bob);
        const placed = callUser('bob', { edge });
        const call = await arriving;
        t.equal(call.request.uri, bob.contact);
        t.notOk(call.request.has('Route'));
        t.match(call.request.getAll('Via')[0], `127.0.0.1:${proxy.sipPort}`);
        const far = call.accept(bob.audio.sdp)!;
        const own = await placed.dialog;
        await bob.audio.echoThrough(call.sdp);
        const over = who === 'device' ? new Promise((resolve) => void own.on('destroy', resolve)) : ended(far);
        if (who === 'device') await far.bye();
        else own.destroy({}, () => {});
        await over;
      }
      const got = inbox(bob);
      t.equal((await sendText(await phone(t, 'alice', west), 'bob')).status, 200);
      t.equal(got.length, 1);
      await bob.register({ Contact: '*', Expires: '0' });
    }
    t.same([...new Set(proxy.seen)].sort(), ['INVITE', 'MESSAGE', 'REGISTER']);
    await nothingLeft();
  },
);

t.test('the caller gives up: every device is cancelled', async (t) => {
  const devices = [await phone(t, 'bob'), await phone(t, 'bob', west)];
  for (const device of devices) await device.register();
  const arriving = devices.map(nextCall);
  const placed = callUser('bob');
  const calls = await Promise.all(arriving);
  const cancelled = calls.map((call) => once(call, 'cancel'));
  for (const call of calls) call.ring();
  await until('it rings', () => placed.provisionals.includes(180));
  placed.giveUp();
  await Promise.all(cancelled);
  t.equal(await placed.status(), 487);
  await nothingLeft();
  for (const device of devices) await device.register({ Contact: '*', Expires: '0' });
});

t.test('nobody answers: the caller hears what says most; a device that declines for all ends it for all', async (t) => {
  const devices = [await phone(t, 'bob'), await phone(t, 'bob', east, { transport: 'tcp' })];
  for (const device of devices) await device.register();
  const outcome = async (first: number, second: number): Promise<number> => {
    devices[0]!.behave = (call) => call.reject(first);
    devices[1]!.behave = (call) => call.reject(second);
    return await callUser('bob').status();
  };
  t.equal(await outcome(480, 486), 486);
  t.equal(await outcome(486, 500), 486);
  t.equal(await outcome(404, 603), 603);
  t.equal(await outcome(302, 603), 603);
  // Whoever is first: the other waits until the first is acknowledged, with which a transaction over TCP ends.
  for (const [first, later] of [
    [302, 486],
    [404, 302],
  ] as const) {
    const arriving = devices.map(nextCall);
    const placed = callUser('bob');
    const [overUdp, overTcp] = (await Promise.all(arriving)) as [IncomingCall, IncomingCall];
    const acked = once(overTcp.transaction, 'terminated');
    overTcp.reject(first);
    await acked;
    overUdp.reject(later);
    t.equal(await placed.status(), 302, `${first}, then ${later}`);
  }
  const ringing = nextCall(devices[0]!);
  devices[1]!.behave = () => {};
  const declining = nextCall(devices[1]!);
  const placed = callUser('bob');
  const call = await ringing;
  const cancelled = once(call, 'cancel');
  call.ring();
  (await declining).reject(603);
  await cancelled;
  t.equal(await placed.status(), 603);
  await nothingLeft();
  for (const device of devices) await device.register({ Contact: '*', Expires: '0' });
});

t.test(
  '404 for users that nobody has and those of other accounts, 480 for one without a device, 400 for nonsense',
  async (t) => {
    t.equal(await callUser('nobody').status(), 404);
    t.equal(await callUser('alice').status(), 480);
    t.equal(await callUser('alice', { realm: 'two.example.com' }).status(), 404);
    const other = await callUser('alice', { headers: { 'X-Account-Sid': SEED.siblingAccountSid } }).status();
    t.equal(other, 404, 'the users of another account are no business of this one');
    t.equal(await dialUser(east, `sip:${REALM}`, {}).status(), 400);
  },
);

t.test('who is no user any more is not called, though his device is registered still', async (t) => {
  const leaver = await phone(t, 'leaver1');
  t.equal((await leaver.register()).status, 200);
  const arriving = nextCall(leaver);
  const placed = callUser('leaver1');
  const call = await arriving;
  call.reject(486);
  t.equal(await placed.status(), 486);
  const db = openSeededDatabase(stores.env);
  await db.execute("DELETE FROM clients WHERE username = 'leaver1'", []);
  await db.close();
  await east.outbound.edge.provisioning.reload();
  t.equal(await callUser('leaver1').status(), 404);
  t.equal(leaver.invites.length, 1);
});

t.test('a browser for whose media there is no relay keeps no telephone of the user from ringing', async (t) => {
  const bob = await phone(t, 'bob');
  await bob.register();
  await addBinding('bob', { transport: 'ws' });
  const arriving = nextCall(bob);
  const placed = callUser('bob');
  (await arriving).reject(486);
  t.equal(await placed.status(), 486);
  await nothingLeft();
  await bob.register({ Contact: '*', Expires: '0' });
});

t.test('a device whose connection is gone is one that cannot be reached', async (t) => {
  const bob = await phone(t, 'bob', east, { transport: 'tcp' });
  await bob.register();
  await bob.agent.stop();
  t.equal(await callUser('bob').status(), 480);
  await registrations(stores.redis).register({
    ...{ aor: { user: 'bob', realm: REALM }, callId: 'cleanup', cseq: 1, changes: 'all', maxUsers: null },
  });
});

t.test(
  'a device with two connections is called, and written to, over the one it made last, the other is for when that fails',
  async (t) => {
    const alice = await phone(t, 'alice');
    const flows = [await phone(t, 'bob', west), await phone(t, 'bob', east, { transport: 'tcp' })];
    for (const [index, flow] of flows.entries()) {
      const instance = `;+sip.instance="<urn:uuid:b>";reg-id=${index + 1}`;
      t.equal((await flow.register({ Contact: `<${flow.contact}>${instance}`, Supported: 'path' })).status, 200);
    }
    const [older, newer] = flows as [TestDevice, TestDevice];
    for (const [status, count] of [
      [486, 0],
      [430, 1],
    ] as const) {
      newer.behave = (call) => call.reject(status);
      older.behave = (call) => call.reject(486);
      t.equal(await callUser('bob').status(), 486);
      t.equal(older.invites.length, count);
    }
    t.equal(newer.invites.length, 2);
    await nothingLeft();
    const spare = inbox(older);
    const first = inbox(newer);
    t.equal((await sendText(alice, 'bob')).status, 200);
    t.same([first.length, spare.length], [1, 0]);
    inbox(newer, 430);
    t.equal((await sendText(alice, 'bob')).status, 200);
    t.equal(spare.length, 1);
    for (const flow of flows) await flow.register({ Contact: '*', Expires: '0' });
  },
);

t.test('a user with as many calls as he may have is busy', async (t) => {
  const busy = await phone(t, 'busy12');
  await busy.register();
  const answering = busy.answerNext();
  const first = callUser('busy12');
  await answering;
  const own: SipDialog = await first.dialog;
  t.equal(await callUser('busy12').status(), 486);
  own.destroy({}, () => {});
  await nothingLeft();
});

t.test('the way to an edge is no way in: strangers cannot send calls to devices', async (t) => {
  const bob = await phone(t, 'bob', west);
  await bob.register();
  const mallory = await phone(t, 'mallory');
  const [kept] = await registrations(stores.redis).bindingsOf({ user: 'bob', realm: REALM });
  const call = await mallory.call('bob', { 'X-Jambonz-Flow': flowToken(kept!.id) });
  const failure = await call.answered.then(
    () => ({ status: 200 }),
    (error: { status: number }) => error,
  );
  t.equal(failure.status, 403);
  t.equal(bob.invites.length, 0);
});
