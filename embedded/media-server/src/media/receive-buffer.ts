import {
  type AudioCodec,
  Concealer,
  FRAME_MS,
  FrameConverter,
  frameSamples,
  type LegRate,
  lengthen,
  shorten,
  timestampDelta,
} from '@ringwire/rtp';
import { PlayOutControl } from './play-out-control.js';

/** A first packet that comes earlier than this before a tick is played in that tick, else in the next: small jitter does no harm. */
const MIN_FIRST_SPARE_MS = 3;
/** Packets further ahead than this mean that the stream jumped or that our clock lags: start anew. */
const MAX_AHEAD_MS = 300;
/** A packet this much too late is worth waiting for: play-out steps back to it. Later ones are dropped, unless all are late. */
const MAX_STEP_BACK_MS = 200;
/** This many packets too late in a row mean that play-out runs ahead of the sender: start anew. */
const MAX_LATE_RUN = 5;
/** When nothing was heard for so long, a packet with a wrong time begins a new stretch at once. */
const DRY_MS = 200;
/** Packets held: {@link MAX_AHEAD_MS} in packets of 10 ms, and a burst of doubles. More are dropped. */
const MAX_PACKETS = 40;
/** Bytes that a held packet has room for at first; larger ones make it grow once. */
const INITIAL_PACKET_BYTES = 160;
/** Longest audio of one packet: 120 ms at 16 kHz, as Opus has it, and the 10 ms by which it may be made longer. */
const MAX_PACKET_SAMPLES = 1920 + 160;
/** Packets shorter than this are not made longer or shorter. */
const MIN_STRETCH_MS = 10;
/** A loss is concealed for this long at most; what follows is silence. */
const MAX_CONCEAL_MS = 60;
/** Packets already played that a double is told by: networks double a packet within this many others. */
const REMEMBERED_PACKETS = 16;

/** A packet that waits for its time. */
interface Held {
  codec: AudioCodec;
  /** Counts the changes of RTP clock: timestamps of different ones do not compare. */
  epoch: number;
  timestamp: number;
  /** −1 when it is not known. */
  sequence: number;
  bytes: Uint8Array;
  length: number;
}

/**
 * The jitter buffer: holds received packets until their time by RTP timestamp and decodes them in order. Doubled and swapped packets are
 * harmless, lost ones are concealed, gaps that the sender meant (the sequence goes on) are silence. Late packets raise the delay;
 * what is too much of it, and the drift between the sender's clock and ours, is taken out one pitch period at a time. The codec may change
 * between packets. {@link read} takes 20 ms per tick. No allocation on the steady path.
 */
export class ReceiveBuffer {
  /** Packets that came after their time. */
  latePackets = 0;
  /** Of these, packets that were of no use any more. */
  droppedPackets = 0;
  /** Audio that was made up for lost packets. */
  concealedMs = 0;
  /** Audio that was left out or inserted to change the delay. */
  stretchedMs = 0;
  /** Packets in the order of their time. */
  readonly #held: Held[] = [];
  readonly #unused: Held[] = [];
  readonly #decoded = new Int16Array(MAX_PACKET_SAMPLES);
  readonly #control = new PlayOutControl();
  #decodedAt = 0;
  #decodedEnd = 0;
  /** Time after the last decoded sample; differs from the samples' count when it was stretched. */
  #endTimestamp = 0;
  #started = false;
  #codec: AudioCodec | undefined;
  #concealer = new Concealer(8000);
  #epoch = 0;
  /** RTP units of the present codec in one ms and per sample. */
  #unitsPerMs = 8;
  #unitsPerSample = 1;
  /** Timestamp of the next sample that is played; has a fraction where the clock is slower than the samples. */
  #playTimestamp = 0;
  /** Time since the last packet's audio ended. */
  #dryMs = DRY_MS;
  /** Timestamps of the packets played last. */
  readonly #playedTimestamps = new Float64Array(REMEMBERED_PACKETS).fill(-1);
  #playedPackets = 0;
  #lastSequence = -1;
  #newestEpoch = 0;
  #newestClockHz = 0;
  #lateRun = 0;
  #frame: Int16Array = new Int16Array(0);
  #converter: FrameConverter | undefined;

  /** What is being played now: the codec of the packet played last. */
  get codec(): AudioCodec | undefined {
    return this.#codec;
  }

  /** Whether there has been nothing to play for longer than losses are concealed. */
  get isDry(): boolean {
    return !this.#started || this.#dryMs >= MAX_CONCEAL_MS;
  }

  /** Stores a packet. `sequence` −1: not known; `untilReadMs`: how long from now the next {@link read} is due. */
  write(
    codec: AudioCodec,
    bytes: Uint8Array,
    offset: number,
    length: number,
    timestamp: number,
    sequence = -1,
    untilReadMs = 0,
  ): void {
    if (length === 0) return;
    const { clockHz } = codec.format;
    if (clockHz !== this.#newestClockHz) {
      this.#newestClockHz = clockHz;
      this.#newestEpoch++;
    }
    if (!this.#started) this.#restart(codec, timestamp, untilReadMs);
    else if (this.#newestEpoch === this.#epoch && !this.#place(codec, timestamp, untilReadMs)) return;
    this.#insert(codec, bytes, offset, length, timestamp, sequence);
  }

  /** Fills `frame`, of 20 ms at `rateHz`, with what is due now and returns whether the stream has begun. */
  read(frame: Int16Array, rateHz: LegRate): boolean {
    if (!this.#started) {
      frame.fill(0);
      return false;
    }
    const own = this.#nextRate();
    if (own === rateHz) {
      this.#fill(frame);
      return true;
    }
    if (this.#converter?.fromHz !== own || this.#converter.toHz !== rateHz) {
      this.#converter = new FrameConverter(own, rateHz);
      this.#frame = new Int16Array(frameSamples(own));
    }
    this.#fill(this.#frame);
    frame.set(this.#converter.convert(this.#frame));
    return true;
  }

  /** Forgets the stream: a new SSRC has its own timestamps. */
  reset(): void {
    this.#started = false;
    this.#drop(this.#held.length);
    this.#decodedAt = this.#decodedEnd;
    this.#lastSequence = -1;
  }

  /** Decides what a packet's time means for the delay; false when it came too late to be of use. */
  #place(codec: AudioCodec, timestamp: number, untilReadMs: number): boolean {
    const aheadMs = timestampDelta(this.#playTimestamp, timestamp) / this.#unitsPerMs;
    if (aheadMs >= 0 && aheadMs <= MAX_AHEAD_MS) {
      this.#lateRun = 0;
      this.#control.arrived(aheadMs + untilReadMs, false);
      return true;
    }
    if (aheadMs > MAX_AHEAD_MS || this.#dryMs >= DRY_MS) {
      this.#restart(codec, timestamp, untilReadMs);
      return true;
    }
    if (this.#playedTimestamps.includes(timestamp)) return false;
    this.latePackets++;
    const last = this.#playedTimestamps[(this.#playedPackets + REMEMBERED_PACKETS - 1) % REMEMBERED_PACKETS]!;
    const isNext = last < 0 || timestampDelta(last, timestamp) > 0;
    if (aheadMs >= -MAX_STEP_BACK_MS && isNext) {
      // Play-out steps back to it when its turn comes.
      this.#lateRun = 0;
      this.#control.arrived(aheadMs + untilReadMs, false);
      return true;
    }
    if (++this.#lateRun > MAX_LATE_RUN) {
      this.#restart(codec, timestamp, untilReadMs);
      return true;
    }
    this.droppedPackets++;
    if (aheadMs >= -MAX_STEP_BACK_MS) this.#control.arrived(aheadMs + untilReadMs, true);
    return false;
  }

  #insert(
    codec: AudioCodec,
    bytes: Uint8Array,
    offset: number,
    length: number,
    timestamp: number,
    sequence: number,
  ): void {
    const held = this.#held;
    let at = held.length;
    for (; at > 0; at--) {
      const before = held[at - 1]!;
      if (before.epoch !== this.#newestEpoch) break;
      const delta = timestampDelta(before.timestamp, timestamp);
      if (delta === 0) return;
      if (delta > 0) break;
    }
    if (held.length >= MAX_PACKETS) return;
    const packet = this.#unused.pop() ?? newHeld(codec);
    if (packet.bytes.length < length) packet.bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) packet.bytes[i] = bytes[offset + i]!;
    packet.codec = codec;
    packet.epoch = this.#newestEpoch;
    packet.timestamp = timestamp;
    packet.sequence = sequence;
    packet.length = length;
    held.push(packet);
    for (let i = held.length - 1; i > at; i--) held[i] = held[i - 1]!;
    held[at] = packet;
  }

  /** Rate of the audio that comes next. */
  #nextRate(): LegRate {
    const waits = this.#decodedAt < this.#decodedEnd;
    const codec = waits ? this.#codec : (this.#held[0]?.codec ?? this.#codec);
    return codec?.format.rateHz ?? 8000;
  }

  #fill(frame: Int16Array): void {
    let filled = 0;
    while (filled < frame.length) {
      if (this.#decodedAt < this.#decodedEnd) {
        const count = Math.min(frame.length - filled, this.#decodedEnd - this.#decodedAt);
        for (let i = 0; i < count; i++) frame[filled + i] = this.#decoded[this.#decodedAt + i]!;
        this.#decodedAt += count;
        filled += this.#played(count);
        if (this.#decodedAt === this.#decodedEnd) this.#playTimestamp = this.#endTimestamp;
        continue;
      }
      const next = this.#held[0];
      if (next && this.#isDue(next, frame.length, filled)) this.#decodeNext();
      else filled += this.#fillGap(frame, filled, next);
    }
  }

  /** Whether the first packet continues what was played: at its time, or late. A change of rate waits for the next frame. */
  #isDue(next: Held, frameLength: number, filled: number): boolean {
    if (filled > 0 && frameSamples(next.codec.format.rateHz) !== frameLength) return false;
    if (next.epoch !== this.#epoch) return true;
    return timestampDelta(this.#playTimestamp, next.timestamp) < this.#unitsPerSample;
  }

  #decodeNext(): void {
    const packet = this.#held.shift()!;
    this.#use(packet.codec);
    if (packet.epoch === this.#epoch) {
      const lateUnits = timestampDelta(packet.timestamp, this.#playTimestamp);
      if (lateUnits > 0) this.#control.moved(lateUnits / this.#unitsPerMs);
    }
    this.#epoch = packet.epoch;
    this.#playTimestamp = packet.timestamp;
    this.#playedTimestamps[this.#playedPackets++ % REMEMBERED_PACKETS] = packet.timestamp;
    this.#lastSequence = packet.sequence;
    this.#decodedAt = 0;
    const count = packet.codec.decode(packet.bytes, 0, packet.length, this.#decoded, 0);
    this.#decodedEnd = count;
    this.#endTimestamp = (packet.timestamp + count * this.#unitsPerSample) % 2 ** 32;
    this.#unused.push(packet);
    if (count === 0) return;
    this.#dryMs = 0;
    this.#concealer.heard(this.#decoded, 0, count);
    this.#stretch(count);
  }

  /** Takes out or inserts one pitch period, when the delay is too long or too short. */
  #stretch(count: number): void {
    const wishMs = this.#control.wishMs;
    if (wishMs === 0) return;
    const { rateHz } = this.#concealer;
    const perMs = rateHz / 1000;
    if (count < MIN_STRETCH_MS * perMs) return;
    this.#decodedEnd =
      wishMs > 0
        ? shorten(this.#decoded, count, rateHz, wishMs * perMs)
        : lengthen(this.#decoded, count, rateHz, -wishMs * perMs);
    const moreMs = (this.#decodedEnd - count) / perMs;
    this.#control.moved(moreMs);
    this.stretchedMs += Math.abs(moreMs);
  }

  /** Fills up to the next packet's time or the frame's end; returns how much. */
  #fillGap(frame: Int16Array, from: number, next: Held | undefined): number {
    let count = frame.length - from;
    let isMeant = false;
    if (next && next.epoch === this.#epoch) {
      const gap = Math.floor(timestampDelta(this.#playTimestamp, next.timestamp) / this.#unitsPerSample);
      if (gap > 0) count = Math.min(count, gap);
      isMeant = this.#lastSequence >= 0 && next.sequence === ((this.#lastSequence + 1) & 0xffff);
    }
    const ms = (count * 1000) / this.#concealer.rateHz;
    if (isMeant || this.#codec?.isSilence || this.#playedPackets === 0) frame.fill(0, from, from + count);
    else this.#conceal(frame, from, count, ms);
    this.#dryMs += ms;
    return this.#played(count);
  }

  #conceal(frame: Int16Array, from: number, count: number, ms: number): void {
    const isShort = this.#dryMs < MAX_CONCEAL_MS;
    if (isShort) this.concealedMs += ms;
    const codec = this.#codec;
    if (!codec?.conceal) this.#concealer.conceal(frame, from, count);
    // A codec that can do it itself does it by whole frames.
    else if (isShort && count === frame.length) codec.conceal(frame, from, count);
    else frame.fill(0, from, from + count);
  }

  #played(samples: number): number {
    this.#playTimestamp = (this.#playTimestamp + samples * this.#unitsPerSample) % 2 ** 32;
    return samples;
  }

  #use(codec: AudioCodec): void {
    this.#codec = codec;
    const { clockHz, rateHz } = codec.format;
    this.#unitsPerMs = clockHz / 1000;
    this.#unitsPerSample = clockHz / rateHz;
    if (this.#concealer.rateHz !== rateHz) this.#concealer = new Concealer(rateHz);
  }

  #restart(codec: AudioCodec, timestamp: number, untilReadMs: number): void {
    this.reset();
    this.#use(codec);
    this.#started = true;
    this.#epoch = this.#newestEpoch;
    this.#lateRun = 0;
    this.#control.reset();
    this.#concealer.reset();
    this.#dryMs = DRY_MS;
    this.#playedPackets = 0;
    this.#playedTimestamps.fill(-1);
    const delayMs = untilReadMs >= MIN_FIRST_SPARE_MS ? 0 : FRAME_MS;
    this.#playTimestamp = (timestamp - delayMs * this.#unitsPerMs) >>> 0;
    this.#control.arrived(delayMs + untilReadMs, false);
  }

  /** Gives up the first `count` packets. */
  #drop(count: number): void {
    for (let i = 0; i < count; i++) this.#unused.push(this.#held.shift()!);
  }
}

function newHeld(codec: AudioCodec): Held {
  return { codec, epoch: 0, timestamp: 0, sequence: -1, bytes: new Uint8Array(INITIAL_PACKET_BYTES), length: 0 };
}
