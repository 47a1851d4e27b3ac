import { randomBytes, randomInt } from 'node:crypto';
import {
  type AudioAgreement,
  decodeG711,
  encodeG711,
  RTP_HEADER_BYTES,
  type RtpPacket,
  RtpSocket,
  SAMPLES_PER_PACKET,
  sends,
  TELEPHONE_EVENT_BYTES,
  TelephoneEventReceiver,
  TelephoneEventSender,
  writeRtpHeader,
} from '@ringwire/rtp';
import type { AudioSource } from './audio-source.js';
import { PhoneError } from './errors.js';
import { type FrameClock, startFrameClock } from './frame-clock.js';
import { HeardTimeline, type ReceptionStats } from './heard.js';

/** A key that the other side pressed. */
export interface ReceivedDigit {
  digit: string;
  durationMs: number;
  /** When it ended, on the clock of `performance.now()`. */
  atMs: number;
}

/** What a media session needs. */
export interface MediaSessionOptions {
  localHost: string;
  onDigit(digit: ReceivedDigit): void;
}

/** How long a pressed key lasts (RFC 4733; ITU-T Q.24 wants at least 40 ms). */
export const DIGIT_MS = 100;
/** Pause between two keys. */
const DIGIT_GAP_MS = 100;
/** Most milliseconds of audio in one packet that is accepted. */
const MAX_PACKET_SAMPLES = 200 * 8;

/**
 * The media of one call: sends a packet every 20 ms (audio, else silence, else a key), and lays what comes on a
 * timeline: {@link early} before the answer, {@link heard} from the answer on.
 */
export class MediaSession {
  /** From the first packet before the answer. */
  early: HeardTimeline | undefined;
  /** From the answer on. */
  heard: HeardTimeline | undefined;
  /** Keys that came. */
  readonly digits: ReceivedDigit[] = [];
  readonly #socket: RtpSocket;
  readonly #keys = new TelephoneEventSender({ gapMs: DIGIT_GAP_MS });
  readonly #receiver: TelephoneEventReceiver;
  readonly #ssrc = randomBytes(4).readUInt32BE(0);
  readonly #frame = new Int16Array(SAMPLES_PER_PACKET);
  readonly #decoded = new Int16Array(MAX_PACKET_SAMPLES);
  #sources: { source: AudioSource; done: () => void }[] = [];
  #keyWaiters: (() => void)[] = [];
  #agreement: AudioAgreement | undefined;
  #clock: FrameClock | undefined;
  #sequence = randomInt(0x10000);
  #timestampRtp = randomBytes(4).readUInt32BE(0);
  #lastSsrc: number | undefined;
  #first = true;

  private constructor(socket: RtpSocket, onDigit: MediaSessionOptions['onDigit']) {
    this.#socket = socket;
    this.#receiver = new TelephoneEventReceiver(({ digit, durationMs }) => {
      const received = { digit, durationMs, atMs: performance.now() };
      this.digits.push(received);
      onDigit(received);
    });
    socket.onPacket = (packet, datagram) => this.#receive(packet, datagram);
  }

  /** Opens a port for RTP. */
  static async open({ localHost, onDigit }: MediaSessionOptions): Promise<MediaSession> {
    return new MediaSession(await RtpSocket.bind({ host: localHost }), onDigit);
  }

  get host(): string {
    return this.#socket.host;
  }

  get port(): number {
    return this.#socket.port;
  }

  /** Packets sent so far. */
  get packetsSent(): number {
    return this.#socket.packetsSent;
  }

  /** Datagrams that were no RTP or came from a stranger. */
  get packetsRefused(): number {
    return this.#socket.badPackets + this.#socket.strayPackets;
  }

  /** Statistics of what came since the answer. */
  get stats(): ReceptionStats {
    return this.heard?.stats() ?? { packets: 0, lost: 0, duplicates: 0, maxGapMs: 0, jitterMs: 0 };
  }

  /** Codec and addresses are agreed: begins to send (unless on hold), or goes on with the new agreement. */
  agree(agreement: AudioAgreement): void {
    this.#agreement = agreement;
    this.#socket.setRemote(agreement.remoteHost, agreement.remotePort);
    this.#clock ??= startFrameClock(() => this.#tick());
  }

  /** The call is answered: from now on what comes belongs to {@link heard}. */
  answered(atMs: number): void {
    this.heard ??= new HeardTimeline(atMs);
  }

  /** Queues audio; resolves when it has been sent or dropped. */
  play(source: AudioSource): Promise<void> {
    return new Promise((done) => this.#sources.push({ source, done }));
  }

  /** Presses keys one after another; resolves when the last has been sent. */
  async press(digits: string): Promise<void> {
    if (this.#agreement?.telephoneEventPayloadType === undefined) {
      throw new PhoneError(
        'phone/no-telephone-event',
        'the other side did not agree on telephone-event: keys cannot be sent',
      );
    }
    if (this.#keys.queue(digits, DIGIT_MS) !== digits.length) {
      throw new PhoneError('phone/bad-digits', `not keys of a phone: ${digits}`, { digits });
    }
    await new Promise<void>((done) => this.#keyWaiters.push(done));
  }

  /** Stops sending and frees the port. */
  async close(): Promise<void> {
    this.#clock?.stop();
    this.#receiver.reset();
    for (const { done } of this.#sources.splice(0)) done();
    for (const done of this.#keyWaiters.splice(0)) done();
    await this.#socket.close();
  }

  #tick(): void {
    this.#receiver.tick(performance.now());
    const agreement = this.#agreement;
    if (!agreement) return;
    const timestampRtp = this.#timestampRtp;
    this.#timestampRtp = (this.#timestampRtp + SAMPLES_PER_PACKET) >>> 0;
    if (!sends(agreement.direction)) return;
    const packet = Buffer.allocUnsafe(RTP_HEADER_BYTES + SAMPLES_PER_PACKET);
    const eventType = agreement.telephoneEventPayloadType;
    if (eventType !== undefined && this.#keys.next(packet, RTP_HEADER_BYTES, timestampRtp)) {
      writeRtpHeader(packet, this.#keys.marker, eventType, this.#nextSequence(), this.#keys.timestamp, this.#ssrc);
      this.#socket.send(packet, RTP_HEADER_BYTES + TELEPHONE_EVENT_BYTES);
      return;
    }
    if (!this.#keys.isBusy) for (const done of this.#keyWaiters.splice(0)) done();
    this.#fillFrame();
    encodeG711(agreement.codec, this.#frame, 0, SAMPLES_PER_PACKET, packet, RTP_HEADER_BYTES);
    writeRtpHeader(packet, this.#first, agreement.payloadType, this.#nextSequence(), timestampRtp, this.#ssrc);
    this.#first = false;
    this.#socket.send(packet);
  }

  #fillFrame(): void {
    for (let head = this.#sources[0]; head; head = this.#sources[0]) {
      if (head.source.fill(this.#frame)) return;
      this.#sources.shift();
      head.done();
    }
    this.#frame.fill(0);
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    return this.#sequence;
  }

  #receive(packet: RtpPacket, datagram: Buffer): void {
    const atMs = performance.now();
    if (!this.heard) this.early ??= new HeardTimeline(atMs);
    const timeline = (this.heard ?? this.early) as HeardTimeline;
    const { sequence, timestamp: timestampRtp, payloadType, marker, ssrc } = packet;
    if (!timeline.note(ssrc, { atMs, sequence, timestampRtp, payloadType, marker })) return;
    if (this.#lastSsrc !== undefined && this.#lastSsrc !== ssrc) this.#receiver.reset();
    this.#lastSsrc = ssrc;
    const agreement = this.#agreement;
    if (agreement && payloadType === agreement.telephoneEventPayloadType) {
      this.#receiver.receive(datagram, packet.payloadOffset, packet.payloadLength, timestampRtp, atMs);
    } else if (payloadType === 0 || payloadType === 8) {
      const count = Math.min(packet.payloadLength, MAX_PACKET_SAMPLES);
      decodeG711(payloadType === 0 ? 'PCMU' : 'PCMA', datagram, packet.payloadOffset, count, this.#decoded);
      timeline.place(ssrc, timestampRtp, atMs, this.#decoded.subarray(0, count));
    }
  }
}
