import { randomUUID } from 'node:crypto';
import { once } from 'node:events';

import { createUserAgent, type Dialog } from '@ringwire/sip';
import t from 'tap';
import {
  type AnyMediaServer,
  type Connected,
  checkCause,
  connectAny,
  goneWith,
  type MediaServerClient,
  MrfClass,
  resemblance,
  type SrfRequest,
} from '../test-fsmrf.js';
import { chirp, PhoneMedia, refused, wavFile } from '../test-peer.js';
import type { Teardown } from '../test-phone.js';

/** How long FreeSWITCH lets its clients wait for a heartbeat when nothing else is configured. */
const HEARTBEAT_MS = 25_000;

const any: AnyMediaServer = await connectAny(t);
const { ms, mrf, srf, target, sipAddress } = any;

t.test('Mrf: knows its Srf, its addresses and its custom events', async (t) => {
  t.equal(mrf.srf, srf);
  t.ok(Array.isArray(mrf.localAddresses));
  t.same(mrf.customEvents, []);
  t.same(new MrfClass(srf, { customEvents: ['a::b'] }).customEvents, ['a::b']);
});

t.test('Mrf.utils.parseBodyText: counters become numbers, the rest stays text', async (t) => {
  const text = 'Event-Name: CHANNEL_DATA\nvariable_rtp_audio_in_packet_count: 12\nvariable_a: b%20c\n';
  t.same(MrfClass.utils.parseBodyText(text), {
    'Event-Name': 'CHANNEL_DATA',
    variable_rtp_audio_in_packet_count: 12,
    variable_a: 'b c',
  });
});

t.test('Mrf#connect: with a callback', async (t) => {
  const second = await new Promise<MediaServerClient>((resolve, reject) => {
    void mrf.connect(target, (error, found) => (error ? reject(error) : resolve(found)));
  });
  t.equal(second.connected(), true);
  second.destroy();
});

t.test('MediaServer: where it is, and what it can', async (t) => {
  t.equal(ms.address, '127.0.0.1');
  t.equal(ms.srf, srf);
  t.equal(ms.connected(), true);
  t.match(ms.sip.ipv4.udp.address, /^127\.0\.0\.1:\d+$/);
  t.equal(ms.hasCapability('udp'), true);
  t.equal(ms.hasCapability(['ipv4', 'udp']), true);
  t.equal(ms.hasCapability(['ipv4', 'dtls']), false);
  t.equal(ms.hasCapability(['ipv6', 'udp']), false);
  t.throws(() => ms.hasCapability('tcp'));
});

t.test('MediaServer: a heartbeat tells sessions, load and names', { timeout: 2 * HEARTBEAT_MS }, async (t) => {
  await once(ms.conn, 'esl::event::HEARTBEAT::**');
  t.ok(ms.maxSessions > 0);
  t.ok(ms.currentSessions >= 0);
  t.ok(ms.cps > 0);
  t.ok(ms.cpuIdle >= 0 && ms.cpuIdle <= 100);
  t.match(ms.hostname, /./);
  t.match(ms.v4address, /^\d+\.\d+\.\d+\.\d+$/);
  t.match(ms.v6address, /:/);
  t.match(ms.fsVersion, /^\d+\.\d+\.\d+/);
  t.match(ms.toJSON(), { sip: ms.sip, maxSessions: ms.maxSessions, hostname: ms.hostname });
});

t.test('MediaServer#api: with a promise, with a callback, and a command that there is not', async (t) => {
  t.match(await ms.api('status'), /^UP 0 years/);
  t.match(await new Promise((resolve) => void ms.api('version', resolve)), /^FreeSWITCH Version/);
  t.equal(await ms.api('no_such_command'), '-ERR no_such_command Command not found!\n');
  t.equal(await ms.api('echo hello world'), 'hello world');
});

t.test('MediaServer#createEndpoint: without a remote side', async (t) => {
  const opened = once(ms, 'channel::open');
  const ep = await ms.createEndpoint();
  const [open] = (await opened) as [{ uuid: string; countOfConnections: number }];
  t.equal(open.uuid, ep.uuid);
  t.equal(open.countOfConnections, 1);
  t.match(ep.local.sdp, /^m=audio \d+ RTP\/AVP/m);
  t.equal(ep.mediaserver, ms);
  const closed = once(ms, 'channel::close');
  await ep.destroy();
  const [close] = (await closed) as [{ uuid: string; countOfConnections: number }];
  t.equal(close.uuid, ep.uuid);
});

t.test('MediaServer#createEndpoint: with a callback', async () => {
  const { ep } = await new Promise<{ ep: Awaited<ReturnType<MediaServerClient['createEndpoint']>> }>(
    (resolve, reject) => {
      void ms.createEndpoint({}, (error, ep) => (error ? reject(error) : resolve({ ep })));
    },
  );
  await ep.destroy();
});

t.test('MediaServer#createEndpoint: for a remote side, in the order of codecs asked for', async (t) => {
  for (const codecs of ['PCMA', ['PCMU', 'PCMA']]) {
    const { ep, media } = await any.phone(t, { codecs });
    t.equal(media.agreement?.codec, typeof codecs === 'string' ? codecs : codecs[0]);
    t.equal(ep.remote.mediaPort, String(media.socket.port));
    t.equal(ep.remote.mediaIp, '127.0.0.1');
  }
});

t.test('MediaServer#createEndpoint: headers of the INVITE are variables', async (t) => {
  const { ep } = await any.phone(t, { headers: { 'X-Call-Sid': 'abc' } });
  t.equal((await ep.getChannelVariables())['variable_sip_h_X-Call-Sid'], 'abc');
});

t.test('MediaServer#createEndpoint: an offer that cannot be taken', async (t) => {
  await refused(t, 400, ms.createEndpoint({ remoteSdp: 'v=0\r\nthis is not SDP\r\n' }));
  const media = await PhoneMedia.open(t);
  const foreign = media
    .offer()
    .replace(/RTP\/AVP [\d ]+/, 'RTP/AVP 97')
    .replace(/a=rtpmap:.*\r\n/g, '');
  await refused(t, 488, ms.createEndpoint({ remoteSdp: `${foreign}a=rtpmap:97 NOSUCH/8000\r\n` }));
});

t.test('MediaServer#createEndpoint: refuses an offer that needs DTLS, which belongs to connectCaller', async (t) => {
  const media = await PhoneMedia.open(t);
  const remoteSdp = media.offer().replace('RTP/AVP', 'UDP/TLS/RTP/SAVPF');
  await t.rejects(async () => ms.createEndpoint({ remoteSdp }), /dtls handshake/);
});

let onInvite: (req: SrfRequest, res: object) => void;
srf.invite((req, res) => onInvite(req, res));

/** Someone who calls the application, which does with the call what `answer` says. */
async function callerOf(
  t: Teardown,
  answer: (req: SrfRequest, res: object) => Promise<Connected>,
): Promise<{ dialog: Dialog; media: PhoneMedia; connected: Connected }> {
  const agent = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] });
  t.teardown(() => agent.stop());
  const media = await PhoneMedia.open(t);
  const connected = new Promise<Connected>((resolve, reject) => {
    onInvite = (req, res) => void answer(req, res).then(resolve, reject);
  });
  const outgoing = agent.invite({ uri: `sip:app@${sipAddress}`, sdp: media.offer() });
  const dialog = await outgoing.answered;
  media.start(dialog.remoteSdp);
  const pair = await connected;
  // Its subscriptions are in force when a later command has been answered: without that its end may come before them.
  await pair.endpoint.api('echo', 'x');
  return { dialog, media, connected: pair };
}

t.test('MediaServer#connectCaller: the caller hears the endpoint', async (t) => {
  const { dialog, media, connected } = await callerOf(t, (req, res) =>
    ms.connectCaller(req, res, { codecs: ['PCMU'] }),
  );
  const { endpoint, dialog: theirs } = connected;
  t.equal(theirs.sip.callId.length > 0, true);
  t.equal(endpoint.secure, false);
  await endpoint.play(await wavFile(t, chirp(600)));
  await any.pass(60);
  t.ok(resemblance(media.heard, chirp(600)) > 0.97);
  const left = once(theirs, 'destroy');
  await dialog.bye();
  await left;
  await endpoint.destroy();
});

t.test('MediaServer#connectCaller: with a callback', async (t) => {
  const { connected } = await callerOf(
    t,
    (req, res) =>
      new Promise((resolve, reject) => {
        void ms.connectCaller(req, res, {}, (error, pair) => (error ? reject(error) : resolve(pair)));
      }),
  );
  const gone = goneWith(connected.endpoint);
  await ms.api(`uuid_kill ${connected.endpoint.uuid}`);
  checkCause(t, await gone, 'NORMAL_CLEARING');
  await connected.dialog.destroy();
});

t.test('MediaServer#createConference: by name, without a name, with a callback; a name that is taken', async (t) => {
  const name = `room-${randomUUID()}`;
  const conference = await ms.createConference(name, { maxMembers: 5 });
  t.match(conference, { name, maxMembers: 5 });
  t.match(conference.uuid, /^[0-9a-f-]{36}$/);
  await t.rejects(ms.createConference(name), 'conference exists');
  // FreeSWITCH executes nothing in a conference as long as the control leg has no media.
  await any.giveMedia(t, conference.endpoint);
  await conference.destroy();
  const anonymous = await ms.createConference();
  t.match(anonymous.name, /^anon-/);
  await any.giveMedia(t, anonymous.endpoint);
  await anonymous.destroy();
  const again = await new Promise<typeof conference>((resolve, reject) => {
    void ms.createConference(name, {}, (error, found) => (error ? reject(error) : resolve(found)));
  });
  await any.giveMedia(t, again.endpoint);
  await again.destroy();
});

t.test('MediaServer#disconnect: no endpoint after it', async (t) => {
  const second = await mrf.connect(target);
  second.disconnect();
  t.equal(second.connected(), false);
  await t.rejects(second.createEndpoint(), /mediaserver is not connected/);
});
