import { execFile } from 'node:child_process';
import { access, constants, lstat, mkdir, open, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tone } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { folder, serverUnderTest, startServer, type TestCall, TestCaller, wavFile } from './test-peer.js';

const NO_FIFOS = process.platform === 'win32' ? 'needs mkfifo' : false;
const NO_DEVICES = process.platform === 'linux' ? false : 'needs /proc and /dev/full of Linux';

/** FIFOs that nobody writes to: more than Node has threads for files. */
async function fifos(t: Test): Promise<string[]> {
  const dir = await folder(t);
  const paths = [1, 2, 3, 4, 5].map((number) => join(dir, `fifo${number}.wav`));
  await promisify(execFile)('mkfifo', paths);
  return paths;
}

/** The call plays a file that nobody has read yet, and its phone hears it. */
async function plays(t: Test, { esl, uuid, media }: TestCall): Promise<void> {
  const done = esl.execute(uuid, 'playback', await wavFile(t, tone(700, 1500)));
  await media.hearsNow(700);
  t.equal((await done)['Application-Response'], 'FILE PLAYED');
}

t.test('five FIFOs that are played are not found, and another call plays', { skip: NO_FIFOS }, async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  const paths = await fifos(t);
  const [other, ...calls] = await Promise.all([0, 1, 2, 3, 4, 5].map(() => caller.call()));
  const done = await Promise.all(calls.map(({ esl, uuid }, i) => esl.execute(uuid, 'playback', paths[i])));
  t.same(
    done.map((event) => event['Application-Response']),
    paths.map(() => 'FILE NOT FOUND'),
  );
  await Promise.all(calls.map(({ esl, uuid }, i) => esl.execute(uuid, 'playback', `tone_stream://path=${paths[i]}`)));
  await plays(t, other!);
});

t.test('nothing is recorded into FIFOs, read or not, and the call goes on', { skip: NO_FIFOS }, async (t) => {
  const call = await (await TestCaller.create(t, await startServer(t))).call();
  const { esl, uuid } = call;
  const paths = await fifos(t);
  const reader = await open(paths[0]!, constants.O_RDONLY | constants.O_NONBLOCK);
  t.teardown(() => reader.close());
  for (const path of paths) {
    for (const variables of ['', ' 0 {RECORD_APPEND=true}']) {
      t.equal(await esl.api(`uuid_record ${uuid} start ${path}${variables}`), '-ERR Cannot record session!\n');
    }
  }
  await plays(t, call);
});

t.test(
  'where no folder can be made a recording fails at once, and the call goes on',
  { skip: NO_DEVICES },
  async (t) => {
    const call = await (await TestCaller.create(t, await startServer(t))).call();
    const { esl, uuid } = call;
    const dir = await folder(t);
    const tooDeep = join(dir, ...Array.from({ length: 40 }, () => 'deeper'), 'x.wav');
    for (const path of ['/proc/nope/x.wav', '/proc/nope/more/x.wav', '/dev/full/x/y.wav', tooDeep]) {
      t.equal(await esl.api(`uuid_record ${uuid} start ${path}`), '-ERR Cannot record session!\n', path);
      await esl.execute(uuid, 'record_session', path);
      t.equal(await esl.api(`uuid_getvar ${uuid} record_completion_cause`), 'uri-failure');
    }
    await t.rejects(access(join(dir, 'deeper')), { code: 'ENOENT' }, 'nothing is begun');
    const newFolders = join(dir, 'a', 'b', 'c', 'x.wav');
    t.equal(await esl.api(`uuid_record ${uuid} start ${newFolders}`), '+OK Success\n');
    await plays(t, call);
  },
);

t.test('a recording into a device that is thrown away leaves the device', { skip: NO_DEVICES }, async (t) => {
  const { esl, uuid } = await (await TestCaller.create(t, await startServer(t))).call();
  const device = join(await folder(t), 'device.r8');
  await symlink('/dev/null', device);
  t.equal(await esl.api(`uuid_record ${uuid} start ${device} 0 {RECORD_MIN_SEC=60}`), '+OK Success\n');
  await esl.api(`uuid_record ${uuid} stop ${device}`);
  const stop = await esl.event((e) => e['Event-Name'] === 'RECORD_STOP');
  t.match(stop['Record-Completion-Cause'], /^(?:input-too-short|empty-file)$/);
  t.ok((await lstat(device)).isSymbolicLink());
});

t.test(
  'record hangs up when its file cannot be opened, but not without a file name',
  { skip: NO_DEVICES },
  async (t) => {
    const caller = await TestCaller.create(t, await serverUnderTest(t));
    const dir = await folder(t);
    await mkdir(join(dir, 'folder.wav'));
    for (const path of ['/proc/nope/x.wav', '/dev/full/x.wav', join(dir, 'folder.wav'), join(dir, 'x.zzz')]) {
      const { dialog, esl, uuid } = await caller.call();
      const ended = new Promise<{ request?: { get(name: string): string | undefined } }>((resolve) =>
        dialog.once('ended', resolve),
      );
      const done = await esl.execute(uuid, 'record', `${path} 30`);
      t.match(done, { 'Application-Response': '_none_', 'Hangup-Cause': 'DESTINATION_OUT_OF_ORDER' }, path);
      t.match((await ended).request?.get('Reason'), /^Q\.850;cause=27;/, path);
      const names = esl.events.map((event) => event['Event-Name']);
      t.notOk(names.includes('RECORD_START') || names.includes('RECORD_STOP'), 'nothing was recorded');
    }
    const call = await caller.call();
    const done = await call.esl.execute(call.uuid, 'record');
    t.equal(done['Hangup-Cause'], undefined);
    await plays(t, call);
  },
);
