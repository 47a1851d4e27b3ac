import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { goertzel, readWav, tone } from '@ringwire/rtp';
import t from 'tap';
import { checkCause, connectAny, goneWith, isOurs, nextOf } from '../test-fsmrf.js';
import { folder, wavFile } from '../test-peer.js';

const any = await connectAny(t);
const { ms } = any;

t.test('Conference: what it knows, and its control leg', async (t) => {
  const conference = await any.room(t, { maxMembers: 3 });
  t.equal(conference.maxMembers, 3);
  t.ok(conference.memberId > 0);
  t.equal(conference.endpoint.conf.name, conference.name);
  t.equal(conference.endpoint.conf.uuid, conference.uuid);
  t.equal(conference.mediaserver, ms);
  t.match(conference.toJSON(), { name: conference.name, uuid: conference.uuid, maxMembers: 3 });
  t.equal(await conference.getSize(), 1);
});

t.test('Conference#get, set: parameters, and one that there is not', async (t) => {
  const conference = await any.room(t);
  t.equal(await conference.set('max_members', 100), '0');
  t.equal(await conference.get('max_members'), 100);
  t.equal(await conference.get('count'), 1);
  t.equal(await conference.get('profile_name'), 'default');
  t.match(await conference.get('no_such_thing'), /^get <parameter-name>/);
});

t.test('Conference#mute, unmute, deaf, undeaf: all at once', async (t) => {
  const conference = await any.room(t);
  const { ep } = await any.phone(t);
  const { memberId } = await ep.join(conference);
  for (const operation of ['mute', 'unmute', 'deaf', 'undeaf'] as const) {
    const lines = (await conference[operation]('all')).trimEnd().split('\n').sort();
    const wanted = [memberId, conference.memberId].map((id) => `+OK ${operation} ${id}`).sort();
    t.same(lines, wanted);
    t.equal(await conference[operation]('non_moderator').then((text) => text.split('\n').length), 3);
  }
  await t.rejects(conference.mute('9999'), /-ERR Non-Existant ID 9999|No Member/i);
});

t.test('Conference: who talks is told', async (t) => {
  const conference = await any.room(t);
  const { ep, media } = await any.phone(t);
  const { memberId } = await ep.join(conference);
  const began = nextOf(conference, 'startTalking');
  const ended = nextOf(conference, 'stopTalking');
  media.say(tone(600, 1000, -8));
  t.equal((await began).getHeader('Member-ID'), String(memberId));
  const event = await ended;
  t.equal(event.getHeader('Talking'), 'false');
  t.ok(Number(event.getHeader('talking-duration-ms')) > 500, `${event.getHeader('talking-duration-ms')}`);
});

t.test('Conference: the floor goes to who talks', async (t) => {
  const conference = await any.room(t);
  const { ep, media } = await any.phone(t);
  const { memberId } = await ep.join(conference);
  const changed = nextOf(conference, 'floorChange');
  media.say(tone(600, 1000, -8));
  t.equal((await changed).getHeader('New-ID'), String(memberId));
});

t.test('Conference#lock, unlock: a locked one takes nobody', async (t) => {
  const conference = await any.room(t);
  const { ep } = await any.phone(t);
  const locked = nextOf(conference, 'lock');
  t.equal(await conference.lock(), `+OK ${conference.name} locked\n`);
  await locked;
  await ep.execute('conference', conference.name);
  t.equal(await conference.getSize(), 1);
  t.equal(await conference.unlock(), `+OK ${conference.name} unlocked\n`);
  await ep.join(conference);
  t.equal(await conference.getSize(), 2);
});

t.test('Conference: when it is full nobody comes in any more', async (t) => {
  const conference = await any.room(t, { maxMembers: 2 });
  const first = await any.phone(t);
  await first.ep.join(conference);
  const second = await any.phone(t);
  await second.ep.execute('conference', conference.name);
  t.equal(await conference.getSize(), 2);
});

t.test('Conference#list: count, summary, members', async (t) => {
  const conference = await any.room(t);
  const { ep } = await any.phone(t);
  const { memberId } = await ep.join(conference);
  t.equal((await conference.list('count')).body.trim(), '2');
  t.match(
    await ms.api('conference list summary'),
    new RegExp(`\\+OK Conference ${conference.name} \\(2 members rate: \\d+`),
  );
  const rows = (await conference.list()).body.trimEnd().split('\n');
  t.equal(rows.length, 2);
  const row = rows.find((text) => text.startsWith(`${memberId};`))!.split(';');
  t.match(row[1], /^sofia\/drachtio_mrf\//);
  t.equal(row[2], ep.uuid);
  t.equal(row[5], 'hear|speak');
  t.same(row.slice(6), ['0', '0', '100']);
});

t.test('Conference#agc: of a member, to a level', async (t) => {
  const conference = await any.room(t);
  const { ep } = await any.phone(t);
  const { memberId } = await ep.join(conference);
  const changed = nextOf(conference, 'agcLevelMember');
  t.equal((await conference.agc(`${memberId} 900`)).body, `Agc ${memberId} = 900\n`);
  t.equal((await changed).getHeader('Member-ID'), String(memberId));
});

t.test('Conference#startRecording, pauseRecording, resumeRecording, chkRecord, stopRecording', async (t) => {
  const conference = await any.room(t);
  const { ep, media } = await any.phone(t);
  await ep.join(conference);
  const path = join(await folder(t), 'all.wav');
  t.match((await conference.chkRecord()).body, /not being recorded/);
  const started = nextOf(conference, 'startRecording');
  t.match(await conference.startRecording(path), /Record file/);
  t.equal((await started).getHeader('Path'), path);
  media.say(tone(800, 1500, -10));
  await any.pass(1000);
  t.match((await conference.chkRecord()).body, new RegExp(`Record file ${path}`));
  t.match(await conference.pauseRecording(path), /Pause recording/);
  t.match(await conference.resumeRecording(path), /Resume recording/);
  const stopped = nextOf(conference, 'stopRecording');
  t.match(await conference.stopRecording(path), /Stopped recording/);
  const event = await stopped;
  t.equal(event.getHeader('Path'), path);
  t.ok(Number(event.getHeader('Milliseconds-Elapsed')) > 500);
  const { pcm, sampleRateHz: rateHz } = readWav(await readFile(path));
  const parts = Array.from({ length: Math.floor((pcm.length * 10) / rateHz) }, (_, i) =>
    goertzel(pcm, 800, rateHz, (i * rateHz) / 10, ((i + 1) * rateHz) / 10),
  );
  t.ok(Math.max(...parts) > 1500, `${parts}`);
});

t.test('Conference#play: files after each other, with their length; a file that there is not', async (t) => {
  const conference = await any.room(t);
  const { ep, media } = await any.phone(t);
  await ep.join(conference);
  const file = await wavFile(t, tone(900, 600, -12));
  const begun = nextOf(conference, 'playFile');
  const playing = conference.play([file, file]);
  t.equal((await begun).getHeader('File'), file);
  const { seconds, milliseconds, samples } = await playing;
  // FreeSWITCH counts each sample of a conference's files twice.
  const times = isOurs ? 1 : 2;
  t.ok(Math.abs(milliseconds - 1200 * times) <= 80 * times, `${milliseconds}`);
  t.ok(Math.abs(samples - 9600 * times) <= 640 * times, `${samples}`);
  t.ok(seconds <= times, `${seconds}`);
  t.ok(goertzel(media.heard, 900, 8000) > 500);
  t.same(await conference.play('/no/such/file.wav'), { seconds: 0, milliseconds: 0, samples: 0 });
});

t.test(
  'Conference#destroy: its members are hung up, unless hangup_after_conference is false; with a callback',
  async (t) => {
    const conference = await any.room(t);
    const { ep } = await any.phone(t);
    const other = await any.phone(t);
    await ep.set('hangup_after_conference', 'false');
    await ep.join(conference);
    await other.ep.join(conference);
    const gone = goneWith(other.ep);
    await new Promise<void>((resolve, reject) => {
      void conference.destroy((error) => (error ? reject(error) : resolve()));
    });
    checkCause(t, await gone, 'NORMAL_CLEARING');
    t.match(await ms.api(`conference ${conference.name} list count`), /not found/);
    t.equal((await ep.play('silence_stream://100')).playbackMilliseconds, '100');
  },
);
