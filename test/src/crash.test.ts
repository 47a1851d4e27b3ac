import { once } from 'node:events';
import { tone } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { hearsTone, wavFile } from './support/audio.js';
import { eventually, within } from './support/eventually.js';
import { openPlatform } from './support/platform.js';
import type { Line } from './support/test-platform.js';

/** A caller is released after this at the latest. */
const RELEASE_MS = 35_000;
/** The platform takes calls again after this at the latest. */
const RECOVERY_MS = 20_000;
/** The record of a call whose edge died is closed by others once what Redis says of the call (30 s) has run out. */
const RECORD_MS = 100_000;

const ringwire = await openPlatform(t, {}, { looksForLeaks: false });
const { application, platform } = ringwire;
application.answer('/long.wav', { text: wavFile(tone(500, 50_000)), contentType: 'audio/wav' });
const good = await ringwire.line([{ verb: 'answer' }, { verb: 'hangup' }]);

/** Kills a process in the middle of a call and looks at what becomes of the call and of the platform. */
async function killDuringCall(t: Test, name: string, { callGoesOn }: { callGoesOn: boolean }): Promise<void> {
  const line = await ringwire.line([{ verb: 'play', url: `${application.url}/long.wav` }]);
  const call = await ringwire.call(line.number);
  await hearsTone(call, 500);
  const victim = platform.processes.get(name);
  if (!victim?.pid) throw new Error(`no process ${name}; there are ${[...platform.processes.keys()]}`);
  const oldPid = victim.pid;
  const back = once(victim, 'ready');
  process.kill(oldPid, 'SIGKILL');
  const killedAt = performance.now();

  await within(RECOVERY_MS, `${name} is started again`, back, () => ({ state: victim.state, pid: victim.pid }));
  t.not(victim.pid, oldPid, `${name} runs again`);
  if (callGoesOn) {
    const heard = call.heardSoFar().length;
    await eventually(
      'the call goes on',
      () => call.heardSoFar().length,
      (now) => now > heard + 8_000,
      { timeoutMs: 5_000 },
    );
    await call.hangup();
  }
  const result = await within(RELEASE_MS, 'the caller is released', call.finished, () => ({
    heard: call.heardSoFar().length,
  }));
  if (!callGoesOn) t.comment(`released after ${Math.round(performance.now() - killedAt)} ms, by ${result.endedBy}`);
  t.equal(result.endedBy, callGoesOn ? 'us' : 'them');

  await eventually(
    'the next call works',
    async () => (await (await ringwire.call(good.number)).finished).status,
    (status) => status === 200,
    { timeoutMs: RECOVERY_MS, everyMs: 500 },
  );
  cut.push({ name, line, sipCallId: result.sipCallId });
}

const isFinal = (status: unknown): boolean => ['completed', 'failed', 'busy', 'no-answer'].includes(String(status));
const cut: { name: string; line: Line; sipCallId: string }[] = [];

t.test('the feature server is killed', (t) => killDuringCall(t, 'feature-server', { callGoesOn: false }));
t.test('the media server is killed', (t) => killDuringCall(t, 'media-server', { callGoesOn: false }));
t.test('the core SIP server is killed', (t) => killDuringCall(t, 'sip-server-core', { callGoesOn: false }));
t.test('sbc-inbound is killed', (t) => killDuringCall(t, 'sbc-inbound', { callGoesOn: false }));
t.test('Redis is killed: the call goes on', (t) => killDuringCall(t, 'redis', { callGoesOn: true }));
t.test('MariaDB is killed: the call goes on', (t) => killDuringCall(t, 'mariadb', { callGoesOn: true }));
t.test('the API server is killed: the call goes on', (t) => killDuringCall(t, 'api-server', { callGoesOn: true }));
t.test('sbc-outbound is killed: the call goes on', (t) => killDuringCall(t, 'sbc-outbound', { callGoesOn: true }));

t.test('the edge SIP server is killed: the platform gives its calls up, and takes new ones', async (t) => {
  const line = await ringwire.line([{ verb: 'play', url: `${application.url}/long.wav` }]);
  const call = await ringwire.call(line.number);
  await hearsTone(call, 500);
  const victim = platform.processes.get('sip-server-edge');
  if (!victim?.pid) throw new Error('no edge');
  const back = once(victim, 'ready');
  process.kill(victim.pid, 'SIGKILL');
  await within(RECOVERY_MS, 'the edge is started again', back, () => victim.state);
  // The dialog is known to nobody any more: where no BYE can come, the caller is released by silence and may hang up.
  let ended = false;
  void call.finished.then(() => {
    ended = true;
  });
  await eventually(
    'the caller is released',
    () => ended || performance.now() - (call.arrivals.at(-1)?.atMs ?? 0) > 1_000,
    (released) => released,
    { timeoutMs: RELEASE_MS },
  );
  const { sipCallId, endedBy } = await within(
    RELEASE_MS,
    'the caller can hang up',
    call.hangup(),
    () => 'no answer to BYE',
  );
  t.comment(`the call was ended by ${endedBy}`);
  await eventually(
    'the next call works',
    async () => (await (await ringwire.call(good.number)).finished).status,
    (status) => status === 200,
    { timeoutMs: RECOVERY_MS, everyMs: 500 },
  );
  cut.push({ name: 'sip-server-edge', line, sipCallId });
});

t.test('no record is lost or doubled, and each call had exactly one final status', async (t) => {
  for (const { name, line, sipCallId } of cut) {
    await application.request(({ path, body }) => path === line.status && isFinal(body.call_status), RECORD_MS);
    t.match(await ringwire.record(sipCallId, RECORD_MS), { answered: true, to: line.number }, `${name}: one record`);
  }
  for (const { name, line } of cut) {
    const statuses = application.statuses(line.status);
    t.equal(statuses.filter(isFinal).length, 1, `${name}: one final status of ${statuses}`);
  }
});
