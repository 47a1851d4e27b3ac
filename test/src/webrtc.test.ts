import { createHash, randomUUID, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createLogger, openDatabase } from '@ringwire/common';
import { type AnsweringPhone, answerCalls, type PhoneCall } from '@ringwire/phone';
import { tone } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { startAnotherEdge } from './support/another-process.js';
import { hearsTone, tonePeriods } from './support/audio.js';
import { type BrowserPhone, noBrowser, openBrowserPhone } from './support/browser-phone.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';
import type { TestPlatform } from './support/test-platform.js';

t.setTimeout(300_000);

const REALM = 'browsers.example.com';
const PASSWORD = 'for the test only';
const ALICE_HZ = 700;
const BOB_HZ = 1100;
const TELEPHONE_HZ = 1500;

/** What a browser is told to believe: the public key of the certificate that the launcher made for this data folder. */
function publicKeyOf(certificateFile: string): string {
  const { publicKey } = new X509Certificate(readFileSync(certificateFile));
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}

const iceOf = (sdp: string): string | undefined => /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1];

/** Gives the account a realm with users. */
async function addUsers({ instance }: TestPlatform, names: readonly string[]): Promise<void> {
  const db = openDatabase(instance.mysql, { logger: createLogger({ name: 'test', level: 'warn' }) });
  try {
    await db.execute('UPDATE accounts SET sip_realm = ? WHERE account_sid = ?', [REALM, instance.accountSid]);
    for (const username of names) {
      await db.execute('INSERT INTO clients (client_sid, account_sid, username, password) VALUES (?)', [
        [randomUUID(), instance.accountSid, username, PASSWORD],
      ]);
    }
  } finally {
    await db.close();
  }
}

/** A telephone with G.711 that speaks a tone. */
async function telephone(t: Test): Promise<AnsweringPhone> {
  const made = await answerCalls({ play: tone(TELEPHONE_HZ, 20_000) });
  t.teardown(() => made.close());
  return made;
}

t.test('webrtc', { skip: noBrowser }, async (t) => {
  const ringwire = await openPlatform(t);
  const { application, instance } = ringwire;
  const { webrtc } = instance;
  if (webrtc === undefined) throw new Error('the SIP server of this platform takes no WebSockets');
  const spki = publicKeyOf(webrtc.certificate);
  const [alice, bob] = await Promise.all([
    openBrowserPhone(t, { voiceHz: ALICE_HZ, spki }),
    openBrowserPhone(t, { voiceHz: BOB_HZ, spki }),
  ]);

  // Awaited, because the users of the demo lose their realm to those of this test.
  await t.test('the softphone of the examples calls the menu, and a key is heard there', async (t) => {
    const user = instance.users.find(({ uri }) => uri.startsWith('sip:anna@'));
    const page = await alice.page.context().newPage();
    await page.goto(user?.softphone ?? '');
    await page.getByText('registered as anna@demo.localhost').waitFor();
    await page.getByRole('button', { name: '15550102' }).click();
    await page.getByText('connected').waitFor();
    await page.getByRole('button', { name: '1', exact: true }).click();
    await page.getByText('the other side hung up').first().waitFor();
    const record = await eventually(
      'the record',
      async () => (await ringwire.records()).find(({ from }) => from === 'anna'),
      (found) => found !== undefined,
    );
    const timeline = await ringwire.timeline(record?.call_sid ?? '');
    t.ok(
      timeline.some(({ text }) => text === 'gather: digits "1"'),
      'the key is on the timeline',
    );
    await page.close();
  });

  await addUsers(ringwire, ['alice', 'bob']);
  const desk = await telephone(t);
  const deskUri = `sip:desk@${desk.host}:${desk.port}`;
  // Making lines waits until they, and the users, are known on the call path.
  const toDesk = await ringwire.line([{ verb: 'dial', target: [{ type: 'sip', sipUri: deskUri }] }]);
  const toBob = await ringwire.line([{ verb: 'dial', target: [{ type: 'user', name: `bob@${REALM}` }] }]);
  const keys = await ringwire.lineWith(({ action }) => [
    { verb: 'gather', input: ['digits'], numDigits: 4, timeout: 20, actionHook: action },
  ]);
  application.answer(keys.action, [{ verb: 'hangup' }]);
  const direct = ({ applicationSid }: { applicationSid: string }): string => `sip:app-${applicationSid}@${REALM}`;

  /** Alice is connected with the telephone on the desk, and both hear each other. */
  const callDesk = async (): Promise<PhoneCall> => {
    await alice.call(direct(toDesk));
    await alice.event('confirmed');
    const call = await desk.nextCall();
    await hearsTone(call, ALICE_HZ, 30_000);
    await alice.hears(TELEPHONE_HZ);
    return call;
  };

  /** Of a stream that has just begun the browser does not know the codec yet. */
  const speaksOpus = (phone: BrowserPhone): Promise<unknown> =>
    eventually(
      'Opus both ways',
      () => phone.media(),
      ({ sent, received }) => sent === 'audio/opus' && received === 'audio/opus',
    );

  t.test('two browsers register over WSS; a wrong password is refused', async (t) => {
    const server = webrtc.wss;
    const wrong = alice.connect({ server, uri: `sip:alice@${REALM}`, password: 'wrong' });
    await t.rejects(wrong, /"registrationFailed".*"status":403/);
    t.match(await alice.connect({ server, uri: `sip:alice@${REALM}`, password: PASSWORD }), { status: 200 });
    t.match(await bob.connect({ server, uri: `sip:bob@${REALM}`, password: PASSWORD }), { status: 200 });
  });

  t.test('a browser calls a telephone: both hear each other, with Opus on its side', async (t) => {
    const call = await callDesk();
    await speaksOpus(alice);
    await alice.hangup();
    t.match(await alice.event('ended'), { originator: 'local' });
    t.equal((await call.finished).endedBy, 'them');
  });

  t.test('a telephone calls a browser: both hear each other, with Opus on its side', async (t) => {
    await bob.next();
    const caller = await ringwire.call(toBob.number, { play: tone(TELEPHONE_HZ, 20_000) });
    t.match(await bob.event('ringing'), { from: '15550001111' });
    await bob.answer();
    await bob.hears(TELEPHONE_HZ);
    await hearsTone(caller, BOB_HZ, 30_000);
    await eventually(
      'the media server is out of the call',
      async () => (await ringwire.metrics('media-server')).sum(/^media_server_sessions\b/),
      (count) => count === 0,
    );
    await bob.hears(TELEPHONE_HZ);
    const heard = caller.heardSoFar().length;
    await eventually(
      'the browser is heard',
      () => tonePeriods(caller.heardSoFar().subarray(heard), BOB_HZ).some(([start, end]) => end - start >= 200),
      Boolean,
    );
    await speaksOpus(bob);
    await caller.hangup();
    t.match(await bob.event('ended'), { originator: 'remote' });
  });

  t.test('a browser calls another: both hear each other', async (t) => {
    await bob.next();
    await alice.call(`sip:bob@${REALM}`);
    t.match(await bob.event('ringing'), { from: 'alice' });
    await bob.answer();
    await bob.hears(ALICE_HZ);
    await alice.hears(BOB_HZ);
    await bob.hangup();
    t.match(await alice.event('ended'), { originator: 'remote' });
  });

  t.test('a browser declines: the caller hears of it', async (t) => {
    await bob.next();
    await alice.call(`sip:bob@${REALM}`);
    await bob.event('ringing');
    await bob.hangup();
    t.match(await alice.outcome(), { type: 'failed', status: 480 });
  });

  t.test('keys of a browser reach the application, as RTP events and as INFO', async (t) => {
    for (const transport of ['RFC2833', 'INFO'] as const) {
      await alice.call(direct(keys));
      await alice.event('confirmed');
      await alice.sendDtmf('42#*', transport);
      t.match((await application.request(keys.action, 30_000)).body, { digits: '42#*' }, transport);
      await alice.event('ended');
    }
  });

  t.test('a browser holds a call and takes it back', async (t) => {
    const call = await callDesk();
    await alice.hold();
    t.match((await alice.sdp()).remote, /^a=(recvonly|inactive)/m);
    await alice.hearsNothing();
    await alice.unhold();
    t.match((await alice.sdp()).remote, /^a=sendrecv/m);
    await alice.hears(TELEPHONE_HZ);
    await alice.hangup();
    await call.finished;
  });

  t.test('a browser restarts ICE, as after a change of its network, and the sound goes on', async (t) => {
    const call = await callDesk();
    const before = await alice.sdp();
    await alice.renegotiate({ rtcOfferConstraints: { iceRestart: true } });
    const after = await alice.sdp();
    t.not(iceOf(after.local), iceOf(before.local));
    t.not(iceOf(after.remote), iceOf(before.remote));
    await alice.hears(TELEPHONE_HZ);
    await alice.hangup();
    await call.finished;
  });

  t.test('a browser transfers the telephone to another browser: those two hear each other', async (t) => {
    const call = await callDesk();
    await bob.next();
    const transfer = alice.refer(`sip:bob@${REALM}`);
    await bob.event('ringing');
    await bob.answer();
    await bob.hears(TELEPHONE_HZ);
    await hearsTone(call, BOB_HZ, 30_000);
    t.match(await transfer, { result: 'accepted' });
    await call.hangup();
    t.match(await bob.event('ended'), { originator: 'remote' });
  });

  t.test(
    'a browser consults another one before it connects the telephone with it: those two hear each other',
    async (t) => {
      const call = await callDesk();
      await alice.hold();
      await alice.consult();
      await bob.next();
      await alice.call(`sip:bob@${REALM}`);
      await bob.event('ringing');
      await bob.answer();
      await alice.hears(BOB_HZ);
      await bob.hears(ALICE_HZ);
      t.match(await alice.join(), { result: 'accepted' });
      await bob.hears(TELEPHONE_HZ);
      await hearsTone(call, BOB_HZ, 30_000);
      await call.hangup();
      t.match(await bob.event('ended'), { originator: 'remote' });
    },
  );

  t.test(
    'browsers at two edges: both ring, the first that answers has the call; one that is closed is not called',
    async (t) => {
      const { ws } = await startAnotherEdge(t, ringwire.platform, 'edge-two');
      await alice.change('jssip');
      await alice.connect({ server: ws, uri: `sip:bob@${REALM}`, password: PASSWORD });
      const ring = async (): Promise<PhoneCall> => {
        await Promise.all([alice.next(), bob.next()]);
        const caller = await ringwire.call(toBob.number, { play: tone(TELEPHONE_HZ, 20_000) });
        await Promise.all([bob.event('ringing'), alice.event('ringing')]);
        return caller;
      };
      for (const [quick, slow, hz] of [
        [bob, alice, BOB_HZ],
        [alice, bob, ALICE_HZ],
      ] as const) {
        const caller = await ring();
        await quick.answer();
        t.match(await slow.outcome(), { type: 'failed', originator: 'remote', cause: 'Canceled' });
        await quick.hears(TELEPHONE_HZ);
        await hearsTone(caller, hz, 30_000);
        await caller.hangup();
        await quick.event('ended');
      }
      await alice.connect({ server: ws, uri: `sip:alice@${REALM}`, password: PASSWORD });
      await alice.change('sipjs');
      const registered = `/v1/Accounts/${instance.accountSid}/RegisteredSipUsers`;
      await eventually(
        'a browser whose page is gone is not registered any more',
        () => ringwire.api<string[]>('GET', registered),
        (users) => !users.includes(`alice@${REALM}`),
      );
      await bob.call(`sip:alice@${REALM}`);
      t.match(await bob.outcome(), { type: 'failed', status: 480 });
    },
  );

  t.test('the same with SIP.js: it registers, calls, is called, holds, sends keys and transfers', async (t) => {
    await alice.change('sipjs');
    const server = webrtc.wss;
    t.match(await alice.connect({ server, uri: `sip:alice@${REALM}`, password: PASSWORD }), { status: 200 });

    const call = await callDesk();
    await speaksOpus(alice);
    await alice.hold();
    t.match((await alice.sdp()).remote, /^a=(recvonly|inactive)/m);
    await alice.hearsNothing();
    await alice.unhold();
    await alice.hears(TELEPHONE_HZ);
    await bob.next();
    const transfer = alice.refer(`sip:bob@${REALM}`);
    await bob.event('ringing');
    await bob.answer();
    await bob.hears(TELEPHONE_HZ);
    t.match(await transfer, { result: 'accepted' });
    await call.hangup();
    await bob.event('ended');

    for (const transport of ['RFC2833', 'INFO'] as const) {
      await alice.call(direct(keys));
      await alice.event('confirmed');
      await alice.sendDtmf('42#*', transport);
      t.match((await application.request(keys.action, 30_000)).body, { digits: '42#*' }, transport);
      await alice.event('ended');
    }

    await alice.next();
    await bob.call(`sip:alice@${REALM}`);
    t.match(await alice.event('ringing'), { from: 'bob' });
    await alice.answer();
    await alice.hears(BOB_HZ);
    await bob.hears(ALICE_HZ);
    await bob.hangup();
    t.match(await alice.event('ended'), { originator: 'remote' });
  });
});
