import type { CodecFormat } from './codec.js';
import { type CodecId, codecFormat } from './codecs.js';
import { SdpError } from './errors.js';
import type { G711Codec } from './g711.js';
import type { RtcpTerms } from './rtcp-transport.js';
import { acceptCrypto, answerCrypto, cryptoAttribute, isSecure, type SrtpAgreement } from './sdes.js';
import { buildSdp, type Direction, reverseDirection, type Sdp, type SdpFormat, type SdpMedia } from './sdp.js';
import type { SrtpKey } from './srtp-keys.js';

/** What both sides of an audio stream agreed on; `C` are the codecs that our side knows. */
export interface AudioAgreement<C extends CodecId = G711Codec> {
  codec: C;
  payloadType: number;
  /** The peer's `a=fmtp` of the codec: what it asks of what we send. */
  parameters?: string;
  /** Payload type of RFC 4733 events, if both sides have them. */
  telephoneEventPayloadType?: number;
  /** Clock of their durations: the codec's where the peer has events with it (RFC 4733 §2.1), else 8000. */
  telephoneEventClockHz?: number;
  /** Comfort noise (RFC 3389), where the peer has it and the codec has its clock. */
  comfortNoisePayloadType?: number;
  ptimeMs: number;
  /** Where to send. */
  remoteHost: string;
  remotePort: number;
  /** Seen from our side. */
  direction: Direction;
  /** Keys of SRTP, when the stream is secured. */
  srtp?: SrtpAgreement;
  /** Where the peer has its RTCP, if both sides have some. */
  rtcp?: RtcpTerms;
}

/**
 * Whether our side has RTCP: `asked` where the other side's SDP speaks of it, `always` also where it does not (it is then on the port after
 * RTP's, RFC 3550 §11).
 */
export type LocalRtcp = 'asked' | 'always';

/** Our side of an audio stream; G.711 both ways when it names no codecs. */
export interface LocalAudio<C extends CodecId = G711Codec> {
  host: string;
  port: number;
  /** Constant over a session. */
  sessionId: string;
  /** To be raised with every change of what we say. */
  sessionVersion: number;
  /** In order of preference; all are offered, and the first that the offer also has is not preferred over the offer's order. */
  codecs?: readonly C[];
  direction?: Direction;
  /** Name in the `s=` line. */
  sessionName?: string;
  /** In an offer: RTP/SAVP with these keys, and nothing else will do. Without them: RTP/AVP. */
  srtpOffer?: readonly SrtpKey[];
  /** In an answer to RTP/SAVP: the key with which we send already. */
  srtpSendKey?: SrtpKey;
  /** RTCP, which our offers ask for on RTP's port, else on the next. Without it: none, and our SDP does not speak of it. */
  rtcp?: LocalRtcp | undefined;
  /** `false`: never on RTP's port. */
  rtcpMux?: boolean | undefined;
  /** Comfort noise is not taken, though the other side has it. */
  suppressComfortNoise?: boolean | undefined;
}

/** Result of {@link answerAudio}. */
export type AnswerResult<C extends CodecId = G711Codec> =
  | { ok: true; sdp: string; agreement: AudioAgreement<C> }
  | { ok: false; error: SdpError };

/** Result of {@link acceptAudioAnswer}. */
export type AgreementResult<C extends CodecId = G711Codec> =
  | { ok: true; agreement: AudioAgreement<C> }
  | { ok: false; error: SdpError };

/** Payload type we give telephone-event at 8 kHz in our own offers (the value most equipment uses). */
export const OFFERED_TELEPHONE_EVENT = 101;
/** The same for codecs with another clock, whose events count in that clock (RFC 4733 §2.1). */
const OFFERED_EVENTS_BY_CLOCK = new Map([
  [8000, OFFERED_TELEPHONE_EVENT],
  [48000, 102],
  [16000, 103],
]);
/** Static payload type of comfort noise (RFC 3389). */
const COMFORT_NOISE = 13;

const G711: readonly CodecId[] = ['PCMU', 'PCMA'];
const DEFAULT_PTIME_MS = 20;

/** An SDP offer of one audio stream: the local codecs (PCMU and PCMA when none are named) and telephone-event, 20 ms. */
export function offerAudio<C extends CodecId = G711Codec>(local: LocalAudio<C>): string {
  const formats: SdpFormat[] = knownCodecs(local).map((id) => sdpFormat(codecFormat(id)));
  const clocks = new Set([8000, ...formats.map(({ clockHz }) => clockHz)]);
  for (const [clockHz, payloadType] of OFFERED_EVENTS_BY_CLOCK) {
    if (clocks.has(clockHz)) formats.push(eventFormat(payloadType, clockHz));
  }
  const attributes = (local.srtpOffer ?? []).map((key, i) => cryptoAttribute({ tag: i + 1, key }));
  const protocol = attributes.length > 0 ? 'RTP/SAVP' : 'RTP/AVP';
  if (local.rtcp) attributes.push(...rtcpAttributes(local, false, local.rtcpMux !== false));
  const direction = local.direction ?? 'sendrecv';
  return describe(local, [{ port: local.port, protocol, formats, ptimeMs: DEFAULT_PTIME_MS, direction, attributes }]);
}

/**
 * Answers an offer (RFC 3264 §6): the offer's first codec that we know, its telephone-event under the offer's payload type, its
 * ptime when it is one we can send, the mirrored direction; every other stream is refused with port 0, in place.
 */
export function answerAudio<C extends CodecId = G711Codec>(offer: Sdp, local: LocalAudio<C>): AnswerResult<C> {
  const index = findAudio(offer);
  const media = offer.media[index];
  if (!media) return failure('no-audio', 'the offer has no usable audio stream');
  const chosen = chooseCodec(media, knownCodecs(local));
  if (!chosen) return failure('no-common-codec', `the offer has none of ${knownCodecs(local).join(', ')}`);
  if (!media.host) return failure('no-address', 'the offer has no connection address');
  const direction = limitDirection(reverseDirection(media.direction), local.direction ?? 'sendrecv');
  const crypto = isSecure(media) ? answerCrypto(media, local.srtpSendKey) : undefined;
  if (isSecure(media) && !crypto) return failure('no-crypto', 'the offer has no SRTP suite that we know');
  const agreement: AudioAgreement<C> = {
    ...agree(media, media.host, chosen, direction, local.suppressComfortNoise),
    ...(crypto ? { srtp: crypto.agreement } : {}),
  };
  const attributes = crypto ? [crypto.attribute] : [];
  const rtcp = local.rtcp && rtcpTerms(media, media.host, local.rtcp === 'always', local.rtcpMux !== false);
  if (rtcp) {
    agreement.rtcp = rtcp;
    attributes.push(...rtcpAttributes(local, rtcp.mux, rtcp.mux));
  }
  const events = findEvents(media, chosen.format.clockHz);
  const others: SdpFormat[] = [];
  if (events) others.push(eventFormat(events.payloadType, events.clockHz));
  if (agreement.comfortNoisePayloadType !== undefined) others.push(comfortNoiseFormat());
  // The codec first, for equipment that looks no further; then the offer's order.
  others.sort((one, other) => orderIn(media, one) - orderIn(media, other));
  const formats = [sdpFormat(codecFormat(chosen.codec), chosen.format.payloadType), ...others];
  const streams = offer.media.map((other, at) =>
    at === index
      ? { port: local.port, protocol: media.protocol, formats, ptimeMs: agreement.ptimeMs, direction, attributes }
      : { type: other.type, port: 0, protocol: other.protocol, formatTokens: other.formatTokens },
  );
  return { ok: true, sdp: describe(local, streams), agreement };
}

/** What an answer to our {@link offerAudio} makes of the stream. */
export function acceptAudioAnswer<C extends CodecId = G711Codec>(
  answer: Sdp,
  local: Pick<LocalAudio<C>, 'codecs' | 'direction' | 'srtpOffer' | 'rtcp' | 'rtcpMux' | 'suppressComfortNoise'> = {},
): AgreementResult<C> {
  const media = answer.media[findAudio(answer)];
  if (!media) return failure('no-audio', 'the answer refuses the audio stream');
  const chosen = chooseCodec(media, knownCodecs(local));
  if (!chosen) return failure('no-common-codec', `the answer has none of ${knownCodecs(local).join(', ')}`);
  if (!media.host) return failure('no-address', 'the answer has no connection address');
  const direction = limitDirection(reverseDirection(media.direction), local.direction ?? 'sendrecv');
  const agreement = agree(media, media.host, chosen, direction, local.suppressComfortNoise);
  // Our offer asked for it, so that an answer that says nothing means the default port.
  const rtcp = local.rtcp && rtcpTerms(media, media.host, true, local.rtcpMux !== false);
  if (rtcp) agreement.rtcp = rtcp;
  if (!local.srtpOffer?.length) {
    return isSecure(media)
      ? failure('no-crypto', 'the answer wants SRTP, which was not offered')
      : { ok: true, agreement };
  }
  const srtp = isSecure(media) ? acceptCrypto(media, local.srtpOffer) : undefined;
  if (!srtp) return failure('no-crypto', 'the answer takes none of the SRTP keys that were offered');
  return { ok: true, agreement: { ...agreement, srtp } };
}

/** Where the other side has its RTCP; undefined when its SDP does not speak of it and nobody insists. */
function rtcpTerms(media: SdpMedia, host: string, insists: boolean, mayMux: boolean): RtcpTerms | undefined {
  if (mayMux && media.attributes.includes('rtcp-mux')) return { mux: true };
  const line = media.attributes.find((attribute) => attribute.startsWith('rtcp:'));
  const [, port, other] = /^rtcp:(\d{1,5})(?: +IN +IP[46] +(\S+))?/.exec(line ?? '') ?? [];
  if (port === undefined && !insists) return undefined;
  const named = Number(port ?? 0);
  const isPort = named > 0 && named < 65536;
  return { mux: false, host: (isPort && other) || host, port: isPort ? named : Math.min(media.port + 1, 65535) };
}

/** Where we have ours: RTP's port or the next, as FreeSWITCH writes it also where it is the default. */
function rtcpAttributes({ host, port }: Pick<LocalAudio, 'host' | 'port'>, onRtpPort: boolean, mux: boolean): string[] {
  const family = host.includes(':') ? 'IP6' : 'IP4';
  return [...(mux ? ['rtcp-mux'] : []), `rtcp:${onRtpPort ? port : port + 1} IN ${family} ${host}`];
}

/** The codecs of our side. */
function knownCodecs<C extends CodecId>(local: Pick<LocalAudio<C>, 'codecs'>): readonly C[] {
  // Without codecs C is its default, G711Codec.
  return local.codecs ?? (G711 as readonly C[]);
}

function describe(local: Omit<LocalAudio, 'codecs'>, media: Parameters<typeof buildSdp>[0]['media']): string {
  return buildSdp({
    sessionId: local.sessionId,
    sessionVersion: String(local.sessionVersion),
    host: local.host,
    ...(local.sessionName ? { sessionName: local.sessionName } : {}),
    media,
  });
}

function failure(
  reason: 'no-audio' | 'no-common-codec' | 'no-address' | 'no-crypto',
  message: string,
): { ok: false; error: SdpError } {
  return { ok: false, error: new SdpError(reason, message) };
}

function findAudio(sdp: Sdp): number {
  return sdp.media.findIndex(
    (media) => media.type === 'audio' && media.port !== 0 && /^RTP\/S?AVPF?$/.test(media.protocol),
  );
}

/** A codec of ours and the format of the other side that means it. */
interface Choice<C extends CodecId> {
  codec: C;
  format: SdpFormat;
}

function chooseCodec<C extends CodecId>(media: SdpMedia, known: readonly C[]): Choice<C> | undefined {
  for (const format of media.formats) {
    const codec = known.find((id) => isFormat(codecFormat(id), format));
    if (codec) return { codec, format };
  }
  return undefined;
}

function isFormat(ours: CodecFormat, theirs: SdpFormat): boolean {
  return (
    ours.name.toLowerCase() === theirs.name.toLowerCase() &&
    ours.clockHz === theirs.clockHz &&
    ours.channels === theirs.channels
  );
}

/** The peer's events with the codec's clock, else those at 8 kHz, which much equipment has beside any codec. */
function findEvents(media: SdpMedia, clockHz: number): SdpFormat | undefined {
  const events = media.formats.filter((format) => format.name.toLowerCase() === 'telephone-event');
  return events.find((format) => format.clockHz === clockHz) ?? events.find((format) => format.clockHz === 8000);
}

function agree<C extends CodecId>(
  media: SdpMedia,
  remoteHost: string,
  { codec, format }: Choice<C>,
  direction: Direction,
  suppressComfortNoise = false,
): AudioAgreement<C> {
  const events = findEvents(media, format.clockHz);
  // RFC 2543 hold: a null address means that nothing is to be sent there.
  const held = remoteHost === '0.0.0.0' && (direction === 'sendrecv' || direction === 'sendonly');
  return {
    codec,
    payloadType: format.payloadType,
    ...(format.parameters === undefined ? {} : { parameters: format.parameters }),
    ...(events ? { telephoneEventPayloadType: events.payloadType, telephoneEventClockHz: events.clockHz } : {}),
    ...(!suppressComfortNoise && hasComfortNoise(media, format.clockHz)
      ? { comfortNoisePayloadType: COMFORT_NOISE }
      : {}),
    ptimeMs: packetTime(media, codecFormat(codec).packetMs),
    remoteHost,
    remotePort: media.port,
    direction: held ? (direction === 'sendrecv' ? 'recvonly' : 'inactive') : direction,
  };
}

/** The peer's ptime where the codec has it, else 20 ms, within the peer's maxptime (RFC 8866 §6.4, §6.5). */
function packetTime(media: SdpMedia, possible: readonly number[]): number {
  const attribute = media.attributes.find((line) => line.startsWith('maxptime:'));
  const longest = attribute ? Number(attribute.slice('maxptime:'.length)) : Number.POSITIVE_INFINITY;
  const wanted = media.ptimeMs ?? DEFAULT_PTIME_MS;
  const chosen = possible.includes(wanted) ? wanted : DEFAULT_PTIME_MS;
  // A limit that no packet meets, or that is no number, is none.
  return possible.filter((ms) => ms <= Math.min(chosen, longest || chosen)).pop() ?? chosen;
}

function hasComfortNoise(media: SdpMedia, clockHz: number): boolean {
  return (
    clockHz === 8000 && media.formats.some((format) => format.payloadType === COMFORT_NOISE && format.name === 'CN')
  );
}

function orderIn(media: SdpMedia, { payloadType }: SdpFormat): number {
  return media.formats.findIndex((format) => format.payloadType === payloadType);
}

function limitDirection(possible: Direction, wanted: Direction): Direction {
  const send = sends(possible) && sends(wanted);
  const receive = receives(possible) && receives(wanted);
  if (send && receive) return 'sendrecv';
  if (send) return 'sendonly';
  return receive ? 'recvonly' : 'inactive';
}

/** Whether a side with this direction sends. */
export function sends(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'sendonly';
}

/** Whether a side with this direction receives. */
export function receives(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'recvonly';
}

function sdpFormat(codec: CodecFormat, payloadType: number = codec.payloadType): SdpFormat {
  const { name, clockHz, channels, parameters } = codec;
  return { payloadType, name, clockHz, channels, ...(parameters === undefined ? {} : { parameters }) };
}

function comfortNoiseFormat(): SdpFormat {
  return { payloadType: COMFORT_NOISE, name: 'CN', clockHz: 8000, channels: 1 };
}

function eventFormat(payloadType: number, clockHz = 8000): SdpFormat {
  return { payloadType, name: 'telephone-event', clockHz, channels: 1, parameters: '0-16' };
}
