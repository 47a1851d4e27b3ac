import { randomBytes } from 'node:crypto';
import {
  type AudioCodec,
  FRAME_MS,
  RTP_HEADER_BYTES,
  type RtpSocket,
  type SentStream,
  sends,
  TELEPHONE_EVENT_BYTES,
  TelephoneEventSender,
  writeRtpHeader,
} from '@ringwire/rtp';
import type { LegMedia } from './protocol.js';

/** Packet buffers used in turn, because the kernel may still read the last one when the next is written. */
const PACKET_BUFFERS = 4;
/** FreeSWITCH's comfort noise: −65 dBov, every 60 frames. */
const COMFORT_NOISE_LEVEL = 65;
const COMFORT_NOISE_FRAMES = 60;
/** Mean amplitude (about −55 dBov) below which a frame is quiet, and how many of these are sent nevertheless. */
const QUIET_MEAN = 48;
const HANGOVER_FRAMES = 10;
/** Longest packet, and one frame more that may wait for its packet. */
const MAX_PENDING_MS = 60 + FRAME_MS;

/** What a leg sends: frames gathered into packets of the agreed length, encoded, or digits in their place. */
export class LegSender {
  bytes = 0;
  dtmfPackets = 0;
  comfortNoisePackets = 0;
  readonly ssrc: number = randomBytes(4).readUInt32BE();
  readonly #socket: RtpSocket;
  readonly #sent: SentStream = { packets: 0, octets: 0, timestamp: 0 };
  readonly #events = new TelephoneEventSender();
  #media: LegMedia;
  #codec: AudioCodec;
  #packets: Buffer[] = [];
  #turn = 0;
  /** Samples that wait until a packet is full, and how many. */
  #pending = new Int16Array(0);
  #pendingSamples = 0;
  #packetSamples = 0;
  #sequence = randomBytes(2).readUInt16BE();
  /** Of the frame that is due, in the codec's clock. */
  #timestamp = randomBytes(4).readUInt32BE();
  /** Frames since sending stopped, and of quiet. */
  #pausedFrames = 0;
  #quietFrames = 0;
  #talking = false;
  #marker = false;

  constructor(socket: RtpSocket, media: LegMedia, codec: AudioCodec) {
    this.#socket = socket;
    this.#media = media;
    this.#codec = codec;
    this.configure(media, codec);
  }

  /** Changes codec, payload types, packet length and direction; sequence numbers and timestamps go on. */
  configure(media: LegMedia, codec: AudioCodec): void {
    const { format } = codec;
    const isNew = codec !== this.#codec || media.ptimeMs !== this.#media.ptimeMs || this.#packets.length === 0;
    this.#media = media;
    this.#codec = codec;
    this.#events.clockHz = media.telephoneEventClockHz ?? 8000;
    if (!isNew) return;
    const bytes = RTP_HEADER_BYTES + Math.max(TELEPHONE_EVENT_BYTES, format.maxPayloadBytes(media.ptimeMs));
    this.#packets = Array.from({ length: PACKET_BUFFERS }, () => Buffer.alloc(bytes));
    this.#pending = new Int16Array((MAX_PENDING_MS * format.rateHz) / 1000);
    this.#pendingSamples = 0;
    this.#packetSamples = (media.ptimeMs * format.rateHz) / 1000;
  }

  /** What was sent, for sender reports. The object is reused. */
  sentStream(): SentStream {
    // That of the frame that has just been sent.
    this.#sent.timestamp = (this.#timestamp - (this.#codec.format.clockHz * FRAME_MS) / 1000) >>> 0;
    return this.#sent;
  }

  /** Queues digits as RFC 4733 events. Ignored when the peer has no telephone-event. */
  sendDigits(digits: string, durationMs: number): void {
    if (this.#media.telephoneEventPayloadType !== undefined) this.#events.queue(digits, durationMs);
  }

  /**
   * Takes the 20 ms that are due; `talking` is whether there is sound in them, `pauses` whether they are not to be sent. No await, no closures,
   * no allocation.
   */
  send(frame: Int16Array, talking: boolean, pauses = false): void {
    if (talking && !this.#talking) this.#marker = true;
    this.#talking = talking;
    if (sends(this.#media.direction) && this.#socket.remote) {
      if (this.#sendEvent()) this.#pendingSamples = 0;
      else if (pauses || (this.#media.suppressesSilence && this.#isLastingSilence(frame))) this.#pause();
      else this.#sendAudio(frame);
    } else {
      this.#pendingSamples = 0;
      this.#pausedFrames = 0;
    }
    this.#advance(1);
  }

  /** Lets time pass without packets. */
  skip(ticks: number): void {
    this.#pendingSamples = 0;
    this.#advance(ticks);
  }

  #sendEvent(): boolean {
    const eventType = this.#media.telephoneEventPayloadType;
    if (eventType === undefined) return false;
    const packet = this.#packets[this.#turn]!;
    const frameUnits = (this.#events.clockHz * FRAME_MS) / 1000;
    if (!this.#events.next(packet, RTP_HEADER_BYTES, this.#timestamp, frameUnits)) return false;
    writeRtpHeader(packet, this.#events.marker, eventType, this.#sequence, this.#events.timestamp, this.ssrc);
    this.dtmfPackets++;
    this.#put(packet, RTP_HEADER_BYTES + TELEPHONE_EVENT_BYTES);
    return true;
  }

  /** Sends nothing but, where the peer takes it, comfort noise: at once and then as often as FreeSWITCH does. */
  #pause(): void {
    this.#pendingSamples = 0;
    this.#marker = true;
    const payloadType = this.#media.comfortNoisePayloadType;
    if (payloadType !== undefined && this.#pausedFrames % COMFORT_NOISE_FRAMES === 0) {
      const packet = this.#packets[this.#turn]!;
      writeRtpHeader(packet, false, payloadType, this.#sequence, this.#timestamp, this.ssrc);
      packet[RTP_HEADER_BYTES] = COMFORT_NOISE_LEVEL;
      this.comfortNoisePackets++;
      this.#put(packet, RTP_HEADER_BYTES + 1);
    }
    this.#pausedFrames++;
  }

  /** Whether it has been quiet for so long that what is said does not lose its ends. */
  #isLastingSilence(frame: Int16Array): boolean {
    let sum = 0;
    for (let i = 0; i < frame.length; i++) sum += Math.abs(frame[i]!);
    if (sum > QUIET_MEAN * frame.length) this.#quietFrames = 0;
    else this.#quietFrames++;
    return this.#quietFrames > HANGOVER_FRAMES;
  }

  #sendAudio(frame: Int16Array): void {
    this.#pausedFrames = 0;
    if (this.#pendingSamples === 0 && this.#packetSamples === frame.length) {
      this.#sendPacket(frame, 0, this.#timestamp);
      return;
    }
    const { clockHz, rateHz } = this.#codec.format;
    const unitsPerSample = clockHz / rateHz;
    const pending = this.#pending;
    let start = this.#timestamp - this.#pendingSamples * unitsPerSample;
    pending.set(frame, this.#pendingSamples);
    this.#pendingSamples += frame.length;
    let at = 0;
    for (; this.#pendingSamples - at >= this.#packetSamples; at += this.#packetSamples) {
      this.#sendPacket(pending, at, start >>> 0);
      start += this.#packetSamples * unitsPerSample;
    }
    pending.copyWithin(0, at, this.#pendingSamples);
    this.#pendingSamples -= at;
  }

  #sendPacket(pcm: Int16Array, pcmOffset: number, timestamp: number): void {
    const packet = this.#packets[this.#turn]!;
    const bytes = this.#codec.encode(pcm, pcmOffset, this.#packetSamples, packet, RTP_HEADER_BYTES);
    if (bytes === 0) return;
    writeRtpHeader(packet, this.#marker, this.#media.payloadType, this.#sequence, timestamp, this.ssrc);
    this.#marker = false;
    this.bytes += RTP_HEADER_BYTES + bytes;
    this.#put(packet, RTP_HEADER_BYTES + bytes);
  }

  #put(packet: Buffer, length: number): void {
    this.#turn = (this.#turn + 1) % PACKET_BUFFERS;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#sent.packets++;
    this.#sent.octets += length - RTP_HEADER_BYTES;
    this.#socket.send(packet, length);
  }

  #advance(ticks: number): void {
    this.#timestamp = (this.#timestamp + (ticks * this.#codec.format.clockHz * FRAME_MS) / 1000) >>> 0;
  }
}
