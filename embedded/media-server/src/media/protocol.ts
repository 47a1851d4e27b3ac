import type { Direction, G711Codec } from '@ringwire/rtp';

/** One thing to play, ready for the media thread: everything remote has been fetched to a file before. */
export type PlayItem =
  | { kind: 'wav'; name: string; path: string /** Start, in frames of the file's own rate. */; seekFrames: number }
  | { kind: 'silence'; name: string /** −1 is for ever. */; durationMs: number }
  | { kind: 'tone'; name: string; description: string }
  /** Could not be resolved; takes part in the list so that its events and its status are right. */
  | { kind: 'missing'; name: string };

/** What of a channel goes into a recording: what it hears from its peer, or both directions as left and right or mixed. */
export type RecordMode = 'read' | 'mixed' | 'stereo';

/** How media of a leg is to flow from now on. */
export interface LegMedia {
  codec: G711Codec;
  payloadType: number;
  telephoneEventPayloadType?: number | undefined;
  direction: Direction;
  /** Undefined while the peer's address is not known. */
  remote?: { host: string; port: number } | undefined;
}

/** Main thread → media thread. `leg` is the number under which the leg was opened. */
export type MediaCommand =
  | { type: 'open'; leg: number; host: string; minPort: number; maxPort: number }
  | { type: 'configure'; leg: number; media: LegMedia }
  | { type: 'play'; leg: number; play: number; items: PlayItem[]; timeoutMs: number }
  | { type: 'stopPlay'; leg: number; play: number }
  | {
      type: 'record';
      leg: number;
      record: number;
      path: string;
      mode: RecordMode;
      /** 0 is no limit. */
      limitMs: number;
      /** Mean absolute level (0…32767) under which a packet is silence; 0 switches the detection off. */
      silenceThreshold: number;
      /** Successive silent packets that end the recording. */
      silenceHits: number;
    }
  | { type: 'stopRecord'; leg: number; record: number }
  | { type: 'sendDtmf'; leg: number; digits: string; durationMs: number }
  | { type: 'bridge'; leg: number; incoming: SharedArrayBuffer; outgoing: SharedArrayBuffer }
  | { type: 'unbridge'; leg: number }
  | {
      type: 'mute';
      leg: number /** `read`: what the peer says; `write`: what it hears. */;
      side: 'read' | 'write';
      on: boolean;
    }
  | { type: 'stats'; leg: number; request: number }
  | { type: 'close'; leg: number }
  | { type: 'stop' };

/** How a playback ended. `missing`: the last item could not be opened. */
export type PlayOutcome = 'done' | 'break' | 'timeout' | 'missing';

/** How a recording ended. */
export type RecordOutcome = 'stopped' | 'limit' | 'silence' | 'failed';

/** RTP counts of one leg, for channel variables. */
export interface LegStats {
  packetsIn: number;
  mediaPacketsIn: number;
  dtmfPacketsIn: number;
  bytesIn: number;
  latePackets: number;
  packetsOut: number;
  bytesOut: number;
  badPackets: number;
  strayPackets: number;
}

/** Counts of a media thread, since its start. */
export interface WorkerStats {
  legs: number;
  ticks: number;
  /** Ticks that began more than 5 ms after they were due. */
  lateTicks: number;
  /** Ticks given up because the thread was behind by more than it may catch up. */
  skippedTicks: number;
  packetsIn: number;
  packetsOut: number;
  badPackets: number;
  strayPackets: number;
  latePackets: number;
}

/** Media thread → main thread. */
export type MediaReport =
  | { type: 'ready' }
  | { type: 'opened'; leg: number; port: number }
  | { type: 'openFailed'; leg: number; code: string; message: string }
  | { type: 'closed'; leg: number }
  | { type: 'itemStarted'; leg: number; play: number; index: number }
  | { type: 'itemEnded'; leg: number; play: number; index: number; outcome: PlayOutcome }
  | {
      type: 'playEnded';
      leg: number;
      play: number;
      outcome: PlayOutcome;
      /** Played samples at 8 kHz over the whole list. */
      samples: number;
      /** Where the last file stood, in frames of its own rate. */
      lastOffsetFrames: number;
      /** Why the last unplayable item was unplayable. */
      problem?: string;
    }
  | { type: 'recordEnded'; leg: number; record: number; outcome: RecordOutcome; samples: number; problem?: string }
  | { type: 'dtmf'; leg: number; digit: string; durationMs: number; ssrc: number; timestamp: number }
  | { type: 'stats'; leg: number; request: number; stats: LegStats }
  | { type: 'workerStats'; stats: WorkerStats };
