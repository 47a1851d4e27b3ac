import type { LegRate } from '@ringwire/rtp';
import type { AttachmentEvent, AttachmentSpec } from '../attachments/registry.js';
import type { LegReport, PlayItem } from '../protocol.js';

/** A room that is wanted: plain data, it crosses to the media thread. */
export interface RoomSpec {
  /** Rate of its mix and of all its members' queues. */
  rateHz: LegRate;
}

/** How a member takes part; what is not named keeps its value. */
export interface MemberSettings {
  /** Whether the others may hear it. @defaultValue true */
  speaks?: boolean;
  /** Whether it hears the others and what is played to the room. What is played to it alone it always hears. @defaultValue true */
  hears?: boolean;
  /** Factor for what it says. @defaultValue 1 */
  gainIn?: number;
  /** Factor for what it hears. @defaultValue 1 */
  gainOut?: number;
  /** Mean amplitude (0…32767) of a frame from which on it counts as talking; what is softer is not mixed. 0 mixes everything. @defaultValue 0 */
  energyLevel?: number;
  /** Mean amplitude that what it says is slowly brought to; 0 leaves it. @defaultValue 0 */
  agcLevel?: number;
  /** Whether talking is reported although it may not speak. @defaultValue false */
  muteDetect?: boolean;
  /** Members of whom it hears nothing. @defaultValue none */
  unheard?: readonly number[];
}

/** What a room may be told. To add something: a variant here and its case in `Room.obey`. */
export type RoomCommand =
  /** From the member's leg, and to it. */
  | {
      type: 'add';
      member: number;
      fromMember: SharedArrayBuffer;
      toMember: SharedArrayBuffer;
      settings?: MemberSettings;
    }
  | { type: 'remove'; member: number }
  | { type: 'member'; member: number; settings: MemberSettings }
  /** While the room is closed its members hear only what is played. */
  | { type: 'waiting'; on: boolean }
  /** The floor is given to a member, or taken from who has it: then it goes to the first who is there. */
  | { type: 'floor'; member: number | undefined }
  /** Lists asked for after each other are heard after each other, unless `async`: then at once, beside the others. */
  | {
      type: 'play';
      play: number;
      member: number | undefined;
      items: PlayItem[];
      async: boolean;
      /** While it plays the member hears nothing else. */
      alone?: boolean;
    }
  | { type: 'stopPlay'; play: number }
  | { type: 'pausePlay'; play: number; on: boolean }
  | { type: 'playGain'; play: number; gain: number }
  | { type: 'attach'; attachment: number; spec: AttachmentSpec }
  /** While on, the attachment gets no ticks: a recording that is paused goes on where it stopped. */
  | { type: 'pauseAttachment'; attachment: number; on: boolean }
  | { type: 'detach'; attachment: number };

/** What a room reports. `score` is the mean amplitude of the member's frame. */
export type RoomEvent =
  | { type: 'memberAdded'; member: number }
  | { type: 'memberRemoved'; member: number }
  | {
      type: 'talking';
      member: number;
      on: boolean;
      score: number /** How long it talked, when it stops. */;
      ms: number;
    }
  | { type: 'floor'; member: number | undefined }
  | { type: 'play'; report: LegReport }
  | { type: 'attachmentEvent'; attachment: number; event: AttachmentEvent }
  | { type: 'attachmentEnded'; attachment: number };
