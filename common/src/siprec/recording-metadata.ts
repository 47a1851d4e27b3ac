import { randomBytes } from 'node:crypto';
import type { Side } from '../media-relay/media-relay.js';

/** A call that is recorded, as its recording server is told of it. */
export interface RecordedCall {
  callSid: string;
  /** SIP Call-ID of the leg with the outside. */
  sipCallId: string;
  direction: string;
  accountSid: string | null;
  applicationSid: string | null;
  /** Name of the carrier; `user` and the like where there is none. */
  trunk: string;
  /** Who is outside: the address from which the call came, or to which it went. */
  remoteHost: string;
  host: string;
  /** Numbers or names of users. */
  calling: string;
  called: string;
  /** The application's own name of the recording. */
  recordingId?: string;
}

/** The ids of a recording session, which stay the same in all that is told of it (RFC 7865 §6.1.1). */
export interface RecordingIds {
  session: string;
  participants: Record<Side, string>;
  streams: Record<Side, string>;
}

/** Labels of the two streams in the SDP (RFC 4574): 1 is what the caller sends, 2 what the called party does. */
export const LABELS: Readonly<Record<Side, string>> = { a: '1', b: '2' };
/** Namespace of what is ours in the metadata. */
const OURS = 'urn:x-ringwire:recording:1';
const SIDES = ['a', 'b'] as const;

/** Ids as RFC 7865 §6.10 wants them: 128 bits in base64. */
export function newRecordingIds(): RecordingIds {
  const id = (): string => randomBytes(16).toString('base64');
  return { session: id(), participants: { a: id(), b: id() }, streams: { a: id(), b: id() } };
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

/** Text for XML 1.0: control characters have no place there. */
const xml = (text: string): string =>
  text.replace(/\p{Cc}+|[\uFFFE\uFFFF\uD800-\uDFFF]/gu, ' ').replace(/[&<>"']/g, (character) => ENTITIES[character]!);

const element = (name: string, text: string | null | undefined): string =>
  text === null || text === undefined || text === '' ? '' : `    <ext:${name}>${xml(text)}</ext:${name}>\n`;

/** The address of record of a party; what is no user part of a URI is escaped. */
const aorOf = (user: string, host: string): string =>
  `sip:${encodeURIComponent(user).replace(/%2B/gi, '+')}@${host.includes(':') ? `[${host}]` : host || 'anonymous.invalid'}`;

/**
 * The whole of what is known of a recorded call (RFC 7865), whenever it is told: who calls and is called, which stream is whose, and the call's own ids
 * in an extension.
 *
 * @param startedAt - of the recording
 */
export function recordingMetadata(call: RecordedCall, ids: RecordingIds, startedAt: Date): string {
  const since = startedAt.toISOString();
  // Outside is the caller of calls in, and the called party of calls out.
  const hosts = call.direction === 'inbound' ? [call.remoteHost, call.host] : [call.host, call.remoteHost];
  const parties = { a: { user: call.calling, host: hosts[0]! }, b: { user: call.called, host: hosts[1]! } };
  const participants = SIDES.map(
    (side) =>
      `  <participant participant_id="${ids.participants[side]}">\n` +
      `    <nameID aor="${xml(aorOf(parties[side].user, parties[side].host))}">\n` +
      `      <name xml:lang="en">${xml(parties[side].user)}</name>\n    </nameID>\n  </participant>\n`,
  );
  const streams = SIDES.map(
    (side) =>
      `  <stream stream_id="${ids.streams[side]}" session_id="${ids.session}">\n` +
      `    <label>${LABELS[side]}</label>\n  </stream>\n`,
  );
  const present = SIDES.map(
    (side) =>
      `  <participantsessionassoc participant_id="${ids.participants[side]}" session_id="${ids.session}">\n` +
      `    <associate-time>${since}</associate-time>\n  </participantsessionassoc>\n`,
  );
  const heard = SIDES.map(
    (side) =>
      `  <participantstreamassoc participant_id="${ids.participants[side]}">\n` +
      `    <send>${ids.streams[side]}</send>\n` +
      `    <recv>${ids.streams[side === 'a' ? 'b' : 'a']}</recv>\n  </participantstreamassoc>\n`,
  );
  const own = [
    element('callSid', call.callSid),
    element('direction', call.direction),
    element('accountSid', call.accountSid),
    element('applicationSid', call.applicationSid),
    element('recordingId', call.recordingId),
    element('originationSource', call.remoteHost),
    element('carrier', call.trunk),
    element('callingNumber', call.calling),
    element('calledNumber', call.called),
  ];
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
    `<recording xmlns="urn:ietf:params:xml:ns:recording:1" xmlns:ext="${OURS}">\n` +
    '  <datamode>complete</datamode>\n' +
    `  <session session_id="${ids.session}">\n` +
    `    <sipSessionID>${xml(call.sipCallId)}</sipSessionID>\n` +
    `    <start-time>${since}</start-time>\n${own.join('')}  </session>\n` +
    `${participants.join('')}${streams.join('')}` +
    `  <sessionrecordingassoc session_id="${ids.session}">\n` +
    `    <associate-time>${since}</associate-time>\n  </sessionrecordingassoc>\n` +
    `${present.join('')}${heard.join('')}</recording>\n`
  );
}
