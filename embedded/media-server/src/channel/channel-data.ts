import type { CodecFormat } from '@ringwire/rtp';
import { q850Of } from './hangup-causes.js';

/** FreeSWITCH's channel states as events name them, with their numbers. */
export const CHANNEL_STATES = {
  CS_INIT: 1,
  CS_EXECUTE: 4,
  CS_EXCHANGE_MEDIA: 5,
  CS_HANGUP: 10,
  CS_REPORTING: 11,
  CS_DESTROY: 12,
} as const;

/** A channel's state. */
export type ChannelState = keyof typeof CHANNEL_STATES;

/** A channel's state as a caller would see it. */
export type CallState = 'DOWN' | 'RINGING' | 'ACTIVE' | 'HANGUP';

/** Who calls whom, from the INVITE. */
export interface CallerProfile {
  callerName: string;
  callerNumber: string;
  destination: string;
  networkAddress: string;
}

/** What channel headers are made of. */
export interface ChannelFacts {
  uuid: string;
  name: string;
  state: ChannelState;
  callState: CallState;
  answered: boolean;
  profile: CallerProfile;
  codec: CodecFormat;
  createdMs: number;
  answeredMs: number;
  hungUpMs: number;
  hangupCause: string | undefined;
  otherLeg: { uuid: string; name: string } | undefined;
}

/** The headers that every event of a channel has. */
export function channelHeaders(facts: ChannelFacts): [string, string][] {
  const headers: [string, string][] = [
    ['Channel-State', facts.state],
    ['Channel-Call-State', facts.callState],
    ['Channel-State-Number', String(CHANNEL_STATES[facts.state])],
    ['Channel-Name', facts.name],
    ['Unique-ID', facts.uuid],
    ['Call-Direction', 'inbound'],
    ['Presence-Call-Direction', 'inbound'],
    ['Channel-HIT-Dialplan', 'true'],
    ['Channel-Call-UUID', facts.uuid],
    ['Answer-State', facts.callState === 'HANGUP' ? 'hangup' : facts.answered ? 'answered' : 'ringing'],
    ['Channel-Read-Codec-Name', facts.codec.name],
    ['Channel-Read-Codec-Rate', String(facts.codec.rateHz)],
    ['Channel-Read-Codec-Bit-Rate', '64000'],
    ['Channel-Write-Codec-Name', facts.codec.name],
    ['Channel-Write-Codec-Rate', String(facts.codec.rateHz)],
    ['Channel-Write-Codec-Bit-Rate', '64000'],
    ...profileHeaders('Caller', facts),
  ];
  if (facts.hangupCause) {
    headers.push(['Hangup-Cause', facts.hangupCause], ['Hangup-Cause-Q850', String(q850Of(facts.hangupCause))]);
  }
  if (facts.otherLeg) {
    headers.push(['Other-Type', 'originatee'], ['Other-Leg-Unique-ID', facts.otherLeg.uuid]);
    headers.push(['Other-Leg-Channel-Name', facts.otherLeg.name]);
  }
  return headers;
}

/** The caller profile under a prefix: `Caller` in events, `Channel` in the answer to `connect`. */
export function profileHeaders(prefix: 'Caller' | 'Channel', facts: ChannelFacts): [string, string][] {
  const { profile } = facts;
  return [
    [`${prefix}-Direction`, 'inbound'],
    [`${prefix}-Username`, profile.callerNumber],
    [`${prefix}-Dialplan`, 'XML'],
    [`${prefix}-Caller-ID-Name`, profile.callerName],
    [`${prefix}-Caller-ID-Number`, profile.callerNumber],
    [`${prefix}-Network-Addr`, profile.networkAddress],
    [`${prefix}-ANI`, profile.callerNumber],
    [`${prefix}-Destination-Number`, profile.destination],
    [`${prefix}-Unique-ID`, facts.uuid],
    [`${prefix}-Source`, 'mod_sofia'],
    [`${prefix}-Context`, 'mrf'],
    [`${prefix}-Channel-Name`, facts.name],
    [`${prefix}-Profile-Created-Time`, microseconds(facts.createdMs)],
    [`${prefix}-Channel-Created-Time`, microseconds(facts.createdMs)],
    [`${prefix}-Channel-Answered-Time`, microseconds(facts.answeredMs)],
    [`${prefix}-Channel-Hangup-Time`, microseconds(facts.hungUpMs)],
    [`${prefix}-Privacy-Hide-Name`, 'false'],
    [`${prefix}-Privacy-Hide-Number`, 'false'],
  ];
}

function microseconds(timeMs: number): string {
  return String(Math.round(timeMs * 1000));
}
