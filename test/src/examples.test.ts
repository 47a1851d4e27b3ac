/** The applications of `examples/src/sdk`, written with jambonz' own client packages, each on a real call. */
import { startEcho } from '@ringwire/examples/sdk/echo.js';
import { startFindMe } from '@ringwire/examples/sdk/find-me.js';
import { startHotline } from '@ringwire/examples/sdk/hotline.js';
import { startIvr } from '@ringwire/examples/sdk/ivr.js';
import { callSomebody, remoteControl } from '@ringwire/examples/sdk/remote-control.js';
import type { RunningExample } from '@ringwire/examples/sdk/serve.js';
import { startSocketMenu } from '@ringwire/examples/sdk/socket-menu.js';
import { startVoicemail } from '@ringwire/examples/sdk/voicemail.js';
import { answerCalls, type PhoneCall } from '@ringwire/phone';
import { samplesSource } from '@ringwire/phone/audio-source.js';
import { tone } from '@ringwire/rtp';
import t from 'tap';
import { espeakReference, hears, hearsTone } from './support/audio.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';

t.setTimeout(300_000);
const ringwire = await openPlatform(t);
const { application, instance } = ringwire;

/** How much of a prompt has to be heard: enough to tell it from the others. */
const PROMPT_SAMPLES = 8_000;

/** Waits until a phone has heard the beginning of a text. */
async function hearsStart(call: PhoneCall, text: string): Promise<void> {
  const whole = await espeakReference(text);
  await hears(call, whole.subarray(0, Math.min(PROMPT_SAMPLES, whole.length)));
}

/** An example and the line that it has. It runs to the end of the file: the end of its last call is told to it after the call's test. */
async function lineOf(starting: Promise<RunningExample>): ReturnType<typeof ringwire.specialLine> {
  const example = await starting;
  t.teardown(() => example.close());
  return ringwire.specialLine({ callHook: example.callHook });
}

t.test('ivr: a wrong key is asked again, a right one ends the call with its department', async (t) => {
  const line = await lineOf(startIvr());
  const call = await ringwire.call(line.number);
  await hearsStart(call, 'Welcome. For sales, press 1. For support, press 2.');
  await call.sendDtmf('7');
  await hearsStart(call, 'Sorry, that is not one of the choices. For sales, press 1. For support, press 2.');
  await call.sendDtmf('2');
  await hearsStart(call, 'You chose support. Goodbye.');
  t.equal((await call.finished).endedBy, 'them');
  const { body } = await application.request(
    (request) => request.path === line.status && request.body.call_status === 'completed',
  );
  t.match(body, { customer_data: { department: 'support' }, call_termination_by: 'jambonz' });
});

t.test('socket-menu: hooks are answered over the WebSocket, and a redirect asks there again', async (t) => {
  const line = await lineOf(startSocketMenu());
  const call = await ringwire.call(line.number);
  await hearsStart(call, 'Press a key.');
  await call.sendDtmf('9');
  await hearsStart(call, 'The operator is not at her desk. Goodbye.');
  t.equal((await call.finished).endedBy, 'them');
});

t.test('find-me: who confirms with a key talks with the caller, the others stop ringing', async (t) => {
  const [home, mobile] = await Promise.all([
    answerCalls({ answerAfterMs: 50 }),
    answerCalls({ answerAfterMs: 'never' }),
  ]);
  t.teardown(() => Promise.all([home.close(), mobile.close()]));
  const uris = [home, mobile].map(({ host, port }) => `sip:bob@${host}:${port}`);
  const line = await lineOf(startFindMe(uris));
  const caller = await ringwire.call(line.number, { play: tone(700, 30_000) });
  const callee = await home.nextCall();
  const left = await mobile.nextCall();
  await hearsStart(callee, 'There is a call for you. Press 1 to take it.');
  await callee.sendDtmf('1');
  await hearsTone(callee, 700);
  await left.finished;
  await callee.hangup();
  t.equal((await caller.finished).endedBy, 'them');
});

t.test('hotline: an agent takes the caller who waits, and agents meet in a room', async (t) => {
  const numbers = { callers: '', agents: '' };
  const events: string[] = [];
  const running = startHotline(numbers, {}, ({ event, members }) => events.push(`${event} ${members}`));
  const callers = await lineOf(running);
  const { callHook } = await running;
  const [agents, room] = [await ringwire.specialLine({ callHook }), await ringwire.specialLine({ callHook })];
  Object.assign(numbers, { callers: callers.number, agents: agents.number });
  const caller = await ringwire.call(callers.number, { play: tone(700, 30_000) });
  await hearsStart(caller, 'You are number 1.');
  const agent = await ringwire.call(agents.number, { play: tone(1300, 30_000) });
  await Promise.all([hearsTone(agent, 700), hearsTone(caller, 1300)]);
  await agent.hangup();
  t.equal((await caller.finished).endedBy, 'them');

  const one = await ringwire.call(room.number, { play: tone(900, 30_000) });
  await one.answered();
  const other = await ringwire.call(room.number);
  await hearsTone(other, 900);
  await Promise.all([one.hangup(), other.hangup()]);
  await eventually(
    'the end of the room',
    () => events,
    (seen) => seen.some((event) => event.startsWith('end')),
  );
  t.match(events, ['join 1', 'join 2']);
});

t.test('voicemail: what the caller says is written down', async (t) => {
  const words: string[] = [];
  const line = await lineOf(startVoicemail({}, (_callSid, said) => words.push(said)));
  const call = await ringwire.call(line.number);
  const name = await espeakReference('This is James Miller.');
  await hearsTone(call, 1000);
  // The recognizer begins with the silence before the words.
  await call.play(samplesSource(new Int16Array([...new Int16Array(8000), ...name])));
  await eventually(
    'the words',
    () => words,
    (said) => said.length > 0,
    { timeoutMs: 15_000 },
  );
  t.match(words, [/\w/]);
  await call.hangup();
});

t.test('echo: what the caller says comes back over the sound’s WebSocket', async (t) => {
  let bytes = 0;
  const line = await lineOf(
    startEcho({}, (_callSid, count) => {
      bytes += count;
    }),
  );
  const call = await ringwire.call(line.number, { play: tone(700, 20_000) });
  await hearsTone(call, 700);
  t.ok(bytes > 0);
  await call.hangup();
  await call.finished;
});

t.test('remote-control: a call is placed, redirected and ended by REST', async (t) => {
  const phone = await answerCalls({ answerAfterMs: 50 });
  t.teardown(() => phone.close());
  application.answer('/controlled', [{ verb: 'pause', length: 60 }]);
  application.answer('/other', [
    { verb: 'say', text: 'This is the other application.' },
    { verb: 'pause', length: 60 },
  ]);
  application.answer('/controlled-status', { status: 204, text: '' });
  const hook = (path: string): string => new URL(path, application.url).href;
  const access = { baseUrl: instance.api.url, accountSid: instance.accountSid, apiKey: instance.api.key };
  const callSid = await callSomebody(access, {
    from: '15550002222',
    sipUri: `sip:bob@${phone.host}:${phone.port}`,
    callHook: hook('/controlled'),
    statusHook: hook('/controlled-status'),
  });
  const call = await phone.nextCall();
  await application.request('/controlled');
  const control = remoteControl(access, callSid);
  await eventually('the call is in progress', control.status, (status) => status === 'in-progress');
  await control.redirect(hook('/other'));
  await hearsStart(call, 'This is the other application.');
  await control.hangUp();
  t.equal((await call.finished).endedBy, 'them');
  const { body } = await application.request(
    (request) => request.path === '/controlled-status' && request.body.call_status === 'completed',
  );
  t.equal(body.call_sid, callSid);
});
