import { setPriority } from 'node:os';
import {
  type AudioAgreement,
  type AudioCodec,
  acceptAudioAnswer,
  type CodecId,
  codecOfStaticPayloadType,
  createCodec,
  FrameConverter,
  frameSamples,
  type LegRate,
  offerAudio,
  parseSdp,
  ReceptionStatistics,
  RTP_HEADER_BYTES,
  RtcpSession,
  RtcpTransport,
  type RtpPacket,
  RtpSocket,
  rms,
  type SentStream,
  type SrtpKey,
  TelephoneEventReceiver,
  TelephoneEventSender,
  toneShare,
  writeRtpHeader,
} from '@ringwire/rtp';

/** Where clean-up is registered: a tap test. */
export interface Teardown {
  teardown(fn: () => unknown): void;
}

/** How a phone works. */
export interface PhoneOptions {
  /** Rate of what it says and hears, whatever the codec's. @defaultValue 8000 */
  rateHz?: LegRate;
  /** Packet time that it offers and sends. @defaultValue 20 */
  ptimeMs?: number;
  /** SRTP keys that it offers. */
  srtp?: readonly SrtpKey[];
  /** Has RTCP, on RTP's port or on the next. */
  rtcp?: 'mux' | 'next port';
  /** Mean time between its reports. @defaultValue 200 */
  rtcpIntervalMs?: number;
}

/** A real phone is another machine: ours must not miss its 20 ms because this one is busy. As media threads do. */
const PHONE_PRIORITY = -15;

function runInTime(): void {
  try {
    setPriority(0, PHONE_PRIORITY);
  } catch (error) {
    // Only a privileged user may; without it the tests need a machine that is not overloaded.
    if (!(error instanceof Error)) throw error;
  }
}

/** After a stall that made more packets than these due, a phone does not make up for it. */
const MOST_AT_ONCE = 5;

/** How long a phone waits for what it should hear, before it says what it missed: far more than any busy machine takes. */
const PATIENCE_MS = 40_000;

const SSRC = 77;
const MAX_PACKET_SAMPLES = 1920;

/** A packet that a phone received. */
export interface HeardPacket {
  /** RTP timestamp, from the first packet's on. */
  timestamp: number;
  sequence: number;
  marker: boolean;
  payloadType: number;
  payloadBytes: number;
  atMs: number;
}

/** RTP as a phone sees it: keeps what it hears in place by timestamp, with arrival times; sends sound and digits every 20 ms. */
export class PhoneMedia {
  readonly packets: HeardPacket[] = [];
  readonly digits: string[] = [];
  readonly rateHz: LegRate;
  agreement: AudioAgreement<CodecId> | undefined;
  readonly #ptimeMs: number;
  /** SRTP keys of the next offer. */
  srtp: readonly SrtpKey[];
  #codec: AudioCodec | undefined;
  #codecs: CodecId[] = ['PCMU', 'PCMA'];
  #heard: Int16Array;
  #end = 0;
  #firstTimestamp: number | undefined;
  /** Where the timestamps of the present codec and source began. */
  #origin = { timestamp: 0, at: 0, clockHz: 0, ssrc: 0 };
  readonly #decoded = new Int16Array(MAX_PACKET_SAMPLES);
  #toPhone: FrameConverter | undefined;
  #toCodec: FrameConverter | undefined;
  #sound: Int16Array = new Int16Array(0);
  #soundAt = 0;
  #pending: number[] = [];
  #sequence = 1;
  #timestamp = 1000;
  readonly #sender = new TelephoneEventSender();
  readonly #receiver = new TelephoneEventReceiver(({ digit }) => this.digits.push(digit));
  #timer: NodeJS.Timeout | undefined;
  /** When the next packet is due. */
  #nextAt = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #rtcpOffer: { rtcp?: 'always'; rtcpMux?: boolean };
  readonly #rtcpIntervalMs: number;
  /** RTCP, where it was agreed. */
  readonly rtcp: RtcpSession = new RtcpSession(SSRC, 'phone');
  readonly rtcpTransport: RtcpTransport;
  readonly #received = new ReceptionStatistics();
  #receivedSsrc = -1;
  readonly sent: SentStream = { packets: 0, octets: 0, timestamp: 0 };
  /** Which of its packets the network loses. */
  loses: (sequence: number) => boolean = () => false;

  private constructor(
    readonly socket: RtpSocket,
    { rateHz = 8000, ptimeMs = 20, srtp = [], rtcp, rtcpIntervalMs = 200 }: PhoneOptions,
  ) {
    this.#rtcpOffer = rtcp ? { rtcp: 'always', rtcpMux: rtcp === 'mux' } : {};
    this.#rtcpIntervalMs = rtcpIntervalMs;
    this.rtcpTransport = new RtcpTransport(socket, (packet, length) => this.#receiveRtcp(packet, length));
    this.rateHz = rateHz;
    this.#ptimeMs = ptimeMs;
    this.srtp = srtp;
    this.#heard = new Int16Array(rateHz * 60);
    socket.onPacket = (packet, datagram) => {
      this.#receive(packet, datagram);
      this.#wake();
    };
  }

  /** Binds a port. */
  static async open(t: Teardown, options: PhoneOptions = {}): Promise<PhoneMedia> {
    runInTime();
    const media = new PhoneMedia(await RtpSocket.bind(), options);
    t.teardown(() => media.close());
    return media;
  }

  /** Everything heard since the first packet. */
  get heard(): Int16Array {
    return this.#heard.slice(0, this.#end);
  }

  /** Resolves when `ms` more have been heard. */
  async hears(ms: number): Promise<void> {
    const wanted = this.#end + (ms * this.rateHz) / 1000;
    while (this.#end < wanted) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Our offer. */
  offer(codecs: CodecId[] = ['PCMU', 'PCMA']): string {
    this.#codecs = codecs;
    const { host, port } = this.socket;
    const offer = offerAudio({
      host,
      port,
      sessionId: '1',
      sessionVersion: 1,
      codecs,
      srtpOffer: this.srtp,
      ...this.#rtcpOffer,
    });
    return offer.replace('a=ptime:20', `a=ptime:${this.#ptimeMs}`);
  }

  /** Takes the answer and begins to send. */
  start(answer: string): void {
    const parsed = parseSdp(answer);
    if (!parsed.ok) throw parsed.error;
    const accepted = acceptAudioAnswer(parsed.sdp, {
      codecs: this.#codecs,
      srtpOffer: this.srtp,
      ...this.#rtcpOffer,
    });
    if (!accepted.ok) throw accepted.error;
    this.startTo(accepted.agreement);
  }

  /** Begins to send as agreed, or goes on as agreed anew. */
  startTo(agreement: AudioAgreement<CodecId>): void {
    if (agreement.codec !== this.agreement?.codec) {
      this.#codec?.close();
      this.#codec = createCodec(agreement.codec, agreement.parameters);
      const { rateHz } = this.#codec.format;
      this.#toPhone = new FrameConverter(rateHz, this.rateHz);
      this.#toCodec = new FrameConverter(this.rateHz, rateHz);
      this.#pending = [];
    }
    this.agreement = agreement;
    this.#receiver.clockHz = agreement.telephoneEventClockHz ?? 8000;
    this.#sender.clockHz = agreement.telephoneEventClockHz ?? 8000;
    this.socket.setSecurity(agreement.srtp);
    this.socket.setRemote(agreement.remoteHost, agreement.remotePort);
    void this.rtcpTransport.configure(agreement.rtcp);
    this.rtcp.schedule(performance.now(), agreement.rtcp ? this.#rtcpIntervalMs : 0);
    if (this.#timer) return;
    this.#nextAt = performance.now() + 20;
    this.#timer = setInterval(() => {
      this.#sendDue();
      this.#report();
    }, 5);
  }

  /** Says this, at the phone's rate, from the next packet on. */
  say(pcm: Int16Array): void {
    // What was due while this process was busy is not of the new sound.
    if (this.#timer) this.#sendDue();
    this.#sound = pcm;
    this.#soundAt = 0;
  }

  /** Resolves when all of what it says has been sent: what came meanwhile may be from before, where this process was busy. */
  async said(): Promise<void> {
    while (this.#soundAt < this.#sound.length) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Presses keys. */
  press(digits: string): void {
    this.#sender.queue(digits, 100);
  }

  /** Ends everything. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#codec?.close();
    await this.rtcpTransport.close();
    await this.socket.close();
  }

  /**
   * Resolves when the last 200 ms that were heard are this tone, or silence: a pause of a busy machine may come before. The test's own time-out
   * ends it.
   */
  async hearsNow(hz: number | 'silence'): Promise<void> {
    for (;;) {
      await this.hears(200);
      const from = this.#end - this.rateHz / 5;
      const isSilent = rms(this.#heard, from, this.#end) < 50;
      if (hz === 'silence' ? isSilent : !isSilent && toneShare(this.#heard, hz, this.rateHz, from, this.#end) > 0.95)
        return;
    }
  }

  /**
   * Resolves when what was heard so far fits; asked after each 100 ms that come.
   * @param what in words, for the error when it does not come in time
   */
  async hearsThat(what: string, fits: (heard: Int16Array) => boolean): Promise<void> {
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      // Also where nothing comes any more.
      this.#wake();
    }, PATIENCE_MS);
    try {
      while (!fits(this.heard)) {
        const wanted = this.#end + this.rateHz / 10;
        while (this.#end < wanted && !isOver) await new Promise<void>((resolve) => this.#waiting.push(resolve));
        if (isOver) throw new Error(`not heard within ${PATIENCE_MS} ms: ${what}`);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves when the condition holds; asked after each packet that comes. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #receiveRtcp(packet: Buffer, length: number): boolean {
    const isTaken = this.rtcp.receive(packet, length, performance.timeOrigin + performance.now());
    this.#wake();
    return isTaken;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #report(): void {
    const nowMs = performance.now();
    if (!this.rtcp.isDue(nowMs)) return;
    const { buffer } = this.rtcpTransport;
    const unixMs = performance.timeOrigin + nowMs;
    this.sent.timestamp = this.#timestamp;
    this.rtcpTransport.send(this.rtcp.write(buffer, nowMs, unixMs, this.#received, this.#receivedSsrc, this.sent));
  }

  #receive(packet: RtpPacket, datagram: Buffer): void {
    const atMs = performance.now();
    const { payloadType, payloadOffset, payloadLength, timestamp, sequence, marker, ssrc } = packet;
    this.#receivedSsrc = ssrc;
    this.#received.add(sequence, timestamp, 8000, atMs);
    if (payloadType === this.agreement?.telephoneEventPayloadType) {
      this.#receiver.receive(datagram, payloadOffset, payloadLength, timestamp, atMs);
      return;
    }
    this.#firstTimestamp ??= timestamp;
    this.packets.push({
      timestamp: (timestamp - this.#firstTimestamp) >>> 0,
      sequence,
      marker,
      payloadType,
      payloadBytes: payloadLength,
      atMs,
    });
    const codec = this.#codecOf(payloadType);
    if (!codec) return;
    const samples = codec.decode(datagram, payloadOffset, payloadLength, this.#decoded, 0);
    const { clockHz, rateHz } = codec.format;
    if (clockHz !== this.#origin.clockHz || ssrc !== this.#origin.ssrc) {
      this.#origin = { timestamp, at: this.#end, clockHz, ssrc };
    }
    const at = this.#origin.at + (((timestamp - this.#origin.timestamp) >>> 0) * this.rateHz) / clockHz;
    const end = at + (samples * this.rateHz) / rateHz;
    if (end > this.#heard.length) return;
    this.#heard.set(this.#atPhoneRate(this.#decoded.subarray(0, samples), rateHz), at);
    this.#end = Math.max(this.#end, end);
  }

  /** The agreed codec, and G.711 before the answer is known or after a change. */
  #codecOf(payloadType: number): AudioCodec | undefined {
    if (payloadType === this.agreement?.payloadType) return this.#codec;
    const id = codecOfStaticPayloadType(payloadType);
    return id === 'PCMU' || id === 'PCMA' ? createCodec(id) : undefined;
  }

  /** Packets of a codec with another rate than the phone's must be whole frames. */
  #atPhoneRate(pcm: Int16Array, rateHz: LegRate): Int16Array {
    if (rateHz === this.rateHz) return pcm;
    const frame = frameSamples(rateHz);
    const out: number[] = [];
    // Audio may come before the answer is known.
    this.#toPhone ??= new FrameConverter(rateHz, this.rateHz);
    for (let at = 0; at < pcm.length; at += frame) out.push(...this.#toPhone.convert(pcm.subarray(at, at + frame)));
    return Int16Array.from(out);
  }

  /** Sends what is due. After a long stall it goes on where it was, as a phone that was silent meanwhile, rather than with a burst. */
  #sendDue(): void {
    const due = Math.floor((performance.now() - this.#nextAt) / 20) + 1;
    if (due > MOST_AT_ONCE) {
      const missed = due - 1;
      this.#nextAt += missed * 20;
      this.#timestamp += (missed * this.#codec!.format.clockHz) / 50;
      this.#pending = [];
    }
    for (; performance.now() >= this.#nextAt; this.#nextAt += 20) this.#send();
    this.#wake();
  }

  #send(): void {
    const { payloadType, telephoneEventPayloadType: eventType, ptimeMs } = this.agreement!;
    const codec = this.#codec!;
    const { clockHz, rateHz } = codec.format;
    const frame = new Int16Array(frameSamples(this.rateHz));
    frame.set(this.#sound.subarray(this.#soundAt, this.#soundAt + frame.length));
    this.#soundAt += frame.length;
    const event = Buffer.alloc(RTP_HEADER_BYTES + 4);
    const eventUnits = this.#sender.clockHz / 50;
    if (eventType !== undefined && this.#sender.next(event, RTP_HEADER_BYTES, this.#timestamp, eventUnits)) {
      writeRtpHeader(event, this.#sender.marker, eventType, this.#sequence, this.#sender.timestamp, SSRC);
      this.#put(event);
      this.#timestamp += clockHz / 50;
      this.#pending = [];
      return;
    }
    this.#pending.push(...this.#toCodec!.convert(frame));
    const samples = (ptimeMs * rateHz) / 1000;
    while (this.#pending.length >= samples) {
      const packet = Buffer.alloc(RTP_HEADER_BYTES + codec.format.maxPayloadBytes(ptimeMs));
      const pcm = Int16Array.from(this.#pending.splice(0, samples));
      const bytes = codec.encode(pcm, 0, samples, packet, RTP_HEADER_BYTES);
      writeRtpHeader(packet, false, payloadType, this.#sequence, this.#timestamp, SSRC);
      if (bytes > 0) this.#put(packet.subarray(0, RTP_HEADER_BYTES + bytes));
      this.#timestamp += (ptimeMs * clockHz) / 1000;
    }
  }

  #put(packet: Buffer): void {
    this.sent.packets++;
    this.sent.octets += packet.length - RTP_HEADER_BYTES;
    if (!this.loses(this.#sequence)) this.socket.send(packet);
    this.#sequence = (this.#sequence + 1) & 0xffff;
  }
}
