import { goertzel, rms, tone } from '@ringwire/rtp';
import t from 'tap';
import { connectAny, needs, nextOf } from '../test-fsmrf.js';
import { wavFile } from '../test-peer.js';

const any = await connectAny(t);

t.test('Endpoint#join, unjoin: events tell who came and went; again with a callback', async (t) => {
  const conference = await any.room(t);
  const { ep } = await any.phone(t);
  const added = nextOf(conference, 'addMember');
  const { memberId, confUuid } = await ep.join(conference, { flags: { moderator: true } });
  t.equal(confUuid, conference.uuid);
  t.same(ep.conf, { memberId, name: conference.name, uuid: conference.uuid });
  const event = await added;
  for (const [name, value] of Object.entries({
    'Conference-Name': conference.name,
    'Conference-Unique-ID': conference.uuid,
    'Conference-Size': '2',
    'Conference-Ghosts': '0',
    'Conference-Profile-Name': 'default',
    'Member-ID': String(memberId),
    'Member-Type': 'moderator',
    'Member-Ghost': 'false',
    'Unique-ID': ep.uuid,
    'Channel-Call-UUID': ep.uuid,
    Hear: 'true',
    Speak: 'true',
    Talking: 'false',
    Hold: 'false',
    Floor: 'false',
    'Mute-Detect': 'false',
    'Energy-Level': '100',
    'Current-Energy': '0',
    Video: 'false',
  })) {
    t.equal(event.getHeader(name), value, name);
  }
  t.same(conference.participants.get(memberId), { memberId, type: 'moderator', ghost: 'false', channelUuid: ep.uuid });
  t.equal(await conference.getSize(), 2);
  const left = nextOf(conference, 'delMember');
  t.equal(await ep.unjoin(), `+OK kicked ${memberId}\n`);
  t.equal((await left).getHeader('Conference-Size'), '1');
  t.equal(conference.participants.size, 0);
  const again = await new Promise<{ memberId: number }>((resolve, reject) => {
    void ep.join(conference, {}, (error, found) => (error ? reject(error) : resolve(found)));
  });
  t.ok(again.memberId > 0);
});

t.test('Endpoint#join: a name, with flags; ghosts are not counted; mute and deaf from the start', async (t) => {
  const conference = await any.room(t);
  const muted = await any.phone(t);
  const { memberId } = await muted.ep.join(conference.name, { flags: { mute: true, deaf: true, ghost: true } });
  t.equal(await conference.getSize(), 1);
  const { body } = await conference.list();
  const line = body.split('\n').find((text) => text.startsWith(`${memberId};`))!;
  t.equal(line.split(';')[2], muted.ep.uuid);
  t.notMatch(line.split(';')[5], /hear|speak/);
});

t.test(
  'Endpoint#confMute, confUnmute, confDeaf, confUndeaf: the others hear it and it hears them, or not',
  async (t) => {
    const conference = await any.room(t);
    const a = await any.phone(t);
    const b = await any.phone(t);
    const { memberId } = await a.ep.join(conference);
    await b.ep.join(conference);
    const level = async (speaker: typeof a, listener: typeof a): Promise<number> => {
      speaker.media.say(tone(700, 1100, -10));
      await listener.media.hears(500);
      const from = listener.media.heard.length;
      await listener.media.hears(400);
      const found = goertzel(listener.media.heard, 700, 8000, from);
      speaker.media.say(new Int16Array(0));
      await listener.media.hears(300);
      return found;
    };
    t.ok((await level(a, b)) > 2000);
    for (const [change, answer, event, speaks, hears] of [
      [() => a.ep.confMute(), 'mute', 'muteMember', false, true],
      [() => a.ep.confUnmute(), 'unmute', 'unmuteMember', true, true],
      [() => a.ep.confDeaf(), 'deaf', 'deafMember', true, false],
      [() => a.ep.confUndeaf(), 'undeaf', 'undeafMember', true, true],
    ] as const) {
      const told = nextOf(conference, event);
      t.equal(await change(), `+OK ${answer} ${memberId}\n`);
      const found = await told;
      t.equal(found.getHeader('Member-ID'), String(memberId));
      t.equal(found.getHeader('Speak'), String(speaks));
      t.equal(found.getHeader('Hear'), String(hears));
      const said = await level(a, b);
      t.ok(speaks ? said > 2000 : said < 100, `${answer}: is heard ${said}`);
      const heard = await level(b, a);
      t.ok(hears ? heard > 2000 : heard < 100, `${answer}: hears ${heard}`);
    }
  },
);

t.test('Endpoint#confPlay: to one member alone', async (t) => {
  const conference = await any.room(t);
  const a = await any.phone(t);
  const b = await any.phone(t);
  const { memberId } = await a.ep.join(conference);
  await b.ep.join(conference);
  const file = await wavFile(t, tone(900, 600, -12));
  const begun = nextOf(conference, 'playFileMember');
  const done = nextOf(conference, 'playFileMemberDone');
  const answer = await a.ep.confPlay(file);
  t.equal(answer.body, `+OK (play) Playing file ${file} to member ${memberId}\n`);
  t.equal((await begun).getHeader('File'), file);
  t.equal((await done).getHeader('Member-ID'), String(memberId));
  await any.pass(60);
  t.ok(goertzel(a.media.heard, 900, 8000) > 300);
  t.ok(rms(b.media.heard) < 30);
  await t.rejects(a.ep.confPlay('/no/such/file.wav'), /not found/);
});

t.test('Endpoint#confKick, confHup: the member goes, its call stays', async (t) => {
  const conference = await any.room(t);
  const { ep } = await any.phone(t);
  for (const how of ['confKick', 'confHup'] as const) {
    const { memberId } = await ep.join(conference);
    const told = nextOf(conference, how === 'confKick' ? 'kickMember' : 'hupMember');
    const left = nextOf(conference, 'delMember');
    const answer = await ep[how]();
    t.match(typeof answer === 'string' ? answer : answer.body, new RegExp(`^\\+OK (kicked|hup) ${memberId}\n$`));
    t.equal((await told).getHeader('Member-ID'), String(memberId));
    await left;
    t.equal((await ep.play('silence_stream://100')).playbackMilliseconds, '100');
  }
});

t.test('Endpoint#transfer: to another conference', async (t) => {
  const one = await any.room(t);
  const two = await any.room(t);
  const { ep } = await any.phone(t);
  const { memberId } = await ep.join(one);
  const came = nextOf(two, 'addMember');
  const told = nextOf(one, 'transfer');
  t.equal(await ep.transfer(two), `+OK Member '${memberId}' sent to conference ${two.name}.\n`);
  t.equal((await told).getHeader('New-Conference-Name'), two.name);
  t.equal((await came).getHeader('Unique-ID'), ep.uuid);
  t.equal(await one.getSize(), 1);
  t.equal(await two.getSize(), 2);
});

t.test(
  'Endpoint#getNonMatchingConfParticipants, tags (a FreeSWITCH needs the patches of jambonz)',
  needs('tags'),
  async (t) => {
    const conference = await any.room(t);
    const { ep } = await any.phone(t);
    const { memberId } = await ep.join(conference);
    await ep.api('conference', [conference.name, 'tag', String(memberId), 'agent']);
    t.same(await ep.getNonMatchingConfParticipants(conference.name, 'agent'), [conference.memberId]);
  },
);

t.test('Endpoint: conference methods without a conference', async (t) => {
  const { ep } = await any.phone(t);
  for (const method of ['confMute', 'confUnmute', 'confDeaf', 'confUndeaf', 'confKick', 'confHup'] as const) {
    await t.rejects(ep[method]() as Promise<unknown>, { message: 'Endpoint not in conference' });
  }
  await t.rejects(ep.confPlay('silence_stream://100'), { message: 'Endpoint not in conference' });
  await t.rejects(ep.transfer('anywhere'), { message: 'Endpoint not in conference' });
});
