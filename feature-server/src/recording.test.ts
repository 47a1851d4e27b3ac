import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeS3 } from '@ringwire/common/testing/fake-s3.js';
import { tone, toneShare } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { callAsEdge, updateCall } from './testing/edge-agent.js';
import { ACCOUNT_SID, startPlatform } from './testing/platform-rig.js';

const CALLER_HZ = 500;
const PROMPT_HZ = 900;
const SPEECH = tone(CALLER_HZ, 60_000, -12);
const PROMPT = `tone_stream://L=-1;%(20000,0,${PROMPT_HZ})`;

/** A tenth of a second of a recording. */
type Part = 'both' | 'caller' | 'silence' | 'mixed up';

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'ringwire-recording-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** What is heard in a stereo recording, without the tenths between one thing and another. */
function course(wav: Buffer): Part[] {
  const data = wav.subarray(44);
  const parts: Part[] = [];
  for (let at = 0; at + 3200 <= data.length; at += 3200) {
    const both = new Int16Array(new Uint8Array(data.subarray(at, at + 3200)).buffer);
    const [left, right] = [0, 1].map((which) => both.filter((_, index) => index % 2 === which)) as [
      Int16Array,
      Int16Array,
    ];
    if (both.every((sample) => sample === 0)) parts.push('silence');
    else if (toneShare(left, CALLER_HZ) < 0.9) parts.push('mixed up');
    else if (toneShare(right, PROMPT_HZ) > 0.9) parts.push('both');
    else parts.push(right.every((sample) => Math.abs(sample) < 50) ? 'caller' : 'mixed up');
  }
  return parts.filter((part, index) => index > 0 && part === parts[index - 1] && part !== 'mixed up');
}

/** The same without repetitions. */
const changes = (parts: readonly Part[]): Part[] => parts.filter((part, index) => part !== parts[index - 1]);

t.test(
  'config.record: caller left, what it hears right, silence while it is paused, nothing after the stop',
  async (t) => {
    const s3 = await FakeS3.start(t);
    const spool = await folder(t);
    const rig = await startPlatform(t, {
      RECORDINGS_BUCKET: JSON.stringify(s3.credential('calls')),
      RECORDINGS_SPOOL_DIR: spool,
    });
    const record = (action: string) => ({
      verb: 'config',
      record: { action: `${action}CallRecording`, type: 'cloud' },
    });
    const menu = (actionHook: string) => ({
      verb: 'gather',
      input: ['digits'],
      numDigits: 1,
      play: { url: PROMPT },
      actionHook,
    });
    const start = { action: 'startCallRecording', type: 'cloud', recordingID: 'mine', recordEndHook: '/recorded' };
    rig.app.on('/hook', [{ verb: 'config', record: start }, menu('/pause')]);
    rig.app.on('/recorded', {});
    rig.app.on('/pause', [record('pause'), menu('/resume')]);
    rig.app.on('/resume', [record('resume'), menu('/stop')]);
    rig.app.on('/stop', [record('stop'), { verb: 'play', url: 'tone_stream://%(300,0,1300)' }]);
    const phone = await rig.call({ play: SPEECH });
    await phone.answered();
    for (const hook of ['/pause', '/resume', '/stop']) {
      const from = phone.heardSoFar().length;
      await until(() => phone.heardSoFar().length > from + 8_000);
      await phone.sendDtmf('1');
      await rig.app.next(hook);
    }
    await phone.finished;
    await s3.until(() => s3.objects.size > 0);
    const [[path, object]] = [...s3.objects] as [[string, { body: Buffer; headers: Record<string, string> }]];
    t.match(path, new RegExp(`^/calls/${ACCOUNT_SID}/\\d{4}/\\d\\d/\\d\\d/call-1\\.wav$`));
    t.match(object.headers, {
      'content-type': 'audio/wav',
      'x-amz-meta-call-sid': 'call-1',
      'x-amz-meta-account-sid': ACCOUNT_SID,
      'x-amz-meta-from': '15551234567',
      'x-amz-meta-direction': 'inbound',
    });
    const heard = course(object.body);
    t.same(changes(heard.filter((part) => part !== 'caller')), ['both', 'silence', 'both'], heard.join(' '));
    t.ok(heard.filter((part) => part === 'silence').length >= 5);
    await rig.server.drain();
    const url = rig.sink.events.find(({ type }) => type === 'call.recorded')?.data as { recordingUrl: string };
    t.match(url.recordingUrl, /^\/Accounts\/.*\/RecentCalls\/call-1\/record\/\d{4}\/\d\d\/\d\d\/wav$/);
    t.match((await rig.app.next('/recorded')).json, {
      call_status: 'completed',
      recording_id: 'mine',
      recording_url: url.recordingUrl,
      recording_duration: Number,
    });
    t.match(object.headers, { 'x-amz-meta-recording-id': 'mine' });
    t.same(await readdir(spool), [], 'nothing is left in the spool');
    t.same(rig.sink.alerts, []);
  },
);

t.test(
  'record_all_calls: a call is recorded from its answer to its end, into the folder of the operator',
  async (t) => {
    const dir = await folder(t);
    const spool = await folder(t);
    const rig = await startPlatform(t, { RECORDINGS_DIR: dir, RECORDINGS_SPOOL_DIR: spool }, () => ({
      recordAllCalls: true,
    }));
    rig.app.on('/hook', [{ verb: 'play', url: PROMPT }]);
    const phone = await rig.call({ play: SPEECH });
    await phone.answered();
    await until(() => phone.heardSoFar().length > 12_000);
    await phone.hangup();
    await rig.server.drain();
    t.match((await rig.app.next('/hook')).json, { has_recording: true });
    const files = await readdir(dir, { recursive: true });
    const wav = files.find((name) => name.endsWith('call-1.wav'));
    t.ok(wav?.startsWith(ACCOUNT_SID), String(files));
    const heard = changes(course(await readFile(join(dir, wav ?? ''))));
    t.ok(heard.includes('both'), heard.join(' '));
    t.same(rig.sink.alerts, []);
  },
);

t.test('a call that is to be recorded where nobody has a storage goes on without', async (t) => {
  const rig = await startPlatform(t, { RECORDINGS_SPOOL_DIR: await folder(t) }, () => ({ recordAllCalls: true }));
  rig.app.on('/hook', [
    { verb: 'config', record: { action: 'stopCallRecording', type: 'cloud' } },
    { verb: 'play', url: 'tone_stream://%(100,0,900)' },
  ]);
  t.equal((await (await rig.call()).finished).status, 200);
  t.match(rig.sink.alerts, [
    { alertType: 'recording-failure', message: /neither the account nor the operator has a storage/ },
  ]);
  t.ok(rig.sink.lines.some((line) => line.endsWith('record stopCallRecording: the call is not being recorded')));
  await rig.server.drain();
});

/** Looks again until it is so; fails after twenty seconds. */
async function until(isSo: () => boolean): Promise<void> {
  for (const giveUpAt = Date.now() + 20_000; Date.now() < giveUpAt; ) {
    if (isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come about within 20 s');
}

t.test('SIPREC: the edge of the call is told what to do, and what it answers is told to whoever asked', async (t) => {
  const rig = await startPlatform(t);
  const servers = ['sip:srs@one.example.com', 'sip:srs@two.example.com:5080;transport=tcp'];
  const start = {
    action: 'startCallRecording',
    siprecServerURL: servers,
    recordingID: 'mine',
    headers: { 'X-Ticket': 7 },
  };
  rig.app.on('/hook', [
    { verb: 'config', record: start },
    { verb: 'gather', input: ['digits'], numDigits: 1, timeout: 60, actionHook: '/digit' },
  ]);
  let status = 200;
  const { dialog, requests } = await callAsEdge(t, rig, { answer: () => status });
  const info = await requests.take();
  t.equal(info.method, 'INFO');
  t.match(
    ['X-Reason', 'X-Srs-Url', 'X-Srs-Recording-ID', 'X-Call-Sid', 'X-Account-Sid'].map((name) => info.get(name)),
    ['startCallRecording', servers.join(','), 'mine', 'call-1', ACCOUNT_SID],
  );
  t.same(JSON.parse(info.bodyText), { 'X-Ticket': '7' });
  const record = (action: string, more = {}): ReturnType<typeof updateCall> =>
    updateCall(rig, 'call-1', { record: { action: `${action}CallRecording`, ...more } });
  for (const action of ['pause', 'resume', 'stop']) {
    t.match(await record(action), { status: 202 });
    t.equal((await requests.take()).get('X-Reason'), `${action}CallRecording`);
  }
  t.same(rig.sink.alerts, []);
  status = 400;
  t.match(await record('pause', { type: 'siprec' }), { status: 422, body: { msg: 'the edge says no' } });
  status = 503;
  t.match(await record('start', { siprecServerURL: servers[0] }), { status: 422, body: { msg: /the edge says no/ } });
  t.match(await record('start', { siprecServerURL: 'https://srs.example.com' }), {
    status: 422,
    body: { msg: /siprecServerURL: "https:\/\/srs\.example\.com" is no SIP URI/ },
  });
  t.match(await record('start', { type: 'siprec' }), { status: 400, body: { msg: /siprecServerURL: is required/ } });
  const failures = rig.sink.alerts.filter(({ alertType }) => alertType === 'recording-failure');
  t.match(failures, [{ message: /is no SIP URI/ }]);
  await dialog.bye();
});
