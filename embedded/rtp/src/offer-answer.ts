import { SdpError } from './errors.js';
import { type G711Codec, staticPayloadType } from './g711.js';
import { buildSdp, type Direction, reverseDirection, type Sdp, type SdpFormat, type SdpMedia } from './sdp.js';

/** What both sides of an audio stream agreed on. */
export interface AudioAgreement {
  codec: G711Codec;
  payloadType: number;
  /** Payload type of RFC 4733 events at 8 kHz, if both sides have them. */
  telephoneEventPayloadType?: number;
  ptimeMs: number;
  /** Where to send. */
  remoteHost: string;
  remotePort: number;
  /** Seen from our side. */
  direction: Direction;
}

/** Our side of an audio stream. */
export interface LocalAudio {
  host: string;
  port: number;
  /** Constant over a session. */
  sessionId: string;
  /** To be raised with every change of what we say. */
  sessionVersion: number;
  /** In order of preference; all are offered, and the first that the offer also has is not preferred over the offer's order. */
  codecs?: readonly G711Codec[];
  direction?: Direction;
  /** Name in the `s=` line. */
  sessionName?: string;
}

/** Result of {@link answerAudio}. */
export type AnswerResult = { ok: true; sdp: string; agreement: AudioAgreement } | { ok: false; error: SdpError };

/** Result of {@link acceptAudioAnswer}. */
export type AgreementResult = { ok: true; agreement: AudioAgreement } | { ok: false; error: SdpError };

/** Payload type we give telephone-event in our own offers (the value most equipment uses). */
export const OFFERED_TELEPHONE_EVENT = 101;

const BOTH: readonly G711Codec[] = ['PCMU', 'PCMA'];
const DEFAULT_PTIME_MS = 20;

/** An SDP offer of one audio stream: PCMU, PCMA and telephone-event, 20 ms. */
export function offerAudio(local: LocalAudio): string {
  const formats: SdpFormat[] = (local.codecs ?? BOTH).map((codec) => g711Format(codec, staticPayloadType(codec)));
  formats.push(eventFormat(OFFERED_TELEPHONE_EVENT));
  return describe(local, [
    { port: local.port, formats, ptimeMs: DEFAULT_PTIME_MS, direction: local.direction ?? 'sendrecv' },
  ]);
}

/**
 * Answers an offer (RFC 3264 §6): the offer's first codec that we know, its telephone-event under the offer's payload type, its
 * ptime when it is one we can send, the mirrored direction; every other stream is refused with port 0, in place.
 */
export function answerAudio(offer: Sdp, local: LocalAudio): AnswerResult {
  const index = findAudio(offer);
  const media = offer.media[index];
  if (!media) return failure('no-audio', 'the offer has no usable audio stream');
  const chosen = chooseCodec(media, local.codecs ?? BOTH);
  if (!chosen) return failure('no-common-codec', 'the offer has neither PCMU nor PCMA');
  if (!media.host) return failure('no-address', 'the offer has no connection address');
  const events = findEvents(media);
  const direction = limitDirection(reverseDirection(media.direction), local.direction ?? 'sendrecv');
  const agreement = agree(media, media.host, chosen, direction);
  const formats: SdpFormat[] = [g711Format(chosen.codec, chosen.payloadType)];
  if (events) formats.push(eventFormat(events.payloadType));
  const streams = offer.media.map((other, at) =>
    at === index
      ? { port: local.port, protocol: media.protocol, formats, ptimeMs: agreement.ptimeMs, direction }
      : { type: other.type, port: 0, protocol: other.protocol, formatTokens: other.formatTokens },
  );
  return { ok: true, sdp: describe(local, streams), agreement };
}

/** What an answer to our {@link offerAudio} makes of the stream. */
export function acceptAudioAnswer(answer: Sdp, local: Pick<LocalAudio, 'codecs' | 'direction'> = {}): AgreementResult {
  const media = answer.media[findAudio(answer)];
  if (!media) return failure('no-audio', 'the answer refuses the audio stream');
  const chosen = chooseCodec(media, local.codecs ?? BOTH);
  if (!chosen) return failure('no-common-codec', 'the answer has neither PCMU nor PCMA');
  if (!media.host) return failure('no-address', 'the answer has no connection address');
  const direction = limitDirection(reverseDirection(media.direction), local.direction ?? 'sendrecv');
  return { ok: true, agreement: agree(media, media.host, chosen, direction) };
}

function describe(local: LocalAudio, media: Parameters<typeof buildSdp>[0]['media']): string {
  return buildSdp({
    sessionId: local.sessionId,
    sessionVersion: String(local.sessionVersion),
    host: local.host,
    ...(local.sessionName ? { sessionName: local.sessionName } : {}),
    media,
  });
}

function failure(
  reason: 'no-audio' | 'no-common-codec' | 'no-address',
  message: string,
): { ok: false; error: SdpError } {
  return { ok: false, error: new SdpError(reason, message) };
}

function findAudio(sdp: Sdp): number {
  return sdp.media.findIndex(
    (media) => media.type === 'audio' && media.port !== 0 && /^RTP\/AVPF?$/.test(media.protocol),
  );
}

function chooseCodec(
  media: SdpMedia,
  known: readonly G711Codec[],
): { codec: G711Codec; payloadType: number } | undefined {
  for (const format of media.formats) {
    const codec = known.find((name) => name === format.name.toUpperCase());
    if (codec && format.clockHz === 8000 && format.channels === 1) return { codec, payloadType: format.payloadType };
  }
  return undefined;
}

function findEvents(media: SdpMedia): SdpFormat | undefined {
  return media.formats.find((format) => format.name.toLowerCase() === 'telephone-event' && format.clockHz === 8000);
}

function agree(
  media: SdpMedia,
  remoteHost: string,
  chosen: { codec: G711Codec; payloadType: number },
  direction: Direction,
): AudioAgreement {
  const events = findEvents(media);
  const ptime = media.ptimeMs ?? DEFAULT_PTIME_MS;
  // RFC 2543 hold: a null address means that nothing is to be sent there.
  const held = remoteHost === '0.0.0.0' && (direction === 'sendrecv' || direction === 'sendonly');
  return {
    ...chosen,
    ...(events ? { telephoneEventPayloadType: events.payloadType } : {}),
    ptimeMs: ptime >= 10 && ptime <= 60 && ptime % 10 === 0 ? ptime : DEFAULT_PTIME_MS,
    remoteHost,
    remotePort: media.port,
    direction: held ? (direction === 'sendrecv' ? 'recvonly' : 'inactive') : direction,
  };
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

function g711Format(codec: G711Codec, payloadType: number): SdpFormat {
  return { payloadType, name: codec, clockHz: 8000, channels: 1 };
}

function eventFormat(payloadType: number): SdpFormat {
  return { payloadType, name: 'telephone-event', clockHz: 8000, channels: 1, parameters: '0-16' };
}
