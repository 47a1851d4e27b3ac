import { SdpError } from './errors.js';

/** Which way media flows, seen from the side that wrote the SDP (RFC 8866 §6.7). */
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** A payload format of a media line. */
export interface SdpFormat {
  payloadType: number;
  /** Encoding name as written, such as `PCMU` or `telephone-event`; static types are named even without rtpmap. */
  name: string;
  clockHz: number;
  channels: number;
  /** Format parameters of `a=fmtp`, verbatim. */
  parameters?: string;
}

/** An `m=` section. */
export interface SdpMedia {
  /** `audio`, `video`, `image`, … */
  type: string;
  port: number;
  protocol: string;
  /** Formats in the order of preference. Empty for protocols that are not RTP. */
  formats: SdpFormat[];
  /** Formats as written in the m= line. */
  formatTokens: string[];
  /** Connection address for this medium, its own or the session's. */
  host?: string;
  direction: Direction;
  ptimeMs?: number;
  /** Every `a=` line of the section, without `a=`. */
  attributes: string[];
}

/** A parsed session description. */
export interface Sdp {
  sessionId: string;
  sessionVersion: string;
  originHost: string;
  host?: string;
  attributes: string[];
  media: SdpMedia[];
}

/** Result of {@link parseSdp}. */
export type SdpResult = { ok: true; sdp: Sdp } | { ok: false; error: SdpError };

const STATIC_FORMATS = new Map<number, [name: string, clockHz: number]>([
  [0, ['PCMU', 8000]],
  [3, ['GSM', 8000]],
  [4, ['G723', 8000]],
  [8, ['PCMA', 8000]],
  [9, ['G722', 8000]],
  [13, ['CN', 8000]],
  [18, ['G729', 8000]],
]);

/** Longest session description that is read. */
const MAX_SDP_BYTES = 64 * 1024;
const MAX_MEDIA = 32;

/** Parses a session description (RFC 8866), CRLF or LF. Unknown lines and attributes are kept or skipped; never throws. */
export function parseSdp(text: string | Buffer): SdpResult {
  const source = typeof text === 'string' ? text : text.toString('utf8');
  if (source.length > MAX_SDP_BYTES) return syntax('the session description is too long');
  const sdp: Sdp = { sessionId: '0', sessionVersion: '0', originHost: '', attributes: [], media: [] };
  const lines = source.split(/\r\n|\n|\r/).filter((line) => line !== '');
  if (lines[0] !== 'v=0') return syntax('the session description does not start with v=0');
  for (const line of lines) {
    if (line[1] !== '=') return syntax(`not a session description line: ${line.slice(0, 40)}`);
    const problem = readLine(sdp, line[0]!, line.slice(2));
    if (problem) return syntax(problem);
  }
  for (const media of sdp.media) finishMedia(sdp, media);
  return { ok: true, sdp };
}

/** Writes a session description from its parts; `formatTokens` and `attributes` of media are taken from `formats` and the rest. */
export function buildSdp(sdp: {
  sessionId: string;
  sessionVersion: string;
  host: string;
  sessionName?: string;
  media: {
    type?: string;
    port: number;
    protocol?: string;
    formats?: SdpFormat[];
    formatTokens?: string[];
    direction?: Direction;
    ptimeMs?: number;
    attributes?: string[];
  }[];
}): string {
  const family = sdp.host.includes(':') ? 'IP6' : 'IP4';
  const lines = [
    'v=0',
    `o=- ${sdp.sessionId} ${sdp.sessionVersion} IN ${family} ${sdp.host}`,
    `s=${sdp.sessionName ?? '-'}`,
    `c=IN ${family} ${sdp.host}`,
    't=0 0',
  ];
  for (const media of sdp.media) {
    const tokens = media.formatTokens ?? media.formats?.map((format) => String(format.payloadType)) ?? [];
    lines.push(`m=${media.type ?? 'audio'} ${media.port} ${media.protocol ?? 'RTP/AVP'} ${tokens.join(' ')}`);
    for (const format of media.formats ?? []) lines.push(...formatLines(format));
    if (media.ptimeMs !== undefined) lines.push(`a=ptime:${media.ptimeMs}`);
    if (media.direction) lines.push(`a=${media.direction}`);
    for (const attribute of media.attributes ?? []) lines.push(`a=${attribute}`);
  }
  return `${lines.join('\r\n')}\r\n`;
}

/** The direction the other side answers with: what one sends the other receives. */
export function reverseDirection(direction: Direction): Direction {
  if (direction === 'sendonly') return 'recvonly';
  return direction === 'recvonly' ? 'sendonly' : direction;
}

function formatLines(format: SdpFormat): string[] {
  const channels = format.channels > 1 ? `/${format.channels}` : '';
  const lines = [`a=rtpmap:${format.payloadType} ${format.name}/${format.clockHz}${channels}`];
  if (format.parameters) lines.push(`a=fmtp:${format.payloadType} ${format.parameters}`);
  return lines;
}

function syntax(message: string): SdpResult {
  return { ok: false, error: new SdpError('syntax', message) };
}

function readLine(sdp: Sdp, type: string, value: string): string | undefined {
  const media = sdp.media[sdp.media.length - 1];
  if (type === 'o') {
    const parts = value.split(' ');
    if (parts.length < 6) return `the origin line is incomplete: ${value.slice(0, 60)}`;
    sdp.sessionId = parts[1]!;
    sdp.sessionVersion = parts[2]!;
    sdp.originHost = parts[5]!;
  } else if (type === 'c') {
    const host = value.split(' ')[2]?.split('/')[0];
    if (!host) return `the connection line is incomplete: ${value.slice(0, 60)}`;
    if (media) media.host = host;
    else sdp.host = host;
  } else if (type === 'a') {
    (media ?? sdp).attributes.push(value);
  } else if (type === 'm') {
    return readMedia(sdp, value);
  }
  return undefined;
}

function readMedia(sdp: Sdp, value: string): string | undefined {
  const [type, portText, protocol, ...formatTokens] = value.split(' ').filter((token) => token !== '');
  const port = Number(portText?.split('/')[0]);
  if (!type || !protocol || formatTokens.length === 0) return `the media line is incomplete: ${value.slice(0, 60)}`;
  if (!Number.isInteger(port) || port < 0 || port > 65535) return `the media port is not a port: ${value.slice(0, 60)}`;
  if (sdp.media.length >= MAX_MEDIA) return `more than ${MAX_MEDIA} media`;
  sdp.media.push({ type, port, protocol, formatTokens, formats: [], direction: 'sendrecv', attributes: [] });
  return undefined;
}

function finishMedia(sdp: Sdp, media: SdpMedia): void {
  if (media.host === undefined && sdp.host !== undefined) media.host = sdp.host;
  const sessionDirection = sdp.attributes.find(isDirection);
  if (sessionDirection) media.direction = sessionDirection as Direction;
  if (media.protocol.includes('RTP')) {
    for (const token of media.formatTokens) {
      const payloadType = Number(token);
      if (!Number.isInteger(payloadType) || payloadType < 0 || payloadType > 127) continue;
      const [name, clockHz] = STATIC_FORMATS.get(payloadType) ?? ['', 8000];
      media.formats.push({ payloadType, name, clockHz, channels: 1 });
    }
  }
  for (const attribute of media.attributes) readAttribute(media, attribute);
  media.formats = media.formats.filter((format) => format.name !== '');
}

function readAttribute(media: SdpMedia, attribute: string): void {
  if (isDirection(attribute)) {
    media.direction = attribute as Direction;
    return;
  }
  const rtpmap = /^rtpmap:(\d+) +([^/\s]+)\/(\d+)(?:\/(\d+))?/.exec(attribute);
  if (rtpmap) {
    const format = media.formats.find((candidate) => candidate.payloadType === Number(rtpmap[1]));
    if (!format) return;
    format.name = rtpmap[2]!;
    format.clockHz = Number(rtpmap[3]);
    format.channels = Number(rtpmap[4] ?? 1);
    return;
  }
  const fmtp = /^fmtp:(\d+) +(.+)$/.exec(attribute);
  if (fmtp) {
    const format = media.formats.find((candidate) => candidate.payloadType === Number(fmtp[1]));
    if (format) format.parameters = fmtp[2]!;
    return;
  }
  const ptime = /^ptime:(\d+)/.exec(attribute);
  if (ptime) media.ptimeMs = Number(ptime[1]);
}

function isDirection(attribute: string): boolean {
  return /^(sendrecv|sendonly|recvonly|inactive)$/.test(attribute);
}
