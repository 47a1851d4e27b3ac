import {
  type AudioCodec,
  createCodec,
  frameSamples,
  type LegRate,
  NoiseSource,
  RTCP_INTERVAL_MS,
  type RtpSocket,
} from '@ringwire/rtp';
import { AttachmentSet } from './attachment-set.js';
import { createAttachment } from './attachments/registry.js';
import type { ClipCache } from './audio-clip.js';
import { Exchange } from './frame-queue.js';
import { InbandDigits } from './inband-digits.js';
import { LegReceiver } from './leg-receiver.js';
import { LegRtcp } from './leg-rtcp.js';
import { LegSender } from './leg-sender.js';
import { NoiseGenerator } from './noise.js';
import { Player } from './player.js';
import { PlayerStack } from './player-stack.js';
import {
  type LegCommand,
  type LegMedia,
  type LegReport,
  type LegStats,
  NO_PACKETS,
  SILENCE,
  type Side,
  type SilenceRules,
} from './protocol.js';

/** What a leg needs of its thread. */
export interface LegContext {
  clips: ClipCache;
  report: (report: LegReport) => void;
  /** Told when the beginning of what a leg is to play is there. */
  onSound: (leg: Leg) => void;
}

/** What RTCP adds to the counts of a leg. */
type RtcpStat = Extract<keyof LegStats, `rtcp${string}` | 'roundTripMs'>;

const INITIAL_MEDIA: LegMedia = { codec: 'PCMU', payloadType: 0, ptimeMs: 20, direction: 'inactive' };

/**
 * One RTP stream both ways, and what is done with its audio, on a media thread:
 *
 *     socket → receiver → heard → volume, mute → attachments → bridge or room
 *     digits as tones, else players, else bridge or room → attachments that mix in → volume, mute → attachments → sender → socket
 */
export class Leg {
  readonly id: number;
  readonly socket: RtpSocket;
  readonly #context: LegContext;
  readonly #players = new PlayerStack();
  readonly #tones = new InbandDigits();
  readonly #heardTones = new InbandDigits();
  readonly #attachments: AttachmentSet;
  readonly #receiver: LegReceiver;
  readonly #sender: LegSender;
  readonly #gain = { read: 1, write: 1 };
  readonly #noise = new NoiseSource();
  readonly #muted = { read: false, write: false };
  #silence: SilenceRules = { idle: SILENCE, bridged: NO_PACKETS };
  #withholds = false;
  #idleNoise: NoiseGenerator | undefined;
  #bridgeNoise: NoiseGenerator | undefined;
  #media = INITIAL_MEDIA;
  #codec: AudioCodec = createCodec(INITIAL_MEDIA.codec);
  /** Kept until the next change: its packets may still be on their way. */
  #previousCodec: AudioCodec | undefined;
  #rateHz: LegRate = this.#codec.format.rateHz;
  #heard = new Int16Array(frameSamples(this.#rateHz));
  #sent = new Int16Array(frameSamples(this.#rateHz));
  #exchange: Exchange | undefined;
  #rtcp: LegRtcp | undefined;

  constructor(id: number, socket: RtpSocket, context: LegContext) {
    this.id = id;
    this.socket = socket;
    this.#context = context;
    this.#receiver = new LegReceiver(id, socket, this.#media, this.#codec, context.report);
    this.#sender = new LegSender(socket, this.#media, this.#codec);
    this.#attachments = new AttachmentSet((attachment) => {
      context.report({ type: 'attachmentEnded', leg: id, attachment });
    });
  }

  /** Obeys one command. */
  obey(command: Exclude<LegCommand, { type: 'close' }>): void {
    switch (command.type) {
      case 'configure':
        this.#configure(command.media);
        break;
      case 'play':
        this.#play(command);
        break;
      case 'supplyItem':
        this.#players.supply(command.play, command.number, command.item);
        break;
      case 'stopPlay':
        this.#players.stop(command.play);
        break;
      case 'breakItem':
        this.#players.breakItem(command.play);
        break;
      case 'controlPlay':
        this.#players.control(command.control);
        break;
      case 'attach':
        this.#attach(command);
        break;
      case 'tellAttachment':
        this.#attachments.tell(command.attachment, command.message);
        break;
      case 'detach':
        this.#attachments.remove(command.attachment);
        break;
      case 'sendDtmf':
        this.#sendDtmf(command);
        break;
      case 'join':
        this.#exchange = new Exchange(command.incoming, command.outgoing, this.#rateHz);
        break;
      case 'leave':
        if (this.#players.isBusy) this.#exchange = undefined;
        else this.#exchange?.end();
        break;
      case 'mute':
        this.#muted[command.side] = command.on;
        break;
      case 'volume':
        this.#gain[command.side] = command.gain;
        break;
      case 'withhold':
        this.#withholds = command.on;
        break;
      case 'silence':
        this.#setSilence(command.silence);
        break;
      case 'stats':
        this.#context.report({ type: 'stats', leg: this.id, request: command.request, stats: this.stats() });
    }
  }

  /** First half of a tick: takes the 20 ms that came in. No await, no closures, no allocation. */
  receiveTick(nowMs: number): void {
    this.#receiver.tick(nowMs);
    const exchange = this.#exchange;
    const wanted = exchange !== undefined || this.#attachments.listens || this.#heardTones.isBusy;
    this.#receiver.wanted = wanted;
    if (!wanted) return;
    const heard = this.#heard;
    this.#receiver.read(heard, this.#rateHz);
    if (this.#heardTones.isBusy) this.#heardTones.read(heard, this.#rateHz);
    this.#adjust(heard, 'read');
    this.#attachments.heardTick(heard, this.#rateHz);
    if (!exchange || this.#withholds) return;
    // After the attachments: silence stays silence in recordings, but a person at the other end should not think the line dead.
    this.#fillPause(heard);
    exchange.push(heard);
  }

  /** Whether its packet of this tick should wait for sound that is just being opened. Nobody waits who hears others. */
  get awaitsSound(): boolean {
    return this.#players.isOpening && this.#exchange === undefined;
  }

  /** Second half of a tick: makes and sends the 20 ms that go out. No await, no closures, no allocation while a list plays. */
  sendTick(nowMs: number): void {
    const sent = this.#sent;
    let sounds = this.#players.read(sent, this.#rateHz);
    if (this.#exchange && !sounds && !this.#players.isBusy) sounds = this.#exchange.pull(sent);
    if (this.#exchange?.isOver) this.#exchange = undefined;
    if (this.#tones.isBusy) sounds = this.#tones.read(sent, this.#rateHz);
    const isIdle = !sounds && !this.#exchange && !this.#players.isBusy;
    if (!sounds) sent.fill(0);
    if (isIdle && this.#idleNoise) this.#idleNoise.fill(sent, 0, sent.length);
    if (this.#attachments.mixTick(sent, this.#rateHz)) sounds = true;
    this.#adjust(sent, 'write');
    this.#attachments.sentTick(sent, this.#rateHz);
    this.#sender.send(sent, sounds, isIdle && !sounds && this.#silence.idle === NO_PACKETS);
    this.#rtcp?.tick(nowMs);
  }

  /** Lets time pass without packets: the thread was away for longer than it may catch up. `skippedTicks` of the thread counts it. */
  skip(ticks: number): void {
    this.#sender.skip(ticks);
  }

  /** RTP counts so far. */
  stats(): LegStats {
    const { lost, gaps, lossPercent, jitterMs, minJitterMs, maxJitterMs, meanIntervalMs, rFactor, mos } =
      this.#receiver.statistics;
    return {
      lostPackets: lost,
      gaps,
      lossPercent,
      jitterMs,
      minJitterMs,
      maxJitterMs,
      meanIntervalMs,
      rFactor,
      mos,
      comfortNoisePacketsIn: this.#receiver.comfortNoisePackets,
      packetsIn: this.socket.packetsReceived,
      mediaPacketsIn: this.#receiver.mediaPackets,
      dtmfPacketsIn: this.#receiver.dtmfPackets,
      bytesIn: this.#receiver.bytes,
      latePackets: this.#receiver.buffer.latePackets,
      droppedPackets: this.#receiver.buffer.droppedPackets,
      concealedMs: this.#receiver.buffer.concealedMs,
      stretchedMs: this.#receiver.buffer.stretchedMs,
      packetsOut: this.socket.packetsSent,
      dtmfPacketsOut: this.#sender.dtmfPackets,
      comfortNoisePacketsOut: this.#sender.comfortNoisePackets,
      bytesOut: this.#sender.bytes,
      badPackets: this.socket.badPackets,
      strayPackets: this.socket.strayPackets,
      unauthenticPackets: this.socket.unauthenticPackets,
      ...this.#rtcpStats(),
    };
  }

  /** Ends everything on it and frees the port. */
  async close(): Promise<void> {
    this.#players.stopAll();
    // The BYE of RTCP may leave by the socket of RTP.
    const rtcpClosed = this.#rtcp?.close();
    await Promise.all([this.#attachments.close(), this.socket.close(), rtcpClosed]);
    this.#codec.close();
    this.#previousCodec?.close();
  }

  /** Changes codec, direction and peer. */
  #configure(media: LegMedia): void {
    const old = this.#media;
    this.#media = media;
    if (media.codec !== old.codec || media.parameters !== old.parameters) {
      this.#previousCodec?.close();
      this.#previousCodec = this.#codec;
      this.#codec = createCodec(media.codec, media.parameters);
      this.#setRate(this.#codec.format.rateHz);
    }
    this.#receiver.configure(media, this.#codec);
    this.#sender.configure(media, this.#codec);
    this.socket.setSecurity(media.srtp);
    if (media.remote) this.socket.setRemote(media.remote.host, media.remote.port);
    if (media.rtcp)
      this.#rtcp ??= new LegRtcp(this.id, this.socket, this.#receiver, this.#sender, this.#context.report);
    this.#rtcp?.configure(media.rtcp, media.rtcpIntervalMs ?? RTCP_INTERVAL_MS);
  }

  #rtcpStats(): Pick<LegStats, RtcpStat> {
    const stats = this.#rtcp?.stats();
    return {
      rtcpPeerPackets: stats?.peerPackets ?? 0,
      rtcpPeerOctets: stats?.peerOctets ?? 0,
      rtcpReportsIn: stats?.reportsIn ?? 0,
      rtcpReportsOut: stats?.reportsOut ?? 0,
      rtcpBadPackets: stats?.bad ?? 0,
      roundTripMs: stats?.roundTripMs ?? 0,
    };
  }

  #setSilence(silence: SilenceRules): void {
    this.#silence = silence;
    this.#idleNoise = silence.idle > 0 ? new NoiseGenerator(silence.idle) : undefined;
    this.#bridgeNoise = silence.bridged > 0 ? new NoiseGenerator(silence.bridged) : undefined;
  }

  /** What the other end of a bridge hears while the peer sends nothing: the noise that is asked for, else the one that the peer tells of. */
  #fillPause(heard: Int16Array): void {
    if (this.#muted.read) return;
    const noiseDb = this.#receiver.comfortNoiseDb;
    if (this.#silence.bridged !== NO_PACKETS) {
      if (noiseDb !== undefined || this.#receiver.isPausing) this.#bridgeNoise?.fill(heard, 0, heard.length);
    } else if (noiseDb !== undefined) {
      this.#noise.fill(heard, noiseDb);
    }
  }

  #setRate(rateHz: LegRate): void {
    if (rateHz === this.#rateHz) return;
    this.#rateHz = rateHz;
    this.#heard = new Int16Array(frameSamples(rateHz));
    this.#sent = new Int16Array(frameSamples(rateHz));
    this.#exchange?.setRate(rateHz);
  }

  #sendDtmf({ digits, durationMs, inband, side }: Extract<LegCommand, { type: 'sendDtmf' }>): void {
    if (side === 'read') this.#heardTones.queue(digits, durationMs);
    else if (inband || this.#media.telephoneEventPayloadType === undefined) this.#tones.queue(digits, durationMs);
    else this.#sender.sendDigits(digits, durationMs);
  }

  #play(command: Extract<LegCommand, { type: 'play' }>): void {
    const { clips, report, onSound } = this.#context;
    this.#players.push(new Player(this.id, command, this.#rateHz, clips, report, () => onSound(this)));
  }

  #attach({ attachment, spec }: Extract<LegCommand, { type: 'attach' }>): void {
    const made = createAttachment(spec, {
      legRateHz: this.#rateHz,
      clips: this.#context.clips,
      report: (event) => this.#context.report({ type: 'attachmentEvent', leg: this.id, attachment, event }),
    });
    this.#attachments.add(attachment, made);
  }

  #adjust(frame: Int16Array, side: Side): void {
    if (this.#muted[side]) {
      frame.fill(0);
      return;
    }
    const gain = this.#gain[side];
    if (gain === 1) return;
    for (let i = 0; i < frame.length; i++) {
      const value = Math.round(frame[i]! * gain);
      frame[i] = value > 32767 ? 32767 : value < -32768 ? -32768 : value;
    }
  }
}
