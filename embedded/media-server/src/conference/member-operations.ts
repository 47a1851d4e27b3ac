import type { Conference } from './conference.js';
import type { ConferenceMember } from './conference-member.js';

/** Whether the others may hear a member; says so, with the profile's sound unless `quiet`. */
export function setSpeaking(conference: Conference, member: ConferenceMember, on: boolean, quiet = false): void {
  member.canSpeak = on;
  if (!on) member.isTalking = false;
  tell(conference, member, on ? 'unmute-member' : 'mute-member');
  if (!quiet) conference.sounds.announce(conference.settings[on ? 'unmuted-sound' : 'muted-sound'], member);
}

/** Whether a member may hear the others; says so, with the profile's sound unless `quiet`. */
export function setHearing(conference: Conference, member: ConferenceMember, on: boolean, quiet = false): void {
  member.canHear = on;
  tell(conference, member, on ? 'undeaf-member' : 'deaf-member');
  if (!quiet) conference.sounds.announce(conference.settings[on ? 'undeaf-sound' : 'deaf-sound'], member);
}

/** Keeps a member from being heard, or takes that back; says so. As in FreeSWITCH it goes on hearing the others. */
export function setOnHold(conference: Conference, member: ConferenceMember, on: boolean): void {
  member.isOnHold = on;
  if (on) member.isTalking = false;
  tell(conference, member, on ? 'hold-member' : 'unhold-member');
}

/**
 * Gives the floor to a member when nobody has it, takes it from the one who has it. As in FreeSWITCH a floor that is free goes to
 * the next who is there.
 *
 * @returns who has it then; `'held'` when another has it.
 */
export function toggleFloor(conference: Conference, member: ConferenceMember): number | undefined | 'held' {
  if (conference.floor !== undefined && conference.floor !== member.id) return 'held';
  const next = conference.floor === undefined ? member.id : undefined;
  conference.giveFloor(next);
  return next;
}

function tell(conference: Conference, member: ConferenceMember, action: string): void {
  conference.apply(member);
  conference.emitMember(member, action);
}
