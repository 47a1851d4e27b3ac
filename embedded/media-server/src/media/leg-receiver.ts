import {
  type AudioCodec,
  type ComfortNoiseDecoder,
  codecOfStaticPayloadType,
  createCodec,
  createComfortNoiseDecoder,
  FRAME_MS,
  type LegRate,
  ReceptionStatistics,
  type RtpPacket,
  type RtpSocket,
  receives,
  TelephoneEventReceiver,
} from '@ringwire/rtp';
import type { LegMedia, LegReport } from './protocol.js';
import { ReceiveBuffer } from './receive-buffer.js';
import { monotonicMs } from './tick-clock.js';

/** Static payload type of comfort noise (RFC 3551 §6). */
const COMFORT_NOISE_PAYLOAD_TYPE = 13;

/** What a leg receives: packets sorted into digits and audio, the audio put in its place in time. */
export class LegReceiver {
  mediaPackets = 0;
  dtmfPackets = 0;
  bytes = 0;
  comfortNoisePackets = 0;
  readonly statistics = new ReceptionStatistics();
  readonly #buffer = new ReceiveBuffer();
  readonly #digits: TelephoneEventReceiver;
  #media: LegMedia;
  #codec: AudioCodec;
  /** What was agreed before: its packets may still be on their way. */
  #previous: { payloadType: number; codec: AudioCodec } | undefined;
  #comfortNoise: ComfortNoiseDecoder | undefined;
  #wanted = false;
  #nextTickMs = 0;
  #remoteSsrc = -1;
  #lastTimestamp = 0;
  #digitTimestamp = 0;

  constructor(leg: number, socket: RtpSocket, media: LegMedia, codec: AudioCodec, report: (report: LegReport) => void) {
    this.#media = media;
    this.#codec = codec;
    this.#digits = new TelephoneEventReceiver(({ digit, durationMs }) => {
      report({ type: 'dtmf', leg, digit, durationMs, ssrc: this.#remoteSsrc, timestamp: this.#digitTimestamp });
    });
    socket.onPacket = (packet, datagram) => this.#onPacket(packet, datagram);
  }

  /** Whose stream comes in; −1 while none has. */
  get ssrc(): number {
    return this.#remoteSsrc;
  }

  /** RTP timestamp of the packet that came last. */
  get lastTimestamp(): number {
    return this.#lastTimestamp;
  }

  /** What became of the packets. */
  get buffer(): Readonly<Pick<ReceiveBuffer, 'latePackets' | 'droppedPackets' | 'concealedMs' | 'stretchedMs'>> {
    return this.#buffer;
  }

  /** Whether someone wants the audio; while nobody does it is not decoded. */
  set wanted(wanted: boolean) {
    // What lay there while nobody listened is old.
    if (wanted && !this.#wanted) this.#buffer.reset();
    this.#wanted = wanted;
  }

  /** Level (dBov) of the noise that the peer says there is while it sends nothing; undefined while it sends. */
  get comfortNoiseDb(): number | undefined {
    return this.#comfortNoise && this.#buffer.codec === this.#comfortNoise ? this.#comfortNoise.levelDb : undefined;
  }

  /** Whether nothing comes, and nothing is made up for it any more. */
  get isPausing(): boolean {
    return this.#buffer.isDry;
  }

  /** Changes codec, payload types and direction. */
  configure(media: LegMedia, codec: AudioCodec): void {
    if (codec !== this.#codec) this.#previous = { payloadType: this.#media.payloadType, codec: this.#codec };
    this.#media = media;
    this.#codec = codec;
    this.#digits.clockHz = media.telephoneEventClockHz ?? 8000;
    const { clockHz, rateHz } = codec.format;
    // Comfort noise has a clock of 8 kHz; codecs with another do it themselves.
    this.#comfortNoise = clockHz === 8000 ? createComfortNoiseDecoder(rateHz, clockHz) : undefined;
  }

  /** Ends key presses whose end was lost. Called every 20 ms. */
  tick(nowMs: number): void {
    this.#nextTickMs = nowMs + FRAME_MS;
    this.#digits.tick(nowMs);
  }

  /** Fills `frame` with the 20 ms due now at `rateHz`, silence where nothing came. */
  read(frame: Int16Array, rateHz: LegRate): void {
    this.#buffer.read(frame, rateHz);
  }

  #onPacket(packet: RtpPacket, datagram: Buffer): void {
    this.bytes += datagram.length;
    const nowMs = monotonicMs();
    if (packet.ssrc !== this.#remoteSsrc) {
      this.statistics.restart();
      this.#digits.reset();
      this.#buffer.reset();
      this.#remoteSsrc = packet.ssrc;
    }
    const { payloadType, payloadOffset, payloadLength, timestamp, sequence } = packet;
    this.#lastTimestamp = timestamp;
    if (payloadType === this.#media.telephoneEventPayloadType) {
      this.dtmfPackets++;
      this.statistics.addUntimed(sequence, nowMs);
      this.#digitTimestamp = timestamp;
      this.#digits.receive(datagram, payloadOffset, payloadLength, timestamp, nowMs);
      return;
    }
    const codec = this.#codecOf(payloadType);
    if (!codec) return;
    this.mediaPackets++;
    if (codec === this.#comfortNoise) this.comfortNoisePackets++;
    this.statistics.add(sequence, timestamp, codec.format.clockHz, nowMs);
    if (this.#wanted && receives(this.#media.direction)) {
      const untilTickMs = Math.min(FRAME_MS, Math.max(0, this.#nextTickMs - nowMs));
      this.#buffer.write(codec, datagram, payloadOffset, payloadLength, timestamp, sequence, untilTickMs);
    }
  }

  /** What was agreed, now or before, and G.711, which some peers send beside it. */
  #codecOf(payloadType: number): AudioCodec | undefined {
    if (payloadType === this.#media.payloadType) return this.#codec;
    if (payloadType === this.#previous?.payloadType) return this.#previous.codec;
    if (payloadType === COMFORT_NOISE_PAYLOAD_TYPE) return this.#comfortNoise;
    const id = codecOfStaticPayloadType(payloadType);
    // Other static types have state, which would begin anew with every packet.
    return id === 'PCMU' || id === 'PCMA' ? createCodec(id) : undefined;
  }
}
