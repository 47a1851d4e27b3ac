import { randomBytes } from 'node:crypto';
import {
  encodeG711,
  RTP_HEADER_BYTES,
  type RtpPacket,
  type RtpSocket,
  receives,
  SAMPLES_PER_PACKET,
  sends,
  silenceByte,
  TELEPHONE_EVENT_BYTES,
  TelephoneEventReceiver,
  TelephoneEventSender,
  writeRtpHeader,
} from '@ringwire/rtp';
import type { ClipCache } from './audio-clip.js';
import { FrameQueue } from './frame-queue.js';
import { LegRecorder } from './leg-recorder.js';
import { Player } from './player.js';
import type { LegMedia, LegStats, MediaCommand, MediaReport } from './protocol.js';
import { ReceiveBuffer } from './receive-buffer.js';
import { monotonicMs } from './tick-clock.js';

/** Packet buffers used in turn, because the kernel may still read the last one when the next is written. */
const PACKET_BUFFERS = 4;
const PACKET_BYTES = RTP_HEADER_BYTES + SAMPLES_PER_PACKET;

/** What a leg needs of its thread. */
export interface LegContext {
  clips: ClipCache;
  report: (report: MediaReport) => void;
}

/** One RTP stream both ways: what it plays, records, is bridged to, and the digits in it. Lives on a media thread. */
export class Leg {
  readonly id: number;
  readonly socket: RtpSocket;
  readonly #context: LegContext;
  readonly #received = new ReceiveBuffer();
  readonly #heard = new Int16Array(SAMPLES_PER_PACKET);
  readonly #sent = new Int16Array(SAMPLES_PER_PACKET);
  readonly #packets = Array.from({ length: PACKET_BUFFERS }, () => Buffer.alloc(PACKET_BYTES));
  readonly #ssrc = randomBytes(4).readUInt32BE();
  readonly #events = new TelephoneEventSender();
  readonly #digits: TelephoneEventReceiver;
  #media: LegMedia = { codec: 'PCMU', payloadType: 0, direction: 'inactive' };
  #players: Player[] = [];
  #recorders: LegRecorder[] = [];
  /** Ended, but their files may not be complete yet. */
  readonly #finishing = new Set<LegRecorder>();
  #bridge: { incoming: FrameQueue; outgoing: FrameQueue } | undefined;
  #sequence = randomBytes(2).readUInt16BE();
  #timestamp = randomBytes(4).readUInt32BE();
  #turn = 0;
  #talking = false;
  #mutedRead = false;
  #mutedWrite = false;
  #remoteSsrc = -1;
  #digitTimestamp = 0;
  #mediaPacketsIn = 0;
  #dtmfPacketsIn = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(id: number, socket: RtpSocket, context: LegContext) {
    this.id = id;
    this.socket = socket;
    this.#context = context;
    this.#digits = new TelephoneEventReceiver(({ digit, durationMs }) => {
      context.report({
        type: 'dtmf',
        leg: id,
        digit,
        durationMs,
        ssrc: this.#remoteSsrc,
        timestamp: this.#digitTimestamp,
      });
    });
    socket.onPacket = (packet, datagram) => this.#onPacket(packet, datagram);
  }

  /** Changes codec, direction and peer. */
  configure(media: LegMedia): void {
    this.#media = media;
    if (media.remote) this.socket.setRemote(media.remote.host, media.remote.port);
  }

  /** Starts a list above whatever is playing; that goes on afterwards, as nested applications do. */
  play(command: Extract<MediaCommand, { type: 'play' }>): void {
    this.#players.push(new Player(this.id, command, this.#context.clips, this.#context.report));
  }

  /** Ends one list. */
  stopPlay(play: number): void {
    this.#players.find((player) => player.play === play)?.stop('break');
  }

  /** Starts a recording beside everything else. */
  record(command: Extract<MediaCommand, { type: 'record' }>): void {
    const recorder = new LegRecorder(this.id, command, this.#context.report);
    this.#recorders.push(recorder);
    this.#finishing.add(recorder);
    void recorder.finished.then(() => this.#finishing.delete(recorder));
  }

  /** Ends one recording. */
  stopRecord(record: number): void {
    this.#recorders.find((recorder) => recorder.record === record)?.stop('stopped');
  }

  /** Sends digits as RFC 4733 events, after those already queued. Ignored when the peer has no telephone-event. */
  sendDtmf(digits: string, durationMs: number): void {
    if (this.#media.telephoneEventPayloadType !== undefined) this.#events.queue(digits, durationMs);
  }

  /** Exchanges audio with another leg through shared queues. */
  bridge(incoming: SharedArrayBuffer, outgoing: SharedArrayBuffer): void {
    this.#bridge = { incoming: new FrameQueue(incoming), outgoing: new FrameQueue(outgoing) };
  }

  /** Ends the exchange. */
  unbridge(): void {
    this.#bridge = undefined;
  }

  /** Silences what the peer says (`read`) or what it hears (`write`). */
  mute(side: 'read' | 'write', on: boolean): void {
    if (side === 'read') this.#mutedRead = on;
    else this.#mutedWrite = on;
  }

  /** First half of a tick: takes the 20 ms that came in. No await, no closures, no allocation. */
  receiveTick(nowMs: number): void {
    this.#digits.tick(nowMs);
    if (!this.#bridge && this.#recorders.length === 0) return;
    this.#received.read(this.#heard);
    if (this.#mutedRead) this.#heard.fill(0);
    if (this.#bridge) this.#bridge.outgoing.push(this.#heard);
  }

  /** Second half of a tick: makes and sends the 20 ms that go out. No await, no closures, no allocation while a list plays. */
  sendTick(): void {
    const talking = this.#fill();
    const marker = talking && !this.#talking;
    this.#talking = talking;
    if (this.#mutedWrite) this.#sent.fill(0);
    for (let i = 0; i < this.#recorders.length; i++) this.#recorders[i]!.tick(this.#heard, this.#sent);
    if (this.#recorders.length > 0 && this.#recorders.some(hasEnded)) this.#recorders = this.#recorders.filter(isLive);
    if (sends(this.#media.direction) && this.socket.remote) this.#send(marker, talking);
    this.#timestamp = (this.#timestamp + SAMPLES_PER_PACKET) >>> 0;
  }

  /** Lets time pass without packets: the thread was away for longer than it may catch up. */
  skip(ticks: number): void {
    this.#timestamp = (this.#timestamp + ticks * SAMPLES_PER_PACKET) >>> 0;
  }

  /** RTP counts so far. */
  stats(): LegStats {
    return {
      packetsIn: this.socket.packetsReceived,
      mediaPacketsIn: this.#mediaPacketsIn,
      dtmfPacketsIn: this.#dtmfPacketsIn,
      bytesIn: this.#bytesIn,
      latePackets: this.#received.latePackets,
      packetsOut: this.socket.packetsSent,
      bytesOut: this.#bytesOut,
      badPackets: this.socket.badPackets,
      strayPackets: this.socket.strayPackets,
    };
  }

  /** Ends everything on it and frees the port. */
  async close(): Promise<void> {
    for (const player of this.#players) player.stop('break');
    for (const recorder of this.#recorders) recorder.stop('stopped');
    await this.socket.close();
    await Promise.all([...this.#finishing].map((recorder) => recorder.finished));
  }

  /** Fills the outgoing frame from the topmost player, the bridge, or with silence; true when there is sound to send. */
  #fill(): boolean {
    const frame = this.#sent;
    while (this.#players.length > 0) {
      const player = this.#players[this.#players.length - 1]!;
      const filled = player.read(frame, SAMPLES_PER_PACKET);
      if (player.ended) this.#players.pop();
      if (filled > 0) {
        frame.fill(0, filled);
        return true;
      }
      if (!player.ended) break;
    }
    if (this.#bridge && this.#players.length === 0 && this.#bridge.incoming.pull(frame)) return true;
    frame.fill(0);
    return false;
  }

  #send(marker: boolean, talking: boolean): void {
    const packet = this.#packets[this.#turn]!;
    this.#turn = (this.#turn + 1) % PACKET_BUFFERS;
    const eventType = this.#media.telephoneEventPayloadType;
    if (eventType !== undefined && this.#events.next(packet, RTP_HEADER_BYTES, this.#timestamp)) {
      writeRtpHeader(packet, this.#events.marker, eventType, this.#sequence, this.#events.timestamp, this.#ssrc);
      this.socket.send(packet, RTP_HEADER_BYTES + TELEPHONE_EVENT_BYTES);
    } else {
      writeRtpHeader(packet, marker, this.#media.payloadType, this.#sequence, this.#timestamp, this.#ssrc);
      if (talking) encodeG711(this.#media.codec, this.#sent, 0, SAMPLES_PER_PACKET, packet, RTP_HEADER_BYTES);
      else packet.fill(silenceByte(this.#media.codec), RTP_HEADER_BYTES);
      this.socket.send(packet, PACKET_BYTES);
      this.#bytesOut += PACKET_BYTES;
    }
    this.#sequence = (this.#sequence + 1) & 0xffff;
  }

  #onPacket(packet: RtpPacket, datagram: Buffer): void {
    this.#bytesIn += datagram.length;
    if (packet.ssrc !== this.#remoteSsrc) {
      this.#digits.reset();
      this.#received.reset();
      this.#remoteSsrc = packet.ssrc;
    }
    const { payloadType } = packet;
    if (payloadType === this.#media.telephoneEventPayloadType) {
      this.#dtmfPacketsIn++;
      this.#digitTimestamp = packet.timestamp;
      this.#digits.receive(datagram, packet.payloadOffset, packet.payloadLength, packet.timestamp, monotonicMs());
      return;
    }
    const codec = payloadType === this.#media.payloadType ? this.#media.codec : codecOfStaticType(payloadType);
    if (!codec) return;
    this.#mediaPacketsIn++;
    if ((this.#bridge || this.#recorders.length > 0) && receives(this.#media.direction)) {
      this.#received.write(codec, datagram, packet.payloadOffset, packet.payloadLength, packet.timestamp);
    }
  }
}

function hasEnded(recorder: LegRecorder): boolean {
  return recorder.ended;
}

function isLive(recorder: LegRecorder): boolean {
  return !recorder.ended;
}

function codecOfStaticType(payloadType: number): 'PCMU' | 'PCMA' | undefined {
  if (payloadType === 0) return 'PCMU';
  return payloadType === 8 ? 'PCMA' : undefined;
}
