import { isIP } from 'node:net';
import type { SipResponse } from '../sip/stack.js';
import { LABELS } from './recording-metadata.js';

/** What separates the parts of the body: SDP and our XML never hold it. */
const BOUNDARY = 'ringwire-recording';

/** Content-Type of {@link recordingBody}. */
export const RECORDING_TYPE = `multipart/mixed;boundary=${BOUNDARY}`;

/** The SDP and the metadata of a recording session in one body (RFC 7866 §9.1; media type by RFC 9806). */
export function recordingBody(sdp: string, metadata: string): string {
  const parts = [
    `Content-Type: application/sdp\r\n\r\n${sdp.replace(/(\r\n)*$/, '\r\n')}`,
    `Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n${metadata}\r\n`,
  ];
  return `${parts.map((part) => `--${BOUNDARY}\r\n${part}`).join('')}--${BOUNDARY}--\r\n`;
}

/** An SDP session of ours: its number stays, its version grows with each change (RFC 3264 §8). */
export interface SdpSession {
  id: number;
  version: number;
}

/** The relay's SDP of a copy as a recording server is offered it: both streams labelled, sending or, while the recording is paused, not. */
export function offerOfCopy(sdp: string, session: SdpSession, isPaused: boolean): string {
  const { head, media } = sectionsOf(sdp);
  const origin = `o=- ${session.id} ${session.version} `;
  const voices = voicesOf(media);
  const streams = media.map((stream, index) => {
    const voice = voices.indexOf(index);
    // RFC 3264 §5.1: a stream that is not to be sent stays in its place with port 0, as the relay counts them.
    if (voice < 0) return stream.filter((line) => /^[mc]=/.test(line)).map(withoutPort);
    const lines = stream.filter((line) => !/^a=(sendonly|sendrecv|recvonly|inactive)$/.test(line));
    return [...lines, `a=${isPaused ? 'inactive' : 'sendonly'}`, `a=label:${LABELS[voice === 0 ? 'a' : 'b']}`];
  });
  const beginning = head.map((line) => line.replace(/^o=\S+ \S+ \S+ /, origin));
  return `${[...beginning, ...streams.flat()].join('\r\n')}\r\n`;
}

/** The lines of an SDP before its first stream, and of each stream. */
function sectionsOf(sdp: string): { head: string[]; media: string[][] } {
  const head: string[] = [];
  const media: string[][] = [];
  for (const line of sdp.split(/\r?\n/)) {
    if (line === '') continue;
    if (line.startsWith('m=')) media.push([]);
    (media.at(-1) ?? head).push(line);
  }
  return { head, media };
}

const isAudio = (stream: readonly string[] | undefined): boolean => /^m=audio /.test(stream?.[0] ?? '');
const withoutPort = (line: string): string => line.replace(/^(m=\S+) \S+/, '$1 0');

/**
 * Where in a copy the voices are: the relay puts all streams of side `a` first, then all of side `b`, and a caller with video has two of each.
 */
function voicesOf(media: readonly string[][]): number[] {
  const half = Math.ceil(media.length / 2);
  const first = media.findIndex(isAudio);
  const second = media.findIndex((stream, index) => index >= half && isAudio(stream));
  return [first, second].filter((index) => index >= 0);
}

/** What was answered, out of a body with or without other parts. */
export function sdpOf(message: Pick<SipResponse, 'body' | 'payload'>): string {
  const part = message.payload?.find(({ type }) => /^application\/sdp\b/i.test(type ?? ''));
  return part?.content ?? message.body ?? '';
}

/** An answer of a recording server as the relay may have it, or why it cannot be used. */
export type JudgedAnswer = { ok: true; sdp: string } | { ok: false; why: string };

/** Where sound would go past the address in `c=`: candidates (RFC 8839), another address for RTCP (RFC 3605). */
const ELSEWHERE = /^a=\s*(candidate|remote-candidates|ice-\S+|rtcp)\s*:/i;
const RTCP_PORT = /^a=rtcp:\d+$/;

/**
 * Judges what a recording server answered, or offers in a re-INVITE of its own: each stream must go to one address that is allowed, whatever else the
 * server names is taken out.
 *
 * @param copy - the relay's SDP of the copy: its streams are answered in their order
 */
export function judgeAnswer(sdp: string, copy: string, allows: (address: string) => boolean): JudgedAnswer {
  const bad = (why: string): JudgedAnswer => ({ ok: false, why });
  // What two readers of SDP take for different lines.
  if (/\r(?!\n)|\0/.test(sdp) || sdp.split(/^v=/m).length !== 2) return bad('its SDP cannot be read');
  const { head, media } = sectionsOf(sdp);
  const offered = sectionsOf(copy).media;
  const voices = voicesOf(offered);
  const kindOf = (stream: readonly string[] | undefined): string | undefined => stream?.[0]?.split(' ')[0];
  if (media.length !== offered.length || media.some((stream, index) => kindOf(stream) !== kindOf(offered[index])))
    return bad(`it answers ${media.length} streams for ${offered.length}, or others`);
  const portOf = (index: number): string | undefined => /^m=audio (\d+)/.exec(media[index]?.[0] ?? '')?.[1];
  const isTaken = (index: number): boolean => !/^0*$/.test(portOf(index) ?? '');
  if (voices.length !== 2 || !voices.some(isTaken)) return bad('it takes neither stream');
  const hostsOf = (lines: readonly string[]): string[] =>
    lines.filter((line) => /^c\s*=/i.test(line)).map((line) => /^c=IN IP[46] (\S+)$/.exec(line)?.[1] ?? line);
  for (const lines of [head, ...media]) {
    const forbidden = hostsOf(lines).find((host) => isIP(host) === 0 || !allows(host));
    if (forbidden !== undefined) return bad(`it wants the sound at ${forbidden}, which may not be`);
  }
  if (voices.some((index) => isTaken(index) && hostsOf([...head, ...media[index]!]).length === 0))
    return bad('it does not say where it wants the sound');
  const kept = media.map((stream, index) => (voices.includes(index) ? stream : stream.map(withoutPort)));
  const lines = [...head, ...kept.flat()].filter((line) => !ELSEWHERE.test(line) || RTCP_PORT.test(line));
  return { ok: true, sdp: `${lines.join('\r\n')}\r\n` };
}
