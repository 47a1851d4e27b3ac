import type { Channel } from '../channel/channel.js';
import type { MemberSettings } from '../media/rooms/room-protocol.js';
import { PlayList } from './play-list.js';

/** Factors of FreeSWITCH's volume levels 1…4 and −1…−4. */
const LOUDER = [1.3, 2.3, 3.3, 4.3];
const SOFTER = [0.8, 0.6, 0.4, 0.2];
/** Highest of FreeSWITCH's volume levels; the lowest is its negative. */
export const MAX_VOLUME_LEVEL = 4;
/** Members of one room whom one member may not hear. */
const MAX_RELATIONS = 1000;

/** The factor of a volume level, −4…4. */
export function volumeFactor(level: number): number {
  const bounded = Math.max(-MAX_VOLUME_LEVEL, Math.min(MAX_VOLUME_LEVEL, Math.trunc(level)));
  if (bounded === 0) return 1;
  return bounded > 0 ? LOUDER[bounded - 1]! : SOFTER[-bounded - 1]!;
}

/** How one member stands to another. */
export interface Relation {
  /** The other may hear it. */
  speak: boolean;
  /** It may hear the other. */
  hear: boolean;
}

/** A member of a conference as the event socket shows it. */
export class ConferenceMember {
  readonly joinedMs = Date.now();
  readonly plays = new PlayList();
  readonly relations = new Map<number, Relation>();
  canSpeak: boolean;
  canHear: boolean;
  isOnHold = false;
  isTalking = false;
  /** Mean amplitude when talking last began or ended. */
  energy = 0;
  lastTalkedMs = 0;
  /** Mean amplitude from which on it counts as talking. */
  energyLevel: number;
  agcLevel = 0;
  volumeIn = 0;
  volumeOut = 0;
  tag: string | undefined;
  /** What it hears when it has been thrown out. */
  farewell: string | undefined;

  constructor(
    readonly id: number,
    readonly channel: Channel,
    readonly flags: ReadonlySet<string>,
    readonly isModerator: boolean,
    energyLevel: number,
  ) {
    this.energyLevel = energyLevel;
    this.canSpeak = !flags.has('mute');
    this.canHear = !flags.has('deaf');
  }

  /** Whether it is not counted. */
  get isGhost(): boolean {
    return this.flags.has('ghost');
  }

  /** What the media thread has to know of it. A phone that holds plays its music to nobody. */
  settings(): MemberSettings {
    const holds = this.channel.holding.isOn;
    return {
      speaks: this.canSpeak && !this.isOnHold && !holds,
      hears: this.canHear,
      gainIn: volumeFactor(this.volumeIn),
      gainOut: volumeFactor(this.volumeOut),
      energyLevel: this.energyLevel,
      agcLevel: this.agcLevel,
      muteDetect: this.flags.has('mute-detect') && !holds,
    };
  }

  /** Sets the volume of what it says (in) or hears (out), within the levels that there are. */
  setVolume(side: 'volumeIn' | 'volumeOut', level: number): void {
    this[side] = Math.max(-MAX_VOLUME_LEVEL, Math.min(MAX_VOLUME_LEVEL, Math.trunc(level)));
  }

  /** Sets how it stands to another; false when it stands to too many already. */
  relate(other: number, relation: Relation): boolean {
    if (!this.relations.has(other) && this.relations.size >= MAX_RELATIONS) return false;
    this.relations.set(other, relation);
    return true;
  }

  /** Headers of every event about it, beside those of its channel and its conference. */
  headers(): [string, string][] {
    return [
      ['Video', 'false'],
      ['Hear', String(this.canHear)],
      ['See', 'false'],
      ['Speak', String(this.canSpeak)],
      ['Talking', String(this.isTalking)],
      ['Mute-Detect', String(this.flags.has('mute-detect'))],
      ['Hold', String(this.isOnHold)],
      ['Member-ID', String(this.id)],
      ['Member-Type', this.isModerator ? 'moderator' : 'member'],
      ['Member-Ghost', String(this.isGhost)],
      ['Energy-Level', String(this.energyLevel)],
      ['Current-Energy', String(this.energy)],
    ];
  }
}
