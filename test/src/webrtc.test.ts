import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type AnsweringPhone, answerCalls } from '@ringwire/phone';
import { tone } from '@ringwire/rtp';
import t from 'tap';
import { hearsTone } from './support/audio.js';
import { noBrowser, openBrowserPhone } from './support/browser-phone.js';
import { openPlatform } from './support/platform.js';

t.setTimeout(300_000);

const ALICE_HZ = 700;
const CALLEE_HZ = 1500;

/** What a browser is told to believe: the public key of the certificate that the launcher made for this data folder. */
function publicKeyOf(certificateFile: string): string {
  const { publicKey } = new X509Certificate(readFileSync(certificateFile));
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}

const iceOf = (sdp: string): string | undefined => /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1];

t.test('webrtc', { skip: noBrowser }, async (t) => {
  const ringwire = await openPlatform(t);
  const { application, instance } = ringwire;
  const { webrtc, sip } = instance;
  if (webrtc === undefined) throw new Error('the SIP server of this platform takes no WebSockets');
  const alice = await openBrowserPhone(t, { voiceHz: ALICE_HZ, spki: publicKeyOf(webrtc.certificate) });
  await alice.connect({ server: webrtc.wss, uri: `sip:alice@${sip.host}` });

  /** A telephone with G.711 that speaks a tone. */
  const phone = async (): Promise<AnsweringPhone> => {
    const made = await answerCalls({ play: tone(CALLEE_HZ, 20_000) });
    t.teardown(() => made.close());
    return made;
  };
  const callee = await phone();
  const dialCallee = [{ verb: 'dial', target: [{ type: 'sip', sipUri: `sip:bob@${callee.host}:${callee.port}` }] }];

  t.test('a browser calls a telephone over WSS: both hear each other, with Opus on its side', async (t) => {
    const { number } = await ringwire.line(dialCallee);
    await alice.call(`sip:${number}@${sip.host}`);
    const call = await callee.nextCall();
    await hearsTone(call, ALICE_HZ);
    await alice.hears(CALLEE_HZ);
    t.match(await alice.media(), { sent: 'audio/opus', received: 'audio/opus' });
    await alice.hangup();
    t.match(await alice.event('ended'), { originator: 'local' });
    t.equal((await call.finished).endedBy, 'them');
  });

  t.test('the telephone hangs up: the browser is told', async (t) => {
    const { number } = await ringwire.line(dialCallee);
    await alice.call(`sip:${number}@${sip.host}`);
    const call = await callee.nextCall();
    await alice.hears(CALLEE_HZ);
    await call.hangup();
    t.match(await alice.event('ended'), { originator: 'remote' });
  });

  t.test('keys of a browser reach the application, as RTP events and as INFO', async (t) => {
    const { number, action } = await ringwire.lineWith(({ action }) => [
      { verb: 'gather', input: ['digits'], numDigits: 4, timeout: 20, actionHook: action },
    ]);
    application.answer(action, [{ verb: 'hangup' }]);
    for (const transport of ['RFC2833', 'INFO'] as const) {
      await alice.call(`sip:${number}@${sip.host}`);
      await alice.event('confirmed');
      await alice.sendDtmf('42#*', transport);
      t.match((await application.request(action)).body, { digits: '42#*' }, transport);
      await alice.event('ended');
    }
  });

  t.test('a browser holds a call and takes it back', async (t) => {
    const { number } = await ringwire.line(dialCallee);
    await alice.call(`sip:${number}@${sip.host}`);
    const call = await callee.nextCall();
    await hearsTone(call, ALICE_HZ);
    await alice.hears(CALLEE_HZ);
    await alice.hold();
    t.match((await alice.sdp()).remote, /^a=(recvonly|inactive)/m);
    await alice.hearsNothing();
    await alice.unhold();
    t.match((await alice.sdp()).remote, /^a=sendrecv/m);
    await alice.hears(CALLEE_HZ);
    await alice.hangup();
    await call.finished;
  });

  t.test('a browser restarts ICE, as after a change of its network, and the sound goes on', async (t) => {
    const { number } = await ringwire.line(dialCallee);
    await alice.call(`sip:${number}@${sip.host}`);
    const call = await callee.nextCall();
    await alice.hears(CALLEE_HZ);
    const before = await alice.sdp();
    await alice.renegotiate({ rtcOfferConstraints: { iceRestart: true } });
    const after = await alice.sdp();
    t.not(iceOf(after.local), iceOf(before.local));
    t.not(iceOf(after.remote), iceOf(before.remote));
    await alice.hears(CALLEE_HZ);
    await alice.hangup();
    await call.finished;
  });
});
