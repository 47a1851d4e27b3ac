import { readFile } from 'node:fs/promises';
import { join as pathJoin } from 'node:path';
import { goertzel, readWav, tone } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { EslClient, type EventHeaders, folder, startServer, type TestCall, TestCaller, wavFile } from '../test-peer.js';

const PITCHES = [500, 800, 1300];

type Member = TestCall & { id: string };

interface Rig {
  caller: TestCaller;
  /** Hears of everything, as a client that subscribes to conference events does. */
  watcher: EslClient;
  /** The next event of that action, past or future, that fits. */
  action(name: string, fits?: (event: EventHeaders) => boolean): Promise<EventHeaders>;
  /** Joins a new call and resolves with it and its member id. */
  join(argument: string): Promise<Member>;
}

async function startRig(t: Test): Promise<Rig> {
  const server = await startServer(t, ['--workers', '2']);
  const caller = await TestCaller.create(t, server);
  const watcher = await EslClient.connect(t, server);
  await watcher.command('event json CUSTOM conference::maintenance');
  const action: Rig['action'] = (name, fits = () => true) =>
    watcher.event(
      (event) => event.Action === name && event['Event-Subclass'] === 'conference::maintenance' && fits(event),
    );
  return {
    caller,
    watcher,
    action,
    async join(argument) {
      const call = await caller.call();
      void call.esl.execute(call.uuid, 'conference', argument);
      const event = await action('add-member', (candidate) => candidate['Unique-ID'] === call.uuid);
      return { ...call, id: event['Member-ID']! };
    },
  };
}

/** Amplitudes of the pitches in the last half second: the median of 50 ms, which a lost packet does not change. */
function pitchesIn(heard: Int16Array, rateHz = 8000): boolean[] {
  const part = rateHz / 20;
  return PITCHES.map((hz) => {
    const found = Array.from({ length: 10 }, (_, i) =>
      goertzel(heard, hz, rateHz, heard.length - part * (i + 1), heard.length - part * i),
    );
    return found.sort((a, b) => a - b)[5]! > 1500;
  });
}

/** The same as text: `x` for each pitch that is heard, `-` for each that is not. */
function pitchText(heard: Int16Array, rateHz = 8000): string {
  return pitchesIn(heard, rateHz)
    .map((is) => (is ? 'x' : '-'))
    .join('');
}

t.test('a conference opens with its first member and ends with its last; its events tell of it', async (t) => {
  const { caller, watcher, action, join } = await startRig(t);
  t.equal(await watcher.api('conference list'), '+OK No active conferences.\n');
  t.equal(await watcher.api('conference nobody list count'), '-ERR Conference nobody not found\n');
  const a = await join('room@wide');
  const created = await action('conference-create');
  t.match(created, { 'Conference-Name': 'room', 'Conference-Profile-Name': 'wide', 'Event-Name': 'CUSTOM' });
  const b = await join('room+flags{mute|moderator}');
  const added = await action('add-member', (event) => event['Member-ID'] === b.id);
  t.match(added, {
    'Conference-Size': '2',
    'Conference-Unique-ID': created['Conference-Unique-ID'],
    'Member-Type': 'moderator',
    'Member-Ghost': 'false',
    'Channel-Call-UUID': b.uuid,
    Hear: 'true',
    Speak: 'false',
    Talking: 'false',
    Hold: 'false',
  });
  t.equal(await watcher.api('conference room list count'), '2');
  t.equal(await watcher.api('conference room get count'), '2');
  t.match(
    await watcher.api('conference list summary'),
    /^\+OK Conference room \(2 members rate: 16000 flags: running\|/,
  );
  const lines = (await watcher.api('conference room list')).split('\n');
  t.match(lines[0], new RegExp(`^${b.id};sofia/.*;${b.uuid};.*;hear.*moderator;0;0;100$`));
  const [json] = JSON.parse(await watcher.api('conference room json_list')) as { members: object[] }[];
  t.match(json, { conference_name: 'room', member_count: 2, members: [{ id: Number(b.id) }, { uuid: a.uuid }] });
  t.match(await watcher.api('conference room xml_list'), /<conference name="room" member-count="2"[\s\S]*<uuid>/);
  t.equal(await watcher.api(`conference room kick ${b.id}`), `+OK kicked ${b.id}\n`);
  t.match(await action('del-member'), { 'Member-ID': b.id, 'Conference-Size': '1' });
  await action('kick-member');
  await b.esl.event(
    (event) => event['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE' && event.Application === 'conference',
  );
  t.equal(await watcher.api(`uuid_exists ${b.uuid}`), 'true', 'who is kicked keeps the call');
  await a.dialog.bye();
  t.match(await action('conference-destroy'), { 'Conference-Size': '0' });
  t.equal(caller.server.conferences.all().length, 0);
});

t.test(
  'members on several threads hear each other; mute, deaf, relate and hold hold; the recording has all',
  async (t) => {
    const { watcher, action, join } = await startRig(t);
    const path = pathJoin(await folder(t), 'room.wav');
    const members = [await join('room'), await join('room'), await join('room')];
    t.equal(await watcher.api(`conference room recording start ${path}`), `+OK Record file ${path}\n`);
    t.match(await action('start-recording'), { Path: path });
    t.match(await watcher.api(`conference room record ${path}`), /^-ERR file .* is already being used/);
    for (const [i, { media }] of members.entries()) media.say(tone(PITCHES[i]!, 60_000, -18));
    for (const { id } of members) await action('start-talking', (event) => event['Member-ID'] === id);
    const [a, b, c] = members as [Member, Member, Member];
    /** Resolves when each member has heard just those pitches for half a second; `why` they should. */
    const hearing = async (wanted: string[], why = ''): Promise<void> => {
      await Promise.all(
        members.map(async ({ media }, i) => {
          await media.hears(600);
          await media.hearsThat(`${wanted[i]} ${why}`, (heard) => pitchText(heard) === wanted[i]);
        }),
      );
      t.pass(why || wanted.join(' '));
    };
    await hearing(['-xx', 'x-x', 'xx-'], 'each hears the others and not itself');
    t.equal(await watcher.api(`conference room mute ${a.id}`), `+OK mute ${a.id}\n`);
    t.match(await action('mute-member'), { 'Member-ID': a.id, Speak: 'false' });
    await watcher.api(`conference room deaf ${b.id}`);
    await hearing(['-xx', '---', '-x-']);
    await watcher.api(`conference room unmute ${a.id}`);
    await watcher.api(`conference room undeaf ${b.id}`);
    t.equal(await watcher.api(`conference room tag ${a.id} agent`), `+OK tag ${a.id}\n`);
    t.match(await action('tag'), { 'Member-ID': a.id, Tag: 'agent' });
    t.equal(await watcher.api('conference room gettag agent nomatch'), `${b.id},${c.id}\n`);
    const coached = `conference room relate ${c.id} ${b.id}`;
    t.equal(await watcher.api(`${coached} nospeak`), `+OK ${c.id}->${b.id} nospeak set\n`);
    await hearing(['-xx', 'x--', 'xx-'], 'the coach is heard by the agent alone');
    t.equal(await watcher.api(`${coached} clear`), `+OK relationship ${c.id}->${b.id} cleared.\n`);
    await watcher.api(`conference room hold ${a.id}`);
    await hearing(['-xx', '--x', '-x-'], 'who is held is not heard and goes on hearing');
    await watcher.api(`conference room unhold ${a.id}`);
    const music = 'tone_stream://%(60000,0,300)';
    await watcher.api(`conference room hold ${a.id} ${music}`);
    await hearing(['---', '--x', '-x-'], 'with music it hears nothing else');
    await watcher.api(`conference room unhold ${a.id}`);
    await hearing(['-xx', 'x-x', 'xx-']);
    t.equal(
      await watcher.api(`conference room recording stop ${path}`),
      `Stopped recording file ${path}\n+OK Stopped recording 0 files\n`,
    );
    const stopped = await action('stop-recording');
    const wav = readWav(await readFile(path));
    t.equal(wav.sampleRateHz, 16000);
    t.same(pitchesIn(wav.pcm, 16000), [true, true, true]);
    t.equal(Number(stopped['Samples-Out']), wav.pcm.length);
    members[2]!.media.say(new Int16Array(0));
    t.match(await action('stop-talking'), { 'Member-ID': c.id });
  },
);

t.test('playing to all and to one, queued, stopped, missing', async (t) => {
  const { watcher, action, join } = await startRig(t);
  const [a, b] = [await join('room'), await join('room')];
  const file = await wavFile(t, tone(1300, 1500, -18));
  t.equal(await watcher.api(`conference room play ${file}`), `+OK (play) Playing file ${file}\n`);
  const toAll = Promise.all(
    [a, b].map(({ media }) => media.hearsThat('the file', (heard) => pitchText(heard) === '--x')),
  );
  t.match(await action('play-file'), { File: file, Async: 'false' });
  t.match(await action('play-file-done'), { File: file, seconds: '1', milliseconds: '1500', samples: '12000' });
  await toAll;
  t.equal(await watcher.api('conference room play /no/such.wav'), '-ERR (play) File: /no/such.wav not found.\n');
  const long = 'tone_stream://%(60000,0,800)';
  t.equal(
    await watcher.api(`conference room play ${long}  ${b.id}`),
    `+OK (play) Playing file ${long} to member ${b.id}\n`,
  );
  await b.media.hears(900);
  await b.media.hearsThat('800 Hz', (heard) => pitchText(heard) === '-x-');
  await a.media.hearsThat('nothing', (heard) => pitchText(heard) === '---');
  t.equal(await watcher.api(`conference room stop all ${b.id}`), '+OK Stopped 1 files.\n');
  t.match(await action('play-file-member-done'), { 'Member-ID': b.id, File: long });
  t.equal(await watcher.api('conference room stop all'), '+OK Stopped 0 files.\n');
  t.equal(await watcher.api('conference room say hello'), '-ERR (say) Error!\n');
  t.match(await watcher.api('conference room dial sofia/x'), /^-ERR/);
  t.match(await watcher.api('conference room fly'), /^-ERR Conference command 'fly' not found/);
  t.match(await watcher.api('conference room mute 999999'), /^-ERR Non-Existant ID 999999/);
});

t.test('locks, limits, PINs, join-only and the end of a conference', async (t) => {
  const { caller, watcher, action, join } = await startRig(t);
  const refused = async (argument: string, setUp?: (call: TestCall) => Promise<unknown>): Promise<void> => {
    const call = await caller.call();
    await setUp?.(call);
    await call.esl.execute(call.uuid, 'conference', argument);
    t.notOk(
      call.esl.events.some((event) => event.Action === 'add-member'),
      `${argument} is refused`,
    );
  };
  await refused('nobody+flags{join-only}');
  await action('rejected-join-only');
  const owner = await join('room+flags{endconf}');
  await join('room');
  t.equal(await watcher.api('conference room lock'), '+OK room locked\n');
  await action('lock');
  await refused('room');
  await watcher.api('conference room unlock');
  t.equal(await watcher.api('conference room set max_members 2'), '0');
  t.equal(await watcher.api('conference room get max_members'), '2');
  await refused('room');
  await watcher.api('conference room set max_members 0');
  await watcher.api('conference room pin 4711');
  const late = await caller.call();
  void late.esl.execute(late.uuid, 'conference', 'room');
  await late.esl.event((event) => event['Event-Name'] === 'CHANNEL_EXECUTE' && event.Application === 'conference');
  late.media.press('4711');
  await action('add-member', (event) => event['Unique-ID'] === late.uuid);
  await owner.dialog.bye();
  await action('conference-destroy');
  await late.esl.event(
    (event) => event['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE' && event.Application === 'conference',
  );
  t.equal(caller.server.conferences.all().length, 0);
});

t.test('waiting for a moderator with music; transfer to another conference', async (t) => {
  const { caller, watcher, action, join } = await startRig(t);
  const early = await caller.call();
  await early.esl.execute(early.uuid, 'set', `conference_moh_sound=${await wavFile(t, tone(500, 1000, -18))}`);
  void early.esl.execute(early.uuid, 'conference', 'room+flags{wait-mod}');
  const { 'Member-ID': id } = await action('add-member');
  await early.media.hears(1500);
  await early.media.hearsThat('music, again and again', (heard) => pitchText(heard) === 'x--');
  const other = await join('room');
  other.media.say(tone(800, 60_000, -18));
  await early.media.hears(900);
  await early.media.hearsThat('nobody is heard yet', (heard) => pitchText(heard) === 'x--');
  await join('room+flags{moderator}');
  await action('start-talking', (event) => event['Member-ID'] === other.id);
  await early.media.hears(1200);
  await early.media.hearsThat('the moderator is there', (heard) => pitchText(heard) === '-x-');
  t.equal(await watcher.api(`conference room transfer side ${id}`), `+OK Member '${id}' sent to conference side.\n`);
  t.match(await action('transfer'), { 'Old-Conference-Name': 'room', 'New-Conference-Name': 'side' });
  const moved = await action('add-member', (event) => event['Conference-Name'] === 'side');
  t.equal(moved['Member-ID'], id, 'the member id stays');
});

t.test('who leaves and comes again keeps the member id and nothing of its relations', async (t) => {
  const { watcher, action, join } = await startRig(t);
  const [a, b] = [await join('room'), await join('room')];
  await watcher.api(`conference room relate ${b.id} ${a.id} nospeak`);
  b.media.say(tone(800, 60_000, -18));
  await action('start-talking');
  await a.media.hears(700);
  await a.media.hearsThat('nothing of who must not be heard', (heard) => pitchText(heard) === '---');
  await watcher.api(`conference room kick ${b.id}`);
  await action('del-member');
  const before = watcher.events.length;
  void b.esl.execute(b.uuid, 'conference', 'room');
  await watcher.until(() => watcher.events.slice(before).some((event) => event.Action === 'add-member'));
  t.equal(watcher.events.slice(before).find((event) => event.Action === 'add-member')!['Member-ID'], b.id);
  await a.media.hears(1000);
  await a.media.hearsThat('800 Hz', (heard) => pitchText(heard) === '-x-');
  t.equal(await watcher.api('conference room relate'), '+OK No relationships\n');
});
