import { writeFile } from 'node:fs/promises';
import { join as pathJoin } from 'node:path';
import { goertzel, tone } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { EslClient, type EventHeaders, folder, startServer, type TestCall, TestCaller, wavFile } from '../test-peer.js';

type Member = TestCall & { id: string };

interface Rig {
  watcher: EslClient;
  /** Joins a new call with those channel variables. */
  join(argument: string, variables?: Record<string, string>): Promise<Member>;
  /** The first event of that action about a member since `from` events. */
  told(action: string, member: Member | undefined, from?: number): Promise<EventHeaders>;
}

async function startRig(t: Test, flags: string[] = []): Promise<Rig> {
  const server = await startServer(t, flags);
  const caller = await TestCaller.create(t, server);
  const watcher = await EslClient.connect(t, server);
  await watcher.command('event json CUSTOM conference::maintenance');
  const told: Rig['told'] = async (action, member, from = 0) => {
    const fits = (event: EventHeaders): boolean =>
      event.Action === action && (!member || event['Unique-ID'] === member.uuid);
    await watcher.until(() => watcher.events.slice(from).some(fits));
    return watcher.events.slice(from).find(fits)!;
  };
  return {
    watcher,
    told,
    async join(argument, variables = {}) {
      const call = await caller.call();
      for (const [name, value] of Object.entries(variables))
        await call.esl.api(`uuid_setvar ${call.uuid} ${name} ${value}`);
      void call.esl.execute(call.uuid, 'conference', argument);
      const added = await told('add-member', { ...call, id: '' });
      return { ...call, id: added['Member-ID']! };
    },
  };
}

t.test("keys: FreeSWITCH's own group mutes, deafens, sets energy and volumes, and leaves", async (t) => {
  const { watcher, join, told } = await startRig(t);
  const member = await join('room');
  await join('room');
  const pressed = async (key: string, action: string): Promise<EventHeaders> => {
    const from = watcher.events.length;
    member.media.press(key);
    return told(action, member, from);
  };
  t.match(await pressed('0', 'mute-member'), { Speak: 'false', Hear: 'true' });
  t.match(await pressed('0', 'unmute-member'), { Speak: 'true' });
  t.match(await pressed('*', 'deaf-member'), { Speak: 'false', Hear: 'false' });
  t.match(await pressed('0', 'undeaf-member'), { Speak: 'true', Hear: 'true' });
  t.match(await pressed('9', 'energy-level'), { 'New-Level': '300', 'Energy-Level': '300' });
  t.match(await pressed('8', 'energy-level'), { 'New-Level': '100' });
  t.match(await pressed('7', 'energy-level'), { 'New-Level': '0' });
  t.match(await pressed('3', 'volume-level'), { 'New-Level': '1' });
  t.match(await pressed('1', 'volume-level'), { 'New-Level': '0' });
  t.match(await pressed('2', 'volume-level'), { 'New-Level': '0' });
  t.match(await pressed('6', 'gain-level'), { 'New-Level': '1' });
  t.match(await pressed('4', 'gain-level'), { 'New-Level': '0' });
  t.match(await pressed('5', 'gain-level'), { 'New-Level': '0' });
  for (let i = 0; i < 5; i++) await pressed('4', 'gain-level');
  t.match(await watcher.api(`conference room volume_in ${member.id}`), /= -4$/m, 'not further than the lowest');
  t.match(await pressed('#', 'del-member'), { 'Conference-Size': '1' });
  await member.esl.event((event) => event['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE');
  t.equal(await watcher.api(`uuid_exists ${member.uuid}`), 'true', 'who leaves keeps the call');
});

t.test(
  'keys: none with conference_controls=none, on hold no muting, with dist-dtmf they go to the others',
  async (t) => {
    const { watcher, join, told } = await startRig(t);
    const without = await join('room', { conference_controls: 'none' });
    const spreads = await join('room+flags{dist-dtmf}');
    const held = await join('room');
    await watcher.api(`conference room hold ${held.id}`);
    const from = watcher.events.length;
    without.media.press('0');
    held.media.press('0');
    spreads.media.press('7');
    while (!held.media.digits.includes('7')) await held.media.hears(20);
    held.media.press('9');
    await told('energy-level', held, from);
    t.same(
      watcher.events.slice(from).filter(({ Action }) => /mute/.test(Action ?? '')),
      [],
    );
    t.same(without.media.digits, ['7']);
  },
);

t.test('profiles: sounds to one and to all, groups of keys, limits; and sounds of a channel', async (t) => {
  const dir = await folder(t);
  const sound = (hz: number) => wavFile(t, tone(hz, 400, -10));
  const sounds = {
    muted: await sound(600),
    enter: await sound(1000),
    exit: await sound(1500),
    kicked: await sound(1900),
  };
  const file = pathJoin(dir, 'profiles.json');
  await writeFile(
    file,
    JSON.stringify({
      profiles: {
        default: {
          'muted-sound': sounds.muted,
          'enter-sound': sounds.enter,
          'kicked-sound': sounds.kicked,
          'max-members': 3,
        },
        closed: { 'caller-controls': 'few', 'energy-level': 250 },
      },
      'caller-controls': { few: { 1: 'lock', 2: 'event more', 3: 'floor' } },
    }),
  );
  const { watcher, join, told } = await startRig(t, ['--conference-profiles', file]);
  const a = await join('room');
  const hears = async (hz: number, from: number, { media } = a): Promise<boolean> => {
    await media.hears(900);
    const { heard } = media;
    const parts = Array.from({ length: Math.floor((heard.length - from) / 400) }, (_, i) =>
      goertzel(heard, hz, 8000, from + i * 400, from + (i + 1) * 400),
    );
    return parts.filter((level) => level > 1500).length >= 4;
  };
  let from = a.media.heard.length;
  const b = await join('room');
  t.ok(await hears(1000, from), 'someone comes');
  from = a.media.heard.length;
  await watcher.api(`conference room mute ${a.id}`);
  t.ok(await hears(600, from), 'it is muted');
  from = a.media.heard.length;
  await watcher.api(`conference room mute ${a.id} quiet`);
  t.notOk(await hears(600, from), 'quietly');
  from = a.media.heard.length;
  await watcher.api('conference room enter_sound off');
  const c = await join('room', { conference_exit_sound: sounds.exit });
  t.notOk(await hears(1000, from), 'switched off');
  t.equal(await watcher.api('conference room get max_members'), '3');
  from = a.media.heard.length;
  await watcher.api(`conference room kick ${a.id}`);
  t.ok(await hears(1900, from), 'it is thrown out');
  await told('del-member', a);
  from = b.media.heard.length;
  await watcher.api(`conference room hup ${c.id}`);
  t.ok(await hears(1500, from, b), 'a sound of its own as it goes');

  const d = await join('other@closed');
  t.match(await watcher.api('conference other list'), /;250$/m);
  d.media.press('1');
  await told('lock', undefined);
  d.media.press('2');
  t.match(await told('dtmf', d), { 'DTMF-Key': '2', Data: 'more', 'Member-ID': d.id });
});

t.test('floor: taken from who has it, refused to another while it is held', async (t) => {
  const { watcher, join, told } = await startRig(t);
  const a = await join('room');
  const b = await join('room');
  await told('floor-change', a);
  t.equal(await watcher.api(`conference room floor ${b.id}`), `-ERR floor is held by ${a.id}\n`);
  const from = watcher.events.length;
  t.equal(await watcher.api(`conference room floor ${a.id}`), '+OK floor none\n');
  await watcher.until(() => watcher.events.slice(from).some((event) => event['New-ID'] === 'none'));
  // As in FreeSWITCH nobody stays without: the first takes it.
  await watcher.until(() => watcher.events.slice(from).some((event) => event['New-ID'] === a.id));
  t.ok(true);
});
