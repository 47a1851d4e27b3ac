import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { goertzel, readWav, tone } from '@ringwire/rtp';
import t from 'tap';
import { connectFsmrf } from '../test-fsmrf.js';
import { folder, PhoneMedia, wavFile } from '../test-peer.js';

t.test('fsmrf: a conference is created, joined, played to, recorded and destroyed', async (t) => {
  const { server, ms } = await connectFsmrf(t);
  const phone = await PhoneMedia.open(t);
  const ep = await ms.createEndpoint({ remoteSdp: phone.offer() });
  phone.start(ep.local.sdp);
  const conference = await ms.createConference('meeting', { maxMembers: 4 });
  t.equal(conference.maxMembers, 4);
  const { memberId, confUuid } = await ep.join(conference, { flags: { moderator: true } });
  t.equal(confUuid, conference.uuid);
  t.not(memberId, conference.memberId);
  t.match(await ms.api('conference meeting list count'), /^2$/);
  t.match(await ep.confMute(), /^\+OK mute/);
  t.match(await ep.confUnmute(), /^\+OK unmute/);
  t.match(await ep.confDeaf(), /^\+OK deaf/);
  t.match(await ep.confUndeaf(), /^\+OK undeaf/);
  await ep.api('conference', ['meeting', 'tag', String(memberId), 'agent']);
  t.same(await ep.getNonMatchingConfParticipants('meeting', 'agent'), [conference.memberId]);
  const path = join(await folder(t), 'meeting.wav');
  t.match(await conference.startRecording(path), /Record file/);
  const file = await wavFile(t, tone(800, 500, -18));
  const played = await conference.play([file, 'silence_stream://100']);
  t.same(played, { seconds: 0, milliseconds: 600, samples: 4800 });
  t.ok(goertzel(phone.heard, 800, 8000, phone.heard.length - 6400) > 600);
  t.match(await conference.pauseRecording(path), /Pause/);
  t.match(await conference.resumeRecording(path), /Resume/);
  const stopped = new Promise((resolve) => conference.once('stopRecording', resolve));
  t.match(await conference.stopRecording(path), /Stopped/);
  await stopped;
  const { pcm } = readWav(await readFile(path));
  const recorded = Array.from({ length: Math.floor(pcm.length / 800) }, (_, i) =>
    goertzel(pcm, 800, 16000, i * 800, (i + 1) * 800),
  );
  t.ok(Math.max(...recorded) > 1500);
  await ep.confPlay(file);
  const left = new Promise((resolve) => conference.once('delMember', resolve));
  t.match(await ep.unjoin(), /^\+OK kicked/);
  await left;
  await conference.destroy();
  t.equal(server.conferences.all().length, 0);
  t.match(await ms.api('conference meeting list count'), /not found/);
});

t.test('fsmrf: a member is transferred, and a conference without control leg ends with its last member', async (t) => {
  const { server, ms } = await connectFsmrf(t);
  const ep = await ms.createEndpoint();
  await ep.join('one');
  t.match(await ep.transfer('two'), /sent to conference two/);
  t.same(
    server.conferences.all().map(({ name }) => name),
    ['two'],
  );
  await ep.destroy();
  t.equal(server.conferences.all().length, 0);
});
