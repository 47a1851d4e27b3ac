import {
  type AudioCodec,
  codecOfStaticPayloadType,
  createCodec,
  type LegRate,
  type RtpPacket,
  type RtpSocket,
  receives,
  TelephoneEventReceiver,
} from '@ringwire/rtp';
import type { LegMedia, LegReport } from './protocol.js';
import { ReceiveBuffer } from './receive-buffer.js';
import { monotonicMs } from './tick-clock.js';

/** What a leg receives: packets sorted into digits and audio, the audio put in its place in time. */
export class LegReceiver {
  mediaPackets = 0;
  dtmfPackets = 0;
  bytes = 0;
  /** Whether someone wants the audio; while nobody does it is not decoded. */
  wanted = false;
  readonly #buffer = new ReceiveBuffer();
  readonly #digits: TelephoneEventReceiver;
  #media: LegMedia;
  #codec: AudioCodec;
  /** What was agreed before: its packets may still be on their way. */
  #previous: { payloadType: number; codec: AudioCodec } | undefined;
  #remoteSsrc = -1;
  #digitTimestamp = 0;

  constructor(leg: number, socket: RtpSocket, media: LegMedia, codec: AudioCodec, report: (report: LegReport) => void) {
    this.#media = media;
    this.#codec = codec;
    this.#digits = new TelephoneEventReceiver(({ digit, durationMs }) => {
      report({ type: 'dtmf', leg, digit, durationMs, ssrc: this.#remoteSsrc, timestamp: this.#digitTimestamp });
    });
    socket.onPacket = (packet, datagram) => this.#onPacket(packet, datagram);
  }

  /** Packets that came after their time. */
  get latePackets(): number {
    return this.#buffer.latePackets;
  }

  /** Changes codec, payload types and direction. */
  configure(media: LegMedia, codec: AudioCodec): void {
    if (codec !== this.#codec) this.#previous = { payloadType: this.#media.payloadType, codec: this.#codec };
    this.#media = media;
    this.#codec = codec;
    this.#digits.clockHz = media.telephoneEventClockHz ?? 8000;
  }

  /** Ends key presses whose end was lost. Called every 20 ms. */
  tick(nowMs: number): void {
    this.#digits.tick(nowMs);
  }

  /** Fills `frame` with the 20 ms due now at `rateHz`, silence where nothing came. */
  read(frame: Int16Array, rateHz: LegRate): void {
    this.#buffer.read(frame, rateHz);
  }

  #onPacket(packet: RtpPacket, datagram: Buffer): void {
    this.bytes += datagram.length;
    if (packet.ssrc !== this.#remoteSsrc) {
      this.#digits.reset();
      this.#buffer.reset();
      this.#remoteSsrc = packet.ssrc;
    }
    const { payloadType, payloadOffset, payloadLength, timestamp } = packet;
    if (payloadType === this.#media.telephoneEventPayloadType) {
      this.dtmfPackets++;
      this.#digitTimestamp = timestamp;
      this.#digits.receive(datagram, payloadOffset, payloadLength, timestamp, monotonicMs());
      return;
    }
    const codec = this.#codecOf(payloadType);
    if (!codec) return;
    this.mediaPackets++;
    if (this.wanted && receives(this.#media.direction)) {
      this.#buffer.write(codec, datagram, payloadOffset, payloadLength, timestamp);
    }
  }

  /** What was agreed, now or before, and G.711, which some peers send beside it. */
  #codecOf(payloadType: number): AudioCodec | undefined {
    if (payloadType === this.#media.payloadType) return this.#codec;
    if (payloadType === this.#previous?.payloadType) return this.#previous.codec;
    const id = codecOfStaticPayloadType(payloadType);
    // Other static types have state, which would begin anew with every packet.
    return id === 'PCMU' || id === 'PCMA' ? createCodec(id) : undefined;
  }
}
