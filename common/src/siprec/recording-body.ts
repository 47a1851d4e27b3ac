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
  const [head = '', ...media] = sdp.split(/\r?\n(?=m=)/);
  const origin = `o=- ${session.id} ${session.version} `;
  const labels = [LABELS.a, LABELS.b];
  const streams = media.map((stream, index) => {
    const lines = stream
      .split(/\r?\n/)
      .filter((line) => line !== '' && !/^a=(sendonly|sendrecv|recvonly|inactive)$/.test(line));
    return [...lines, `a=${isPaused ? 'inactive' : 'sendonly'}`, `a=label:${labels[index]}`].join('\r\n');
  });
  return `${[head.trimEnd().replace(/^o=\S+ \S+ \S+ /m, origin), ...streams].join('\r\n')}\r\n`;
}

/** What was answered, out of a body with or without other parts. */
export function sdpOf(message: Pick<SipResponse, 'body' | 'payload'>): string {
  const part = message.payload?.find(({ type }) => /^application\/sdp\b/i.test(type ?? ''));
  return part?.content ?? message.body ?? '';
}

/** Why an answer of a recording server cannot be used; undefined when it can. */
export function answerProblem(sdp: string, allows: (address: string) => boolean): string | undefined {
  const ports = Array.from(sdp.matchAll(/^m=audio (\d+)/gm), (match) => Number(match[1]));
  if (ports.length !== 2) return `it answers ${ports.length} streams for 2`;
  if (ports.every((port) => port === 0)) return 'it takes neither stream';
  const hosts = Array.from(sdp.matchAll(/^c=IN IP[46] (\S+)/gm), (match) => match[1]!);
  const forbidden = hosts.find((host) => isIP(host) === 0 || !allows(host));
  return forbidden === undefined ? undefined : `it wants the sound at ${forbidden}, which may not be`;
}
