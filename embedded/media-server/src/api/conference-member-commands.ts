import type { Conference } from '../conference/conference.js';
import { type ConferenceMember, MAX_VOLUME_LEVEL } from '../conference/conference-member.js';

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
  ['mute', (conference, member) => changed(conference, member, 'mute', () => setSpeak(member, false))],
  ['unmute', (conference, member) => changed(conference, member, 'unmute', () => setSpeak(member, true))],
  ['tmute', toggleMute],
  ['deaf', (conference, member) => changed(conference, member, 'deaf', () => setHear(member, false))],
  ['undeaf', (conference, member) => changed(conference, member, 'undeaf', () => setHear(member, true))],
  ['hold', hold],
  ['unhold', (conference, member) => changed(conference, member, 'unhold', () => setHold(member, false))],
  // Without video these change nothing, and say so as they do for a caller without a camera.
  ['vmute', (conference, member) => changed(conference, member, 'vmute')],
  ['unvmute', (conference, member) => changed(conference, member, 'unvmute')],
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

function changed(conference: Conference, member: ConferenceMember, what: string, change?: () => void): string {
  change?.();
  conference.apply(member);
  conference.emitMember(member, `${what}-member`);
  return `+OK ${what} ${member.id}\n`;
}

function setSpeak(member: ConferenceMember, on: boolean): void {
  member.canSpeak = on;
  if (!on) member.isTalking = false;
}

function setHear(member: ConferenceMember, on: boolean): void {
  member.canHear = on;
}

function setHold(member: ConferenceMember, on: boolean): void {
  member.isOnHold = on;
  if (on) member.isTalking = false;
}

function toggleMute(conference: Conference, member: ConferenceMember): string {
  const { canSpeak } = member;
  return changed(conference, member, canSpeak ? 'mute' : 'unmute', () => setSpeak(member, !canSpeak));
}

function hold(conference: Conference, member: ConferenceMember, [file]: string[]): string {
  if (file) void conference.play(file, false, member, true);
  return changed(conference, member, 'hold', () => setHold(member, true));
}

function kick(conference: Conference, member: ConferenceMember): string {
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
  member.channel.sendDigits(keys);
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
    const wanted = stepped(value, member[field], 1);
    member[field] = Math.max(-MAX_VOLUME_LEVEL, Math.min(MAX_VOLUME_LEVEL, wanted));
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
  if (conference.floor !== undefined && conference.floor !== member.id)
    return `-ERR floor is held by ${conference.floor}\n`;
  return `+OK floor ${member.id}\n`;
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
