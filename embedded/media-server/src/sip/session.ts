import { randomInt } from 'node:crypto';
import {
  type AudioAgreement,
  acceptAudioAnswer,
  answerAudio,
  type CodecId,
  codecFormat,
  createSrtpKey,
  type Direction,
  type LocalAudio,
  type LocalRtcp,
  offerAudio,
  parseSdp,
  type SdpError,
  SRTP_SUITES,
  type SrtpKey,
  srtpSuite,
} from '@ringwire/rtp';
import type { Channel } from '../channel/channel.js';
import { isTrue } from '../channel/truth.js';
import type { LegMedia } from '../media/protocol.js';

/** Result of taking an offer. */
export type OfferResult = { ok: true; sdp: string } | { ok: false; error: SdpError };

/** What a session takes and offers. */
export interface SessionOptions {
  /** In the order in which they are offered. */
  codecs: readonly CodecId[];
  /** Mean time between RTCP reports; 0: no RTCP. */
  rtcpIntervalMs: number;
}

/** Intervals that FreeSWITCH takes from `rtcp_audio_interval_msec`. */
const MIN_RTCP_INTERVAL_MS = 100;
const MAX_RTCP_INTERVAL_MS = 500_000;

/** The SDP side of one channel: what was offered and answered, both ways, as often as it changes. */
export class MediaSession {
  readonly #channel: Channel;
  readonly #options: SessionOptions;
  readonly #sessionId = String(randomInt(1, 2 ** 47));
  #version = 0;
  /** Keys that our open offer names. */
  #srtpOffer: SrtpKey[] | undefined;
  #srtpSendKey: SrtpKey | undefined;
  /** What our open offer says of RTCP. */
  #rtcpOffer: LocalRtcp | undefined;
  /** Until the call is taken, with or without an answer, no media flows: what was agreed waits here. */
  #waiting: LegMedia | undefined;
  #flows = true;

  constructor(channel: Channel, options: SessionOptions) {
    this.#channel = channel;
    this.#options = options;
  }

  /** Lets what is agreed wait until {@link release}. */
  holdBack(): void {
    this.#flows = false;
  }

  /** Lets media flow. */
  release(): void {
    this.#flows = true;
    if (this.#waiting) this.#channel.leg.configure(this.#waiting);
    this.#waiting = undefined;
  }

  /** Answers an offer and lets media flow as agreed. */
  takeOffer(offer: string): OfferResult {
    const parsed = parseSdp(offer);
    if (!parsed.ok) return parsed;
    const local = this.#local();
    const answer = answerAudio(parsed.sdp, {
      ...local,
      direction: this.#direction(),
      rtcp: this.#rtcp(),
      rtcpMux: this.#mayMux(),
      suppressComfortNoise: this.#suppressesComfortNoise(),
      ...(this.#srtpSendKey && { srtpSendKey: this.#srtpSendKey }),
    });
    if (!answer.ok) return answer;
    this.#channel.setVariable('switch_r_sdp', offer);
    this.#setLocal(answer.sdp);
    this.#apply(answer.agreement);
    return { ok: true, sdp: answer.sdp };
  }

  /** Our own offer, for an INVITE without one and for hold. */
  makeOffer(direction: Direction = 'sendrecv'): string {
    this.#srtpOffer = this.#keysToOffer();
    const srtp = this.#srtpOffer && { srtpOffer: this.#srtpOffer };
    // What the peer has not wanted it is not asked for again.
    const { agreement } = this.#channel;
    this.#rtcpOffer = agreement && !agreement.rtcp ? undefined : this.#rtcp();
    const offer = offerAudio({
      ...this.#local(),
      direction,
      rtcp: this.#rtcpOffer,
      rtcpMux: this.#mayMux() && (!agreement?.rtcp || agreement.rtcp.mux),
      ...srtp,
    });
    this.#setLocal(offer);
    return offer;
  }

  /** Takes the answer to {@link makeOffer}; false when it cannot be used. */
  takeAnswer(answer: string): boolean {
    const parsed = parseSdp(answer);
    if (!parsed.ok) return false;
    const accepted = acceptAudioAnswer(parsed.sdp, {
      codecs: this.#options.codecs,
      direction: this.#direction(),
      rtcp: this.#rtcpOffer,
      rtcpMux: this.#mayMux(),
      suppressComfortNoise: this.#suppressesComfortNoise(),
      ...(this.#srtpOffer && { srtpOffer: this.#srtpOffer }),
    });
    if (!accepted.ok) return false;
    this.#channel.setVariable('switch_r_sdp', answer);
    this.#apply(accepted.agreement);
    return true;
  }

  #local(): LocalAudio<CodecId> {
    const { host, port } = this.#channel.leg;
    this.#version++;
    return {
      host,
      port,
      sessionId: this.#sessionId,
      sessionVersion: this.#version,
      sessionName: 'FreeSWITCH',
      codecs: this.#options.codecs,
    };
  }

  /** We hold the peer: whatever it offers, it is not to be heard. */
  #direction(): Direction {
    return this.#channel.holding.isByUs ? 'sendonly' : 'sendrecv';
  }

  #rtcp(): LocalRtcp | undefined {
    if (this.#options.rtcpIntervalMs === 0) return undefined;
    return this.#channel.getVariable('rtcp_audio_interval_msec') === undefined ? 'asked' : 'always';
  }

  #mayMux(): boolean {
    const wanted = this.#channel.getVariable('rtcp_mux');
    return wanted === undefined || isTrue(wanted);
  }

  /** The channel variable in FreeSWITCH's bounds, else the server's. */
  #rtcpIntervalMs(): number {
    const wanted = Number(this.#channel.getVariable('rtcp_audio_interval_msec'));
    const isUsable = wanted >= MIN_RTCP_INTERVAL_MS && wanted <= MAX_RTCP_INTERVAL_MS;
    return isUsable ? wanted : this.#options.rtcpIntervalMs;
  }

  /** As FreeSWITCH spells it, and once did. */
  #suppressesComfortNoise(): boolean {
    return ['suppress_cng', 'supress_cng'].some((name) => isTrue(this.#channel.getVariable(name)));
  }

  /** FreeSWITCH has names of its own for calls that come in, and for those that go out. */
  #suppressesSilence(): boolean {
    const side = this.#channel.isOutbound ? 'out' : 'in';
    const [on, off] = [`rtp_enable_vad_${side}`, `rtp_disable_vad_${side}`];
    return isTrue(this.#channel.getVariable(on)) && !isTrue(this.#channel.getVariable(off));
  }

  /**
   * Keys when the stream is secured already, or the channel variables ask for it as in FreeSWITCH: `rtp_secure_media_inbound` (of our calls `_outbound`) or `rtp_secure_media`, with
   * suites behind a colon or in `rtp_secure_media_suites`.
   */
  #keysToOffer(): SrtpKey[] | undefined {
    if (this.#srtpSendKey) return [this.#srtpSendKey];
    const read = (name: string): string | undefined => this.#channel.getVariable(name);
    const { direction } = this.#channel.profile;
    const [mode = '', ...suites] = (read(`rtp_secure_media_${direction}`) ?? read('rtp_secure_media') ?? '').split(':');
    if (!isTrue(mode) && mode.toLowerCase() !== 'mandatory') return undefined;
    const named = (suites.length > 0 ? suites : (read('rtp_secure_media_suites')?.split(':') ?? [])).flatMap(
      (name) => srtpSuite(name.replace(/^AES_CM_256_/i, 'AES_256_CM_')) ?? [],
    );
    return (named.length > 0 ? named : SRTP_SUITES).map(createSrtpKey);
  }

  #setLocal(sdp: string): void {
    const { host, port } = this.#channel.leg;
    this.#channel.setVariable('rtp_local_sdp_str', sdp);
    this.#channel.setVariable('local_media_ip', host);
    this.#channel.setVariable('local_media_port', String(port));
  }

  #apply(agreement: AudioAgreement<CodecId>): void {
    const channel = this.#channel;
    const { codec, payloadType, parameters, ptimeMs, direction, remoteHost, remotePort } = agreement;
    const { telephoneEventPayloadType, telephoneEventClockHz } = agreement;
    const { name, rateHz } = codecFormat(codec);
    // A client without media yet answers with our own description: sending to ourselves would latch us onto ourselves.
    const isUs = remoteHost === channel.leg.host && remotePort === channel.leg.port;
    channel.agreement = agreement;
    this.#srtpSendKey = agreement.srtp?.send;
    const media: LegMedia = {
      codec,
      payloadType,
      parameters,
      ptimeMs,
      telephoneEventPayloadType,
      telephoneEventClockHz,
      srtp: agreement.srtp,
      direction: isUs ? 'inactive' : direction,
      remote: isUs ? undefined : { host: remoteHost, port: remotePort },
      rtcp: isUs ? undefined : agreement.rtcp,
      rtcpIntervalMs: this.#rtcpIntervalMs(),
      comfortNoisePayloadType: agreement.comfortNoisePayloadType,
      suppressesSilence: this.#suppressesSilence(),
    };
    if (this.#flows) channel.leg.configure(media);
    else this.#waiting = media;
    const keys = channel.getVariable('dtmf_type');
    const isChosen = keys === 'info' || keys === 'inband';
    const variables: Record<string, string | undefined> = {
      rtp_remote_audio_rtcp_port: agreement.rtcp && !agreement.rtcp.mux ? String(agreement.rtcp.port) : undefined,
      rtp_has_crypto: agreement.srtp?.receive.suite,
      rtp_secure_media_confirmed: agreement.srtp && 'true',
      remote_media_ip: remoteHost,
      remote_media_port: String(remotePort),
      rtp_use_codec_name: name,
      rtp_use_codec_rate: String(rateHz),
      rtp_use_pt: String(payloadType),
      rtp_use_codec_ptime: String(ptimeMs),
      read_codec: name,
      read_rate: String(rateHz),
      write_codec: name,
      write_rate: String(rateHz),
      // What somebody has set stays through offers and answers.
      dtmf_type: isChosen ? keys : telephoneEventPayloadType === undefined ? 'none' : 'rfc2833',
      rtp_2833_recv_payload: telephoneEventPayloadType === undefined ? undefined : String(telephoneEventPayloadType),
      rtp_2833_send_payload: telephoneEventPayloadType === undefined ? undefined : String(telephoneEventPayloadType),
    };
    for (const [name, value] of Object.entries(variables)) channel.setVariable(name, value);
    channel.setVariable('ep_codec_string', `${name}@${rateHz}h@${ptimeMs}i`);
    if (channel.getVariable('original_read_codec') !== undefined) return;
    channel.setVariable('original_read_codec', name);
    channel.setVariable('original_read_rate', String(rateHz));
  }
}
