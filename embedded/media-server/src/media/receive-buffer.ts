import { type AudioCodec, FRAME_MS, FrameConverter, frameSamples, type LegRate, timestampDelta } from '@ringwire/rtp';

/** Play-out delay added to the first packet of a stream: one frame absorbs the phase of the two 20 ms clocks and small jitter. */
const DELAY_MS = FRAME_MS;
/** Packets further ahead than this mean that the stream jumped or that our clock lags: start anew. */
const MAX_AHEAD_MS = 300;
/** A packet this much too late is worth waiting for: play-out steps back to it. Later ones are dropped, unless all are late. */
const MAX_STEP_BACK_MS = 200;
/** Delay that no packet needed during this many packets (2 s) is given up again. */
const WINDOW_PACKETS = 100;
/** Delay beyond this is too much when no packet of a window needs it. */
const MAX_SPARE_MS = 2 * FRAME_MS;
/** This many packets too late in a row mean that play-out runs ahead of the sender: start anew. */
const MAX_LATE_RUN = 5;
/** Packets held: {@link MAX_AHEAD_MS} in packets of 10 ms, and a burst of doubles. More are dropped. */
const MAX_PACKETS = 40;
/** Bytes that a held packet has room for at first; larger ones make it grow once. */
const INITIAL_PACKET_BYTES = 160;
/** Longest audio of one packet: 120 ms at 16 kHz, as Opus has it. */
const MAX_PACKET_SAMPLES = 1920;
/** A lost packet is concealed for this long at most; what follows is silence. */
const MAX_CONCEAL_MS = 60;

/** Packets already played that a double is told by: networks double a packet within this many others. */
const REMEMBERED_PACKETS = 16;

/** A packet that waits for its time. */
interface Held {
  codec: AudioCodec;
  /** Counts the changes of RTP clock: timestamps of different ones do not compare. */
  epoch: number;
  timestamp: number;
  bytes: Uint8Array;
  length: number;
}

/**
 * Holds received packets until their time by RTP timestamp and decodes them in order: doubled and swapped packets are harmless,
 * lost ones are concealed where the codec can and else silence, late ones raise the delay until it is no longer needed. The codec may
 * change between packets. {@link read} takes 20 ms per tick. No allocation on the steady path.
 */
export class ReceiveBuffer {
  /** Packets that came after their time. */
  latePackets = 0;
  /** Packets in the order of their time. */
  readonly #held: Held[] = [];
  readonly #unused: Held[] = [];
  readonly #decoded = new Int16Array(MAX_PACKET_SAMPLES);
  #decodedAt = 0;
  #decodedEnd = 0;
  #started = false;
  #codec: AudioCodec | undefined;
  #epoch = 0;
  /** RTP units of the present codec in one ms and per sample. */
  #unitsPerMs = 8;
  #unitsPerSample = 1;
  /** Timestamp of the next sample that is played; has a fraction where the clock is slower than the samples. */
  #playTimestamp = 0;
  #concealedMs = MAX_CONCEAL_MS;
  /** Timestamps of the packets played last. */
  readonly #playedTimestamps = new Float64Array(REMEMBERED_PACKETS).fill(-1);
  #playedPackets = 0;
  #newestEpoch = 0;
  #newestClockHz = 0;
  #lateRun = 0;
  #windowPackets = 0;
  #windowSpareMs = MAX_AHEAD_MS;
  #frame: Int16Array = new Int16Array(0);
  #converter: FrameConverter | undefined;

  /** Stores a packet. */
  write(codec: AudioCodec, bytes: Uint8Array, offset: number, length: number, timestamp: number): void {
    if (length === 0) return;
    const { clockHz } = codec.format;
    if (clockHz !== this.#newestClockHz) {
      this.#newestClockHz = clockHz;
      this.#newestEpoch++;
    }
    if (!this.#started) this.#restart(codec, timestamp);
    else if (this.#newestEpoch === this.#epoch && !this.#place(codec, timestamp)) return;
    this.#insert(codec, bytes, offset, length, timestamp);
  }

  /** Fills `frame`, of 20 ms at `rateHz`, with what is due now and returns whether the stream has begun; silence where nothing came. */
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
  }

  /** Decides what a packet's time means for the delay; false when it came too late to be of use. */
  #place(codec: AudioCodec, timestamp: number): boolean {
    const aheadMs = timestampDelta(this.#playTimestamp, timestamp) / this.#unitsPerMs;
    if (aheadMs < 0) {
      if (this.#playedTimestamps.includes(timestamp)) return false;
      this.latePackets++;
      // Play-out steps back to it when its turn comes.
      if (aheadMs >= -MAX_STEP_BACK_MS) this.#lateRun = 0;
      else if (++this.#lateRun <= MAX_LATE_RUN) return false;
      else this.#restart(codec, timestamp);
    } else if (aheadMs > MAX_AHEAD_MS) {
      this.#restart(codec, timestamp);
    } else {
      this.#lateRun = 0;
    }
    this.#trimDelay(Math.max(0, timestampDelta(this.#playTimestamp, timestamp) / this.#unitsPerMs));
    return true;
  }

  #insert(codec: AudioCodec, bytes: Uint8Array, offset: number, length: number, timestamp: number): void {
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
    this.#epoch = packet.epoch;
    this.#playTimestamp = packet.timestamp;
    this.#playedTimestamps[this.#playedPackets++ % REMEMBERED_PACKETS] = packet.timestamp;
    this.#decodedAt = 0;
    this.#decodedEnd = packet.codec.decode(packet.bytes, 0, packet.length, this.#decoded, 0);
    if (this.#decodedEnd > 0) this.#concealedMs = 0;
    this.#unused.push(packet);
  }

  /** Fills up to the next packet's time or the frame's end; returns how much. */
  #fillGap(frame: Int16Array, from: number, next: Held | undefined): number {
    let count = frame.length - from;
    if (next && next.epoch === this.#epoch) {
      const gap = Math.floor(timestampDelta(this.#playTimestamp, next.timestamp) / this.#unitsPerSample);
      if (gap > 0) count = Math.min(count, gap);
    }
    const codec = this.#codec;
    if (codec?.conceal && this.#concealedMs < MAX_CONCEAL_MS && count === frame.length) {
      codec.conceal(frame, from, count);
      this.#concealedMs += FRAME_MS;
    } else {
      frame.fill(0, from, from + count);
    }
    return this.#played(count);
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
  }

  /** Catches up, by leaving out what is too much, when every packet of the last two seconds came well before its time. */
  #trimDelay(aheadMs: number): void {
    this.#windowSpareMs = Math.min(this.#windowSpareMs, aheadMs);
    if (++this.#windowPackets < WINDOW_PACKETS) return;
    if (this.#windowSpareMs > MAX_SPARE_MS) {
      const tooMuch = (this.#windowSpareMs - DELAY_MS) * this.#unitsPerMs;
      this.#playTimestamp = (this.#playTimestamp + tooMuch) % 2 ** 32;
      this.#decodedAt = this.#decodedEnd;
      let past = 0;
      while (past < this.#held.length && this.#isPast(this.#held[past]!)) past++;
      this.#drop(past);
    }
    this.#windowPackets = 0;
    this.#windowSpareMs = MAX_AHEAD_MS;
  }

  #isPast(packet: Held): boolean {
    return packet.epoch === this.#epoch && timestampDelta(this.#playTimestamp, packet.timestamp) < 0;
  }

  #restart(codec: AudioCodec, timestamp: number): void {
    this.reset();
    this.#use(codec);
    this.#started = true;
    this.#epoch = this.#newestEpoch;
    this.#lateRun = 0;
    this.#windowPackets = 0;
    this.#windowSpareMs = MAX_AHEAD_MS;
    this.#concealedMs = MAX_CONCEAL_MS;
    this.#playedTimestamps.fill(-1);
    this.#playTimestamp = (timestamp - DELAY_MS * this.#unitsPerMs) >>> 0;
  }

  /** Gives up the first `count` packets. */
  #drop(count: number): void {
    for (let i = 0; i < count; i++) this.#unused.push(this.#held.shift()!);
  }
}

function newHeld(codec: AudioCodec): Held {
  return { codec, epoch: 0, timestamp: 0, bytes: new Uint8Array(INITIAL_PACKET_BYTES), length: 0 };
}
