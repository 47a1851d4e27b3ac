import type { Conference } from '../conference/conference.js';
import type { ConferenceMember } from '../conference/conference-member.js';
import { setHearing, setOnHold, setSpeaking, toggleFloor } from '../conference/member-operations.js';

/** Does something to one member and answers as FreeSWITCH does; `rest` is what follows the member. */
type MemberCommand = (conference: Conference, member: ConferenceMember, rest: string[]) => string;

const MAX_ENERGY_LEVEL = 32767;
const ENERGY_STEP = 200;
/** Where the automatic gain aims when it is switched on without a level. */
const DEFAULT_AGC_LEVEL = 1100;
/** Longest tag. */
const MAX_TAG_LENGTH = 256;

/** `conference <name> <command> <member> …`. */
export const MEMBER_COMMANDS: ReadonlyMap<string, MemberCommand> = new Map<string, MemberCommand>([
  ['mute', (conference, member, rest) => speaking(conference, member, false, rest)],
  ['unmute', (conference, member, rest) => speaking(conference, member, true, rest)],
  ['tmute', (conference, member, rest) => speaking(conference, member, !member.canSpeak, rest)],
  ['deaf', (conference, member, rest) => hearing(conference, member, false, rest)],
  ['undeaf', (conference, member, rest) => hearing(conference, member, true, rest)],
  ['hold', hold],
  ['unhold', unhold],
  // Without video these change nothing, and say so as they do for a caller without a camera.
  ['vmute', (conference, member) => withoutVideo(conference, member, 'vmute')],
  ['unvmute', (conference, member) => withoutVideo(conference, member, 'unvmute')],
  ['kick', kick],
  ['hup', hangUp],
  ['dtmf', digits],
  ['energy', energy],
  ['agc', gainControl],
  ['volume_in', (conference, member, [value]) => volume(conference, member, 'in', value)],
  ['volume_out', (conference, member, [value]) => volume(conference, member, 'out', value)],
  ['tag', (conference, member, [tag]) => setTag(conference, member, tag)],
  ['untag', (conference, member) => setTag(conference, member, undefined)],
  ['get-uuid', (_conference, { channel }) => channel.uuid],
  ['floor', floor],
]);

function speaking(conference: Conference, member: ConferenceMember, on: boolean, rest: string[]): string {
  setSpeaking(conference, member, on, isQuiet(rest));
  return `+OK ${on ? 'unmute' : 'mute'} ${member.id}\n`;
}

function hearing(conference: Conference, member: ConferenceMember, on: boolean, rest: string[]): string {
  setHearing(conference, member, on, isQuiet(rest));
  return `+OK ${on ? 'undeaf' : 'deaf'} ${member.id}\n`;
}

function isQuiet(rest: string[]): boolean {
  return rest.some((word) => word.includes('quiet'));
}

function hold(conference: Conference, member: ConferenceMember, [file]: string[]): string {
  if (file) void conference.sounds.play(file, { member, alone: true });
  setOnHold(conference, member, true);
  return `+OK hold ${member.id}\n`;
}

function unhold(conference: Conference, member: ConferenceMember): string {
  setOnHold(conference, member, false);
  member.plays.stop('all');
  return `+OK unhold ${member.id}\n`;
}

function withoutVideo(conference: Conference, member: ConferenceMember, what: string): string {
  conference.emitMember(member, `${what}-member`);
  return `+OK ${what} ${member.id}\n`;
}

function kick(conference: Conference, member: ConferenceMember, [file]: string[]): string {
  member.farewell = file ?? conference.settings['kicked-sound'];
  conference.emitMember(member, 'kick-member');
  conference.remove(member);
  return `+OK kicked ${member.id}\n`;
}

function hangUp(conference: Conference, member: ConferenceMember): string {
  conference.emitMember(member, 'hup-member');
  conference.remove(member);
  return `+OK hup ${member.id}\n`;
}

function digits(conference: Conference, member: ConferenceMember, [keys = '']: string[]): string {
  if (keys === '') return '-ERR Invalid input!\n';
  member.channel.digits.send(keys);
  conference.emitMember(member, 'dtmf-member', [['Digits', keys]]);
  return `+OK sent ${keys} to ${member.id}\n`;
}

function energy(conference: Conference, member: ConferenceMember, [value]: string[]): string {
  if (value !== undefined) {
    const wanted = stepped(value, member.energyLevel, ENERGY_STEP);
    member.energyLevel = Math.max(0, Math.min(MAX_ENERGY_LEVEL, wanted));
    conference.apply(member);
    conference.emitMember(member, 'energy-level-member');
  }
  return `Energy ${member.id} = ${member.energyLevel}\n`;
}

function gainControl(conference: Conference, member: ConferenceMember, [value]: string[]): string {
  if (value !== undefined) {
    const level = value === 'on' ? DEFAULT_AGC_LEVEL : whole(value);
    member.agcLevel = Math.max(0, Math.min(MAX_ENERGY_LEVEL, level));
    conference.apply(member);
    conference.emitMember(member, 'agc-level-member', [['Agc-Level', String(member.agcLevel)]]);
  }
  return `Agc ${member.id} = ${member.agcLevel}\n`;
}

function volume(
  conference: Conference,
  member: ConferenceMember,
  side: 'in' | 'out',
  value: string | undefined,
): string {
  const field = side === 'in' ? 'volumeIn' : 'volumeOut';
  if (value !== undefined) {
    member.setVolume(field, stepped(value, member[field], 1));
    conference.apply(member);
    conference.emitMember(member, `volume-${side}-member`, [['Volume-Level', String(member[field])]]);
  }
  return `+OK Volume ${side.toUpperCase()} ${member.id} = ${member[field]}\n`;
}

/** jambonz' addition to FreeSWITCH: a word by which others choose whom they speak to. Without a word it is taken away. */
function setTag(conference: Conference, member: ConferenceMember, tag: string | undefined): string {
  member.tag = tag?.slice(0, MAX_TAG_LENGTH) || undefined;
  conference.emitMember(member, 'tag', [['Tag', member.tag ?? '']]);
  return `+OK tag ${member.id}\n`;
}

function floor(conference: Conference, member: ConferenceMember): string {
  const holder = toggleFloor(conference, member);
  if (holder === 'held') return `-ERR floor is held by ${conference.floor}\n`;
  return `+OK floor ${holder ?? 'none'}\n`;
}

/** `up`, `down` or a number. */
function stepped(value: string, now: number, step: number): number {
  if (value.toLowerCase() === 'up') return now + step;
  if (value.toLowerCase() === 'down') return now - step;
  return whole(value);
}

function whole(text: string): number {
  return Number.parseInt(text, 10) || 0;
}
