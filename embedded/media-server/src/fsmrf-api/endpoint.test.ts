import { randomUUID } from 'node:crypto';
import { findSilences, rms } from '@ringwire/rtp';
import t from 'tap';
import { checkCause, connectAny, type EslEvent, goneWith, isOurs, resemblance } from '../test-fsmrf.js';
import { chirp, PhoneMedia, wavFile } from '../test-peer.js';

const any = await connectAny(t, ['mine::made']);
const { ms } = any;

t.test('Endpoint: what it knows when it is ready', async (t) => {
  const { ep, media } = await any.phone(t);
  t.match(ep.uuid, /^[0-9a-f-]{36}$/);
  t.equal(ep.connected, true);
  t.equal(ep.muted, false);
  t.equal(ep.secure, false);
  t.equal(ep.dtmfType, 'rfc2833');
  t.match(ep.local, { mediaIp: '127.0.0.1', mediaPort: /^\d+$/, sdp: /^v=0/ });
  t.match(ep.remote, { mediaIp: '127.0.0.1', mediaPort: String(media.socket.port), sdp: /^v=0/ });
  t.equal(ep.sip.callId, ep.dialog!.sip.callId);
  t.match(ep.toJSON(), { uuid: ep.uuid, sip: ep.sip, local: ep.local, remote: ep.remote });
  t.throws(() => ep.srf, TypeError, 'fsmrf looks for its Srf where it is not');
});

t.test('Endpoint#set: one, many, with a callback, with characters that need care', async (t) => {
  const { ep } = await any.phone(t);
  await ep.set('one', '1');
  await new Promise<void>((resolve, reject) => {
    void ep.set('two', 'a b', (error) => (error ? reject(error) : resolve()));
  });
  await ep.set({ three: 'x y', four: "it's", five: 'a^b', six: 'a,b=c', seven: true });
  t.match(await ep.getChannelVariables(), {
    variable_one: '1',
    variable_two: 'a b',
    variable_three: 'x y',
    variable_four: "it's",
    variable_five: 'a^b',
    variable_six: 'a,b=c',
    variable_seven: 'true',
  });
  await ep.set('one', '');
  t.notOk('variable_one' in (await ep.getChannelVariables()), 'an empty value takes it away');
});

t.test('Endpoint#export: the variable, and that it is exported', async (t) => {
  const { ep } = await any.phone(t);
  await ep.export('a', '1');
  await ep.export({ b: '2', c: '3' });
  const variables = await ep.getChannelVariables();
  t.match(variables, { variable_a: '1', variable_b: '2', variable_c: '3', variable_export_vars: 'a,b,c' });
});

t.test('Endpoint#getChannelVariables: media counters as numbers when asked for', async (t) => {
  const { ep } = await any.phone(t);
  await ep.play('silence_stream://300');
  t.notOk('variable_rtp_audio_in_packet_count' in (await ep.getChannelVariables()));
  const variables = await new Promise<Record<string, string | number>>((resolve, reject) => {
    void ep.getChannelVariables(true, (error, found) => (error ? reject(error) : resolve(found)));
  });
  for (const name of [
    'in_packet_count',
    'in_media_packet_count',
    'out_packet_count',
    'in_raw_bytes',
    'out_raw_bytes',
  ]) {
    t.ok(Number(variables[`variable_rtp_audio_${name}`]) > 0, `${name} ${variables[`variable_rtp_audio_${name}`]}`);
  }
  t.equal(typeof variables.variable_rtp_audio_in_mos, 'number');
  for (const name of [
    'in_jitter_min_variance',
    'in_jitter_max_variance',
    'in_jitter_loss_rate',
    'in_jitter_burst_rate',
    'in_mean_interval',
    'in_flaw_total',
    'in_quality_percentage',
    'in_skip_packet_count',
    'in_dtmf_packet_count',
    'in_cng_packet_count',
    'in_flush_packet_count',
    'out_media_packet_count',
    'out_skip_packet_count',
    'out_dtmf_packet_count',
    'out_cng_packet_count',
    'rtcp_packet_count',
    'rtcp_octet_count',
  ]) {
    const found = variables[`variable_rtp_audio_${name}`];
    t.equal(typeof found, 'number', `${name} ${found}`);
  }
  t.match(variables, { 'Event-Name': 'CHANNEL_DATA', 'Unique-ID': ep.uuid, 'Channel-State': /^CS_/ });
});

t.test('Endpoint#api: words as a list or as a text, with a callback', async (t) => {
  const { ep } = await any.phone(t);
  t.equal((await ep.api('uuid_exists', ep.uuid)).body, 'true');
  t.equal((await ep.api('uuid_setvar', [ep.uuid, 'x', 'y'])).getBody(), '+OK\n');
  const { body } = await new Promise<EslEvent>((resolve) => {
    void ep.api('uuid_getvar', [ep.uuid, 'x'], (_error, event) => resolve(event));
  });
  t.equal(body, 'y');
});

t.test('Endpoint#execute: resolves with CHANNEL_EXECUTE_COMPLETE', async (t) => {
  const { ep } = await any.phone(t);
  const event = await ep.execute('set', 'a=1');
  t.equal(event.getHeader('Event-Name'), 'CHANNEL_EXECUTE_COMPLETE');
  t.equal(event.getHeader('Application'), 'set');
  t.equal(event.getHeader('Application-Data'), 'a=1');
  t.equal(event.getHeader('Application-Response'), '_none_');
  t.equal(event.getHeader('variable_current_application'), 'set');
  t.equal(event.getHeader('Unique-ID'), ep.uuid);
  const called = await new Promise<EslEvent>((resolve) => {
    void ep.execute('sleep', '50', (_error, found) => resolve(found));
  });
  t.equal(called.getHeader('Application'), 'sleep');
});

t.test('Endpoint#executeAsync: the callback has the event', async (t) => {
  const { ep } = await any.phone(t);
  const event = await new Promise<EslEvent>((resolve) => ep.executeAsync('sleep', '20', resolve));
  t.equal(event.getHeader('Application'), 'sleep');
});

t.test('Endpoint#execute: variables in the argument are put in', async (t) => {
  const { ep } = await any.phone(t);
  await ep.set('name', 'value');
  // biome-ignore lint/suspicious/noTemplateCurlyInString: FreeSWITCH's own way to write a variable.
  await ep.execute('set', 'copy=${name}-${none}');
  t.equal((await ep.api('uuid_getvar', [ep.uuid, 'copy'])).body, 'value-');
});

t.test('Endpoint#execute: an application that there is not ends the call', async (t) => {
  const { ep } = await any.phone(t);
  const gone = goneWith(ep);
  ep.executeAsync('no_such_application', '', () => undefined);
  checkCause(t, await gone, 'DESTINATION_OUT_OF_ORDER');
  t.equal(ep.connected, false);
});

t.test('Endpoint: custom events, those of the Mrf and those added, with JSON and with text', async (t) => {
  const { ep } = await any.phone(t);
  const heard: unknown[] = [];
  ep.on('mine::made', (body) => heard.push(body));
  const listener = (body: unknown): void => void heard.push(body);
  ep.addCustomEventListener('added::later', listener);
  ep.addCustomEventListener('added::later', listener);
  t.throws(() => ep.addCustomEventListener('CUSTOM added::later', listener));
  ep.resetEslCustomEvent();
  const made = async (subclass: string): Promise<void> => {
    await ep.execute('event', `Event-Name=CUSTOM,Event-Subclass=${subclass},Some-Header=x`);
  };
  await made('mine::made');
  await made('added::later');
  await made('not::wanted');
  await ep.execute('set', 'a=1');
  t.equal(heard.length, 2);
  ep.removeCustomEventListener('added::later', listener);
  await made('added::later');
  ep.removeCustomEventListener('mine::made');
  await made('mine::made');
  await ep.execute('set', 'a=2');
  t.equal(heard.length, 2);
});

t.test('Endpoint: channelCallState tells hold, unhold and the end', async (t) => {
  const { ep, media } = await any.phone(t);
  const states: string[] = [];
  ep.on('channelCallState', ({ state }) => states.push(state!));
  await ep.modify(media.offer().replace('a=sendrecv', 'a=sendonly'));
  await ep.modify(media.offer());
  await ep.execute('set', 'a=1');
  t.same(states, ['HELD', 'UNHELD', 'ACTIVE']);
  const gone = goneWith(ep);
  await ep.api('uuid_kill', [ep.uuid, 'USER_BUSY']);
  checkCause(t, await gone, 'USER_BUSY');
  if (isOurs) t.equal(states[3], 'HANGUP');
});

t.test('Endpoint#modify: a remote side for one that had none, then another', async (t) => {
  const ep = await ms.createEndpoint();
  t.teardown(() => ep.destroy());
  for (const codec of ['PCMU', 'PCMA'] as const) {
    const media = await PhoneMedia.open(t);
    const answer = await ep.modify(media.offer([codec]));
    t.match(answer, /^v=0/);
    t.match(ep.remote, { mediaPort: String(media.socket.port), sdp: new RegExp(`m=audio ${media.socket.port} `) });
    media.start(answer);
    t.equal(media.agreement?.codec, codec);
    await ep.play(await wavFile(t, chirp(600)));
    await any.pass(60);
    const coefficient = resemblance(media.heard, chirp(600));
    t.ok(coefficient > 0.97, `${codec} ${coefficient}`);
  }
});

t.test('Endpoint#modify: hold and unhold', async (t) => {
  const { ep, media } = await any.phone(t);
  await ep.modify('hold');
  t.match(ep.local.sdp, /a=(recvonly|inactive)/);
  await ep.modify('unhold');
  t.notMatch(ep.local.sdp, /a=(recvonly|inactive)/);
  const file = await wavFile(t, chirp(600));
  const before = media.heard.length;
  await ep.play(file);
  await any.pass(60);
  t.ok(resemblance(media.heard.slice(before), chirp(600)) > 0.97);
});

t.test('Endpoint#mute, unmute, toggleMute: the far side of a bridge hears nothing meanwhile', async (t) => {
  const { ep, media } = await any.phone(t);
  const other = await any.phone(t);
  await ep.bridge(other.ep);
  const heardWhile = async (): Promise<number> => {
    media.say(chirp(1200));
    await any.pass(300);
    const from = other.media.heard.length;
    await any.pass(500);
    const { heard } = other.media;
    media.say(new Int16Array(0));
    return heard.length > from ? rms(heard, from) : 0;
  };
  t.ok((await heardWhile()) > 2000);
  for (const [change, muted] of [
    [() => ep.mute(), true],
    [() => ep.unmute(), false],
    [() => ep.toggleMute(), true],
    [() => ep.toggleMute(), false],
  ] as const) {
    const event = await change();
    t.equal(event.getHeader('Application'), 'set_mute');
    t.equal(ep.muted, muted);
    const level = await heardWhile();
    t.ok(muted ? level < 30 : level > 2000, `${muted}: ${level}`);
  }
});

t.test('Endpoint#bridge, unbridge: both hear each other, then no more; what is not there', async (t) => {
  const a = await any.phone(t);
  const b = await any.phone(t);
  await t.rejects(a.ep.bridge(randomUUID()), /-ERR/);
  await a.ep.bridge(b.ep);
  a.media.say(chirp(800, 8000, 1));
  b.media.say(chirp(800, 8000, 3));
  await any.pass(1300);
  t.ok(resemblance(b.media.heard, chirp(800, 8000, 1)) > 0.95);
  t.ok(resemblance(a.media.heard, chirp(800, 8000, 3)) > 0.95);
  await a.ep.unbridge();
  await Promise.all([a.ep.play('silence_stream://100'), b.ep.play('silence_stream://100')]);
  const from = b.media.heard.length;
  a.media.say(chirp(800));
  const played = await b.ep.play('silence_stream://700');
  t.equal(played.playbackMilliseconds, '700', 'it still plays');
  t.equal(findSilences(b.media.heard, 1600, 30, from).length, 1, 'and hears nothing of the other');
  await new Promise<void>((resolve, reject) => {
    void a.ep.bridge(b.ep.uuid, (error) => (error ? reject(error) : resolve()));
  });
  await new Promise<void>((resolve, reject) => {
    void b.ep.unbridge((error) => (error ? reject(error) : resolve()));
  });
});

t.test('Endpoint#bridge: when one side is destroyed the other goes too, unless park_after_bridge', async (t) => {
  for (const parks of [false, true]) {
    const { ep: a } = await any.phone(t);
    const { ep: b } = await any.phone(t);
    if (parks) await b.set('park_after_bridge', 'true');
    await a.bridge(b);
    const gone = goneWith(b);
    await a.destroy();
    if (!parks) checkCause(t, await gone, 'NORMAL_CLEARING');
    else {
      // What is asked for while FreeSWITCH is on its way from the bridge to the park is lost.
      await any.pass(400);
      t.equal((await b.play('silence_stream://100')).playbackMilliseconds, '100');
      await b.destroy();
    }
  }
});

t.test('Endpoint#request: a request within its dialog', async (t) => {
  const { ep } = await any.phone(t);
  const response = await ep.request({
    method: 'INFO',
    headers: { 'Content-Type': 'application/dtmf-relay' },
    body: 'Signal=5\r\nDuration=160\r\n',
  });
  t.equal(response.status, 200);
});

t.test('Endpoint#filter: events of another channel can be asked for', async (t) => {
  const { ep } = await any.phone(t);
  const other = await any.phone(t);
  ep.filter('Unique-ID', other.ep.uuid);
  await ep.execute('set', 'a=1');
  const heard = new Promise<void>((resolve) => {
    ep.conn!.on(`esl::event::CHANNEL_EXECUTE_COMPLETE::${other.ep.uuid}`, () => resolve());
  });
  await other.ep.execute('set', 'b=1');
  await heard;
});

t.test('Endpoint#destroy: with a promise, with a callback, twice; nothing works after it', async (t) => {
  const first = await ms.createEndpoint();
  await first.destroy();
  await first.destroy();
  t.equal(first.connected, false);
  t.equal(await ms.api(`uuid_exists ${first.uuid}`), 'false');
  const second = await ms.createEndpoint();
  await new Promise<void>((resolve, reject) => {
    void second.destroy((error) => (error ? reject(error) : resolve()));
  });
  while (second.conn) await new Promise((resolve) => setImmediate(resolve));
  await t.rejects(second.api('status'), /no longer active/);
  await t.rejects(second.play('silence_stream://100'), /no longer active/);
});
