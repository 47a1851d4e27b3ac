import { timestampDelta } from './packet.js';

/** The DTMF digits in the order of their RFC 4733 event codes 0–15. */
export const DTMF_DIGITS = '0123456789*#ABCD';

/** What each event code is called: the digits, and F for a flash of the hook (code 16). */
const EVENT_NAMES = `${DTMF_DIGITS}F`;

/** Bytes of an RFC 4733 payload. */
export const TELEPHONE_EVENT_BYTES = 4;

/** A digit ends without an end packet when nothing more of it came for this long; shorter splits digits of slow senders. */
export const LOST_END_TIMEOUT_MS = 200;

/** RFC 4733 wants the last packet of an event three times. */
const END_PACKETS = 3;
const MAX_QUEUED = 1000;
const DEFAULT_DURATION_MS = 160;
const DEFAULT_GAP_MS = 60;
const DEFAULT_VOLUME_DBM0 = 10;
const DEFAULT_CLOCK_HZ = 8000;
/** Longest duration that fits the 16-bit field. */
const MAX_SEGMENT_SAMPLES = 0xffff;
/** A packet older than this is none that was held up, but the first after the sender's timestamps jumped. */
const MAX_LATE_MS = 5000;
/** The first packet of a segment may lie that far behind the last that came of the segment before. */
const MAX_SEGMENT_HOLE_MS = 100;
/** Pauses of dial strings. */
const PAUSES_MS: ReadonlyMap<string, number> = new Map([
  ['w', 500],
  ['W', 1000],
]);

/** A received key press. */
export interface DtmfDigit {
  digit: string;
  /** How long the key was held, in ms of the sender's RTP clock. */
  durationMs: number;
}

/** Writes an RFC 4733 §2.3 payload at `offset`. Duration in RTP clock units. */
export function writeTelephoneEvent(
  into: Uint8Array,
  offset: number,
  event: number,
  end: boolean,
  durationSamples: number,
  volumeDbm0: number = DEFAULT_VOLUME_DBM0,
): void {
  into[offset] = event & 0xff;
  into[offset + 1] = (end ? 0x80 : 0) | (volumeDbm0 & 0x3f);
  into[offset + 2] = (durationSamples >> 8) & 0xff;
  into[offset + 3] = durationSamples & 0xff;
}

/**
 * Turns RFC 4733 packets into key presses: one per event however often its packets are repeated, also when every end
 * packet was lost (a newer event or {@link LOST_END_TIMEOUT_MS} of silence ends it), also when the event is longer than one
 * segment (§2.5.1.3) or its duration wraps, also when the sender gives a new event the old timestamp or its timestamps jump. Feed {@link receive} with each packet and call {@link tick} regularly.
 */
export class TelephoneEventReceiver {
  #active = false;
  #event = 0;
  #timestamp = 0;
  #segmentSamples = 0;
  #earlierSamples = 0;
  #lastPacketMs = 0;
  #hasFinished = false;
  #finishedTimestamp = 0;
  #finishedEvent = 0;
  readonly #onDigit: (digit: DtmfDigit) => void;
  /** Clock of the events' timestamps and durations. */
  clockHz = DEFAULT_CLOCK_HZ;
  /** Payloads that were neither a digit nor a flash: too short, or an event code above 16. */
  ignoredPackets = 0;

  /** `onDigit` is called once per key press, when the key is released. */
  constructor(onDigit: (digit: DtmfDigit) => void) {
    this.#onDigit = onDigit;
  }

  /** Takes the payload of one telephone-event packet. `nowMs` is any monotonic clock. No allocation but for a finished digit. */
  receive(payload: Uint8Array, offset: number, length: number, timestamp: number, nowMs: number): void {
    const event = payload[offset];
    if (length < TELEPHONE_EVENT_BYTES || event === undefined || event >= EVENT_NAMES.length) {
      this.ignoredPackets++;
      return;
    }
    if (this.#hasFinished && this.#isOld(this.#finishedTimestamp, this.#finishedEvent, event, timestamp)) return;
    const end = (payload[offset + 1]! & 0x80) !== 0;
    const duration = (payload[offset + 2]! << 8) | payload[offset + 3]!;
    if (this.#active && (timestamp !== this.#timestamp || event !== this.#event)) {
      if (this.#isOld(this.#timestamp, this.#event, event, timestamp)) return;
      this.#moveTo(event, timestamp);
    }
    if (!this.#active) this.#begin(event, timestamp);
    if (this.#segmentSamples - duration > 0x8000) {
      // A sender that knows no segments lets the field wrap.
      this.#earlierSamples += 0x10000;
      this.#segmentSamples = duration;
    }
    this.#segmentSamples = Math.max(this.#segmentSamples, duration);
    this.#lastPacketMs = nowMs;
    if (end) this.#finish();
  }

  /** Ends an event whose end packets were lost. Call about every 20 ms. */
  tick(nowMs: number): void {
    if (this.#active && nowMs - this.#lastPacketMs >= LOST_END_TIMEOUT_MS) this.#finish();
  }

  /** Forgets everything: the sender changed its SSRC, so that timestamps no longer compare. A pending key press is reported. */
  reset(): void {
    if (this.#active) this.#finish();
    this.#hasFinished = false;
  }

  /** Whether a packet belongs to a key press that is over, or before the one at `than`. */
  #isOld(than: number, thanEvent: number, event: number, timestamp: number): boolean {
    const behind = -timestampDelta(than, timestamp);
    if (behind === 0) return event === thanEvent;
    return behind > 0 && behind <= (MAX_LATE_MS * this.clockHz) / 1000;
  }

  #begin(event: number, timestamp: number): void {
    this.#active = true;
    this.#event = event;
    this.#timestamp = timestamp;
    this.#segmentSamples = 0;
    this.#earlierSamples = 0;
  }

  /** A newer timestamp without an end before it: the next segment of a long event, or the next key after a lost end. */
  #moveTo(event: number, timestamp: number): void {
    const passed = timestampDelta(this.#timestamp, timestamp);
    const hole = passed - this.#segmentSamples;
    const continues = event === this.#event && hole >= 0 && hole <= (MAX_SEGMENT_HOLE_MS * this.clockHz) / 1000;
    if (continues && this.#segmentSamples >= 0x8000) {
      this.#earlierSamples += passed;
      this.#segmentSamples = 0;
      this.#timestamp = timestamp;
    } else {
      this.#finish();
    }
  }

  #finish(): void {
    this.#active = false;
    this.#hasFinished = true;
    this.#finishedTimestamp = this.#timestamp;
    this.#finishedEvent = this.#event;
    const samples = this.#earlierSamples + this.#segmentSamples;
    this.#onDigit({ digit: EVENT_NAMES[this.#event]!, durationMs: Math.round((samples * 1000) / this.clockHz) });
  }
}

/**
 * Produces RFC 4733 packets for queued digits, one packet per 20 ms: the event with growing duration, its end three times,
 * then a pause. An event longer than the 16-bit duration is sent in segments (§2.5.1.3). While {@link next} returns true the caller sends the event instead of audio, with the `timestamp` and
 * `marker` found here; its own clock goes on.
 */
export class TelephoneEventSender {
  /** Whether the packet is the first of its event. */
  marker = false;
  /** RTP timestamp of the packet: constant over an event. */
  timestamp = 0;
  /** Clock of the events' timestamps and durations; to be changed between events only. */
  clockHz = DEFAULT_CLOCK_HZ;
  /** Events; −1 is a pause. */
  readonly #queue: { event: number; durationMs: number }[] = [];
  #event = -1;
  #startTimestamp = 0;
  #targetSamples = 0;
  #isLaterSegment = false;
  #endsLeft = 0;
  #pauseSamples = 0;
  readonly #gapMs: number;

  /** `gapMs` is the pause between digits. */
  constructor(options: { gapMs?: number } = {}) {
    this.#gapMs = options.gapMs ?? DEFAULT_GAP_MS;
  }

  /** Whether digits are being sent or waiting. */
  get isBusy(): boolean {
    return this.#event >= 0 || this.#queue.length > 0 || this.#pauseSamples > 0;
  }

  /**
   * Queues digits (0–9 * # A–D and F for a flash, case does not matter) and pauses (`w` 500 ms, `W` 1 s); others are skipped.
   * Returns how many were taken; more than 1000 do not wait.
   */
  queue(digits: string, durationMs: number = DEFAULT_DURATION_MS): number {
    let taken = 0;
    for (const digit of digits) {
      const pauseMs = PAUSES_MS.get(digit);
      const event = EVENT_NAMES.indexOf(digit.toUpperCase());
      if (pauseMs === undefined && event < 0) continue;
      if (this.#queue.length >= MAX_QUEUED) break;
      this.#queue.push(pauseMs === undefined ? { event, durationMs } : { event: -1, durationMs: pauseMs });
      taken++;
    }
    return taken;
  }

  /** Drops what is queued and what is being sent. */
  clear(): void {
    this.#queue.length = 0;
    this.#event = -1;
    this.#pauseSamples = 0;
  }

  /**
   * Writes the event payload due now at `offset` and returns true, or returns false when audio is due. `nowTimestamp` is the
   * sender's running RTP timestamp, `frameSamples` the length of a packet.
   */
  next(into: Uint8Array, offset: number, nowTimestamp: number, frameSamples = 160): boolean {
    if (this.#event < 0 && !this.#startNext(nowTimestamp, frameSamples)) return false;
    let elapsed = timestampDelta(this.#startTimestamp, nowTimestamp) + frameSamples;
    const longest = MAX_SEGMENT_SAMPLES - (MAX_SEGMENT_SAMPLES % frameSamples);
    if (elapsed > longest && this.#targetSamples > longest) {
      this.#startTimestamp = (this.#startTimestamp + longest) >>> 0;
      this.#targetSamples -= longest;
      elapsed -= longest;
      this.#isLaterSegment = true;
    }
    const ending = elapsed >= this.#targetSamples;
    this.marker = elapsed === frameSamples && !this.#isLaterSegment;
    this.timestamp = this.#startTimestamp;
    writeTelephoneEvent(into, offset, this.#event, ending, Math.min(elapsed, this.#targetSamples));
    if (ending && --this.#endsLeft === 0) {
      this.#event = -1;
      this.#pauseSamples = (this.#gapMs * this.clockHz) / 1000;
    }
    return true;
  }

  #startNext(nowTimestamp: number, frameSamples: number): boolean {
    if (this.#pauseSamples > 0) {
      this.#pauseSamples -= frameSamples;
      return false;
    }
    const next = this.#queue.shift();
    if (!next) return false;
    const wanted = (next.durationMs * this.clockHz) / 1000;
    if (next.event < 0) {
      this.#pauseSamples = wanted - frameSamples;
      return false;
    }
    this.#event = next.event;
    this.#startTimestamp = nowTimestamp;
    this.#isLaterSegment = false;
    this.#targetSamples = Math.max(wanted, frameSamples * 2);
    this.#endsLeft = END_PACKETS;
    return true;
  }
}
