import type { Conference } from './conference.js';
import type { ConferenceMember } from './conference-member.js';
import { setHearing, setSpeaking, toggleFloor } from './member-operations.js';

/** What a key does; `key` is the one that was pressed. */
export type Control = (conference: Conference, member: ConferenceMember, key: string) => void;

/** What each key does. */
export type ControlGroup = ReadonlyMap<string, Control>;

const MAX_ENERGY_LEVEL = 1800;
const ENERGY_STEP = 200;

/** FreeSWITCH's actions by their names in `conference.conf`; those of video are not there. */
const ACTIONS: ReadonlyMap<string, Control> = new Map<string, Control>([
  ['mute', (conference, member) => speak(conference, member, !member.canSpeak)],
  ['mute on', (conference, member) => speak(conference, member, false)],
  ['mute off', (conference, member) => speak(conference, member, true)],
  ['deaf', (conference, member) => setHearing(conference, member, !member.canHear)],
  ['deaf on', (conference, member) => hear(conference, member, false)],
  ['deaf off', (conference, member) => hear(conference, member, true)],
  ['deaf mute', deafMute],
  ['energy up', (conference, member) => energy(conference, member, member.energyLevel + ENERGY_STEP)],
  ['energy equ', (conference, member) => energy(conference, member, conference.energyLevel)],
  ['energy dn', (conference, member) => energy(conference, member, member.energyLevel - ENERGY_STEP)],
  ['vol talk up', (conference, member) => volume(conference, member, 'volumeOut', member.volumeOut + 1)],
  ['vol talk zero', (conference, member) => volume(conference, member, 'volumeOut', 0)],
  ['vol talk dn', (conference, member) => volume(conference, member, 'volumeOut', member.volumeOut - 1)],
  ['vol listen up', (conference, member) => volume(conference, member, 'volumeIn', member.volumeIn + 1)],
  ['vol listen zero', (conference, member) => volume(conference, member, 'volumeIn', 0)],
  ['vol listen dn', (conference, member) => volume(conference, member, 'volumeIn', member.volumeIn - 1)],
  ['hangup', (conference, member) => conference.remove(member)],
  ['lock', lock],
  ['moh toggle', (conference) => conference.sounds.toggleHoldMusic()],
  ['floor', (conference, member) => void toggleFloor(conference, member)],
]);

/** The group that FreeSWITCH's own configuration calls `default`. */
export const DEFAULT_CONTROLS: ControlGroup = new Map(
  Object.entries({
    0: 'mute',
    '*': 'deaf mute',
    9: 'energy up',
    8: 'energy equ',
    7: 'energy dn',
    3: 'vol talk up',
    2: 'vol talk zero',
    1: 'vol talk dn',
    6: 'vol listen up',
    5: 'vol listen zero',
    4: 'vol listen dn',
    '#': 'hangup',
  }).map(([key, action]) => [key, ACTIONS.get(action)!]),
);

/** The action of that name, or `event <data>`, which tells of the key; undefined when there is none. */
export function readControl(text: string): Control | undefined {
  const [, data] = /^event(?:\s+(.*))?$/s.exec(text) ?? [];
  if (text !== 'event' && data === undefined) return ACTIONS.get(text);
  return (conference, member, key) => {
    const headers: [string, string][] = [['DTMF-Key', key]];
    if (data) headers.push(['Data', member.channel.expand(data)]);
    conference.emitMember(member, 'dtmf', headers);
  };
}

function speak(conference: Conference, member: ConferenceMember, on: boolean): void {
  if (member.isOnHold || member.canSpeak === on) return;
  setSpeaking(conference, member, on);
  // Who speaks again hears again.
  if (on && !member.canHear) setHearing(conference, member, true);
}

function hear(conference: Conference, member: ConferenceMember, on: boolean): void {
  if (member.canHear !== on) setHearing(conference, member, on);
}

function deafMute(conference: Conference, member: ConferenceMember): void {
  if (member.isOnHold) return;
  const on = !member.canSpeak;
  setSpeaking(conference, member, on);
  hear(conference, member, on);
}

function energy(conference: Conference, member: ConferenceMember, level: number): void {
  member.energyLevel = Math.max(0, Math.min(MAX_ENERGY_LEVEL, level));
  conference.apply(member);
  conference.emitMember(member, 'energy-level', [['New-Level', String(member.energyLevel)]]);
  sayNumber(conference, member, Math.trunc(member.energyLevel / ENERGY_STEP));
}

function volume(conference: Conference, member: ConferenceMember, side: 'volumeIn' | 'volumeOut', level: number): void {
  member.setVolume(side, level);
  conference.apply(member);
  const action = side === 'volumeOut' ? 'volume-level' : 'gain-level';
  conference.emitMember(member, action, [['New-Level', String(member[side])]]);
  sayNumber(conference, member, member[side]);
}

/** By the files of FreeSWITCH's sounds; where they are not there nothing is said. */
function sayNumber(conference: Conference, member: ConferenceMember, number: number): void {
  const files = [...String(Math.abs(number))].map((digit) => `digits/${digit}.wav`);
  if (number < 0) files.unshift('currency/negative.wav');
  for (const file of files) conference.sounds.announce(file, member);
}

function lock(conference: Conference, member: ConferenceMember): void {
  if (!conference.isWaiting || member.isModerator) conference.setLocked(!conference.isLocked);
}
