import type { CodecId, Direction, ReportBlock, RtcpTerms, SenderInfo, SrtpAgreement } from '@ringwire/rtp';
import type { AttachmentEvent, AttachmentMessage, AttachmentSpec } from './attachments/registry.js';
import type { RoomCommand, RoomEvent, RoomSpec } from './rooms/room-protocol.js';

/** One thing to play, ready for the media thread: what is remote has been fetched to a file, or is `pending`. */
export type PlayItem =
  | FileItem
  | SilenceItem
  /** A TGML script, and how often it is played: −1 is for ever. */
  | { kind: 'tone'; name: string; script: string; loops: number; parameters?: PlayParameters }
  /** Several as one, `file_string://a!b`: what of it cannot be played is left out. */
  | { kind: 'list'; name: string; items: PlayItem[]; parameters?: PlayParameters }
  /** Is being fetched while what stands before it plays: `supplyItem` with its number says what became of it. */
  | { kind: 'pending'; name: string; number: number; parameters?: PlayParameters }
  /** Could not be resolved; takes part in the list so that its events and its status are right. */
  | { kind: 'missing'; name: string; problem: string };

/** A sound file, its format told from its content. */
export interface FileItem {
  kind: 'file';
  name: string;
  path: string;
  /** Where to begin, in frames of the file's own rate. */
  startFrames: number;
  parameters?: PlayParameters;
  /** It came from a URL: whoever asked for it gives it back (`Playlists.release`). */
  isFetched?: true;
}

/** Silence, or soft noise. */
export interface SilenceItem {
  kind: 'silence';
  name: string;
  /** −1 is for ever. */
  durationMs: number;
  /** Full scale divided by this is the noise; 0 is none. */
  noiseDivisor: number;
  parameters?: PlayParameters;
}

/** What stood in `{name=value}` before a name; headers of its events. */
export type PlayParameters = [name: string, value: string][];

/** A change to what plays. */
export type PlayControl =
  /** On, and off again. */
  | { action: 'pause' }
  /** Ends the item; the list goes on. */
  | { action: 'stop' }
  | { action: 'restart' }
  | { action: 'seek'; ms: number; relative: boolean }
  | { action: 'volume' | 'speed'; steps: number; relative: boolean };

/** What a media thread is started with. */
export interface WorkerOptions {
  /** Codecs to load before it takes calls. */
  codecs: readonly CodecId[];
  /** Whether to run in real time, where that is allowed. */
  realtime: boolean;
  /** Whether to load the decoders of compressed files. */
  preloadDecoders: boolean;
}

/** An address of RTP. */
export interface Peer {
  host: string;
  port: number;
}

/** How media of a leg is to flow from now on. */
export interface LegMedia {
  /** Of what we send; its rate is the leg's rate. */
  codec: CodecId;
  payloadType: number;
  /** The peer's `a=fmtp` of the codec. */
  parameters?: string | undefined;
  /** Length of the packets that we send; what comes in tells its own length. */
  ptimeMs: number;
  telephoneEventPayloadType?: number | undefined;
  /** @defaultValue 8000 */
  telephoneEventClockHz?: number | undefined;
  direction: Direction;
  /** Undefined while the peer's address is not known. */
  remote?: { host: string; port: number } | undefined;
  /** Keys of SRTP; undefined: plain RTP. */
  srtp?: SrtpAgreement | undefined;
  /** Of comfort noise, where the peer takes it (RFC 3389). */
  comfortNoisePayloadType?: number | undefined;
  /** Whether silence in what is played is not sent. */
  suppressesSilence?: boolean | undefined;
  /** Where the peer's RTCP is; undefined: there is none. */
  rtcp?: RtcpTerms | undefined;
  /** Mean time between two reports of ours. */
  rtcpIntervalMs?: number | undefined;
}

/** What a report of the peer says. */
export interface RtcpReceived {
  ssrc: number;
  /** RTP timestamp of the packet that came last. */
  lastTimestamp: number;
  /** Of its own stream. */
  sender?: SenderInfo;
  /** Of ours. */
  block?: ReportBlock;
  /** Undefined until it was measured. */
  roundTripMs: number | undefined;
}

/** Commands about one leg; `leg` is the number under which it was opened. */
export type LegCommand =
  | { type: 'configure'; leg: number; media: LegMedia }
  | { type: 'play'; leg: number; play: number; items: PlayItem[]; timeoutMs: number }
  /** What became of a `pending` item; never another of these. */
  | { type: 'supplyItem'; leg: number; play: number; number: number; item: PlayItem }
  | { type: 'stopPlay'; leg: number; play: number }
  /** Ends the item of a list that plays now. */
  | { type: 'breakItem'; leg: number; play: number }
  /** Changes what plays uppermost. */
  | { type: 'controlPlay'; leg: number; control: PlayControl }
  | { type: 'attach'; leg: number; attachment: number; spec: AttachmentSpec }
  | { type: 'tellAttachment'; leg: number; attachment: number; message: AttachmentMessage }
  | { type: 'detach'; leg: number; attachment: number }
  /** As telephone events, or as tones when the peer has none or `inband` is set; on the side `read` always as tones. */
  | { type: 'sendDtmf'; leg: number; digits: string; durationMs: number; inband: boolean; side: Side }
  /** Joins it with another leg or a room: a queue from it and one to it. */
  | { type: 'join'; leg: number; incoming: SharedArrayBuffer; outgoing: SharedArrayBuffer }
  | { type: 'leave'; leg: number }
  | {
      type: 'mute';
      leg: number /** `read`: what the peer says; `write`: what it hears. */;
      side: Side;
      on: boolean;
    }
  | { type: 'volume'; leg: number; side: Side /** Factor, 1 leaves it as it is. */; gain: number }
  | { type: 'silence'; leg: number; silence: SilenceRules }
  /** Whether what its peer says is kept from whoever it is joined with. */
  | { type: 'withhold'; leg: number; on: boolean }
  | { type: 'stats'; leg: number; request: number }
  | { type: 'close'; leg: number };

/**
 * What is sent where there is nothing: {@link NO_PACKETS}, {@link SILENCE}, or noise of full scale divided by so much, as FreeSWITCH counts it.
 */
export interface SilenceRules {
  /** While nothing plays and nothing is joined. */
  idle: number;
  /** Over a bridge, while the peer sends nothing; 0: silence, or the noise that it tells of. */
  bridged: number;
}

/** In {@link SilenceRules}: no packets at all, and silent ones. */
export const NO_PACKETS = 0;
export const SILENCE = -1;

/** A direction of a leg: `read` is what its peer says, `write` what its peer hears. */
export type Side = 'read' | 'write';

/** Main thread → media thread. */
export type MediaCommand =
  /** With port 0 the system chooses an even one (tests). */
  | { type: 'open'; leg: number; host: string; port: number; relatchAfterMs: number; formerPeer?: Peer | undefined }
  | LegCommand
  | { type: 'openRoom'; room: number; spec: RoomSpec }
  | { type: 'roomCommand'; room: number; command: RoomCommand }
  | { type: 'closeRoom'; room: number }
  | { type: 'stop' };

/** How a playback ended. `missing`: the last item could not be opened; `break`: it was broken. */
export type PlayOutcome = 'done' | 'break' | 'timeout' | 'missing';

/** RTP counts of one leg, for channel variables. */
export interface LegStats {
  packetsIn: number;
  mediaPacketsIn: number;
  dtmfPacketsIn: number;
  bytesIn: number;
  /** Audio that came after its time, and of these, what was of no use any more. */
  latePackets: number;
  droppedPackets: number;
  /** Audio made up for lost packets. */
  concealedMs: number;
  /** Audio left out or inserted to change the play-out delay. */
  stretchedMs: number;
  packetsOut: number;
  /** Of these, digits and comfort noise. */
  dtmfPacketsOut: number;
  comfortNoisePacketsOut: number;
  bytesOut: number;
  badPackets: number;
  strayPackets: number;
  unauthenticPackets: number;
  lostPackets: number;
  /** Gaps of the sequence. */
  gaps: number;
  comfortNoisePacketsIn: number;
  lossPercent: number;
  /** Interarrival jitter (RFC 3550) now, and its extremes. */
  jitterMs: number;
  minJitterMs: number;
  maxJitterMs: number;
  meanIntervalMs: number;
  /** R factor and mean opinion score of the loss. */
  rFactor: number;
  mos: number;
  /** Packets and payload bytes that the peer's last sender report counts. */
  rtcpPeerPackets: number;
  rtcpPeerOctets: number;
  rtcpReportsIn: number;
  rtcpReportsOut: number;
  /** RTCP that was dropped: malformed, of a wrong source, not authentic. */
  rtcpBadPackets: number;
  /** Round trip by RTCP; 0 while it is not known. */
  roundTripMs: number;
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
  rtcpReportsIn: number;
  rtcpReportsOut: number;
  rtcpBadPackets: number;
}

/** What a media thread says about one leg. */
export type LegReport =
  | { type: 'opened'; leg: number; port: number }
  | { type: 'openFailed'; leg: number; code: string; message: string }
  /** `peer`: where its packets went. */
  | { type: 'closed'; leg: number; peer?: Peer | undefined }
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
  /** Why something of a list could not be played. */
  | { type: 'playProblem'; leg: number; play: number; name: string; problem: string }
  | { type: 'attachmentEvent'; leg: number; attachment: number; event: AttachmentEvent }
  /** It is put away; the last that is said of it. */
  | { type: 'attachmentEnded'; leg: number; attachment: number }
  | { type: 'dtmf'; leg: number; digit: string; durationMs: number; ssrc: number; timestamp: number }
  | { type: 'rtcp'; leg: number; heard: RtcpReceived }
  | { type: 'stats'; leg: number; request: number; stats: LegStats };

/** What a media thread says about one room. */
export type RoomReport =
  | { type: 'roomEvent'; room: number; event: RoomEvent }
  /** The last that is said of it. */
  | { type: 'roomClosed'; room: number };

/** Media thread → main thread. */
export type MediaReport = { type: 'ready' } | { type: 'workerStats'; stats: WorkerStats } | LegReport | RoomReport;
