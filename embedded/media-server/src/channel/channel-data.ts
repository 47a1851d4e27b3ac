import type { CodecFormat } from '@ringwire/rtp';

/** FreeSWITCH's channel states as events name them, with their numbers. */
export const CHANNEL_STATES = {
  // Its own number is 13; FreeSWITCH gives this one in events.
  CS_NONE: 1,
  CS_NEW: 0,
  CS_INIT: 1,
  CS_ROUTING: 2,
  CS_SOFT_EXECUTE: 3,
  CS_EXECUTE: 4,
  CS_EXCHANGE_MEDIA: 5,
  CS_PARK: 6,
  CS_CONSUME_MEDIA: 7,
  CS_HIBERNATE: 8,
  CS_RESET: 9,
  CS_HANGUP: 10,
  CS_REPORTING: 11,
  CS_DESTROY: 12,
} as const;

/** A channel's state. */
export type ChannelState = keyof typeof CHANNEL_STATES;

/** FreeSWITCH's call states with their numbers. */
export const CALL_STATES = { DOWN: 0, RINGING: 2, EARLY: 3, ACTIVE: 4, HELD: 5, HANGUP: 7, UNHELD: 8 } as const;

/** A channel's state as a caller would see it. */
export type CallState = keyof typeof CALL_STATES;

/** Who has called whom: `outbound` is a call that we placed. */
export type CallDirection = 'inbound' | 'outbound';

/** Who calls whom, from the INVITE. */
export interface CallerProfile {
  direction: CallDirection;
  callerName: string;
  callerNumber: string;
  destination: string;
  networkAddress: string;
  /** Of a call that we placed: who is called. */
  calleeName?: string;
  calleeNumber?: string;
  /** Who the caller was before it changed places with the callee. */
  origCallerName?: string;
  origCallerNumber?: string;
}

/** When what happened to a channel; 0: not so. */
export interface ChannelTimes {
  createdMs: number;
  /** Rung, and given early media. */
  progressMs: number;
  progressMediaMs: number;
  answeredMs: number;
  hungUpMs: number;
  bridgedMs: number;
  lastHoldMs: number;
  /** How long it was on hold in all. */
  heldMs: number;
}

/** What the headers of a caller profile are made of. */
export interface ProfileFacts extends ChannelTimes {
  uuid: string;
  name: string;
  profile: CallerProfile;
}

/** What channel headers are made of. */
export interface ChannelFacts extends ProfileFacts {
  state: ChannelState;
  callState: CallState;
  /** Ringing, early media, answered. */
  answerState: 'ringing' | 'early' | 'answered';
  /** Undefined before one was agreed. */
  codec: CodecFormat | undefined;
  /** Whether it has come to where applications are executed. */
  hasDialplan: boolean;
  hangupCause: string | undefined;
  otherLeg: ProfileFacts | undefined;
}

/** The headers that every event of a channel has. */
export function channelHeaders(facts: ChannelFacts): [string, string][] {
  const { direction } = facts.profile;
  const headers: [string, string][] = [
    ['Channel-State', facts.state],
    ['Channel-Call-State', facts.callState],
    ['Channel-State-Number', String(CHANNEL_STATES[facts.state])],
    ['Channel-Name', facts.name],
    ['Unique-ID', facts.uuid],
    ['Call-Direction', direction],
    ['Presence-Call-Direction', direction],
    ['Channel-HIT-Dialplan', String(facts.hasDialplan)],
    ['Channel-Call-UUID', facts.uuid],
    ['Answer-State', facts.hangupCause ? 'hangup' : facts.answerState],
    ...(facts.hangupCause ? [['Hangup-Cause', facts.hangupCause] as [string, string]] : []),
    ...codecHeaders(facts.codec),
    ...profileHeaders('Caller', facts),
  ];
  if (facts.otherLeg) headers.push(['Other-Type', 'originatee'], ...profileHeaders('Other-Leg', facts.otherLeg));
  return headers;
}

function codecHeaders(codec: CodecFormat | undefined): [string, string][] {
  if (!codec) return [];
  return [
    ['Channel-Read-Codec-Name', codec.name],
    ['Channel-Read-Codec-Rate', String(codec.rateHz)],
    ['Channel-Read-Codec-Bit-Rate', '64000'],
    ['Channel-Write-Codec-Name', codec.name],
    ['Channel-Write-Codec-Rate', String(codec.rateHz)],
    ['Channel-Write-Codec-Bit-Rate', '64000'],
  ];
}

/** The caller profile under a prefix: `Caller` in events, `Channel` in the answer to `connect`, `Other-Leg` when bridged. */
export function profileHeaders(prefix: 'Caller' | 'Channel' | 'Other-Leg', facts: ProfileFacts): [string, string][] {
  const { profile } = facts;
  const { direction, callerName, callerNumber, origCallerName = callerName, origCallerNumber = callerNumber } = profile;
  const isInbound = direction === 'inbound';
  const ids: [string, string][] = [
    [`${prefix}-Caller-ID-Name`, callerName],
    [`${prefix}-Caller-ID-Number`, callerNumber],
    [`${prefix}-Orig-Caller-ID-Name`, origCallerName],
    [`${prefix}-Orig-Caller-ID-Number`, origCallerNumber],
    [`${prefix}-Callee-ID-Name`, profile.calleeName ?? ''],
    [`${prefix}-Callee-ID-Number`, profile.calleeNumber ?? ''],
    [`${prefix}-Network-Addr`, profile.networkAddress],
    [`${prefix}-ANI`, origCallerNumber],
  ];
  return [
    [`${prefix}-Direction`, direction],
    [`${prefix}-Logical-Direction`, direction],
    ...(isInbound
      ? ([
          [`${prefix}-Username`, callerNumber],
          [`${prefix}-Dialplan`, 'XML'],
        ] as [string, string][])
      : []),
    ...ids.filter(([, value]) => value !== ''),
    [`${prefix}-Destination-Number`, profile.destination],
    [`${prefix}-Unique-ID`, facts.uuid],
    [`${prefix}-Source`, isInbound ? 'mod_sofia' : 'src/switch_ivr_originate.c'],
    [`${prefix}-Context`, isInbound ? 'mrf' : 'default'],
    [`${prefix}-Channel-Name`, facts.name],
    [`${prefix}-Profile-Index`, '1'],
    [`${prefix}-Profile-Created-Time`, microseconds(facts.createdMs)],
    [`${prefix}-Channel-Created-Time`, microseconds(facts.createdMs)],
    [`${prefix}-Channel-Answered-Time`, microseconds(facts.answeredMs)],
    [`${prefix}-Channel-Progress-Time`, microseconds(facts.progressMs)],
    [`${prefix}-Channel-Progress-Media-Time`, microseconds(facts.progressMediaMs)],
    [`${prefix}-Channel-Hangup-Time`, microseconds(facts.hungUpMs)],
    [`${prefix}-Channel-Transfer-Time`, '0'],
    [`${prefix}-Channel-Resurrect-Time`, '0'],
    [`${prefix}-Channel-Bridged-Time`, microseconds(facts.bridgedMs)],
    [`${prefix}-Channel-Last-Hold`, microseconds(facts.lastHoldMs)],
    [`${prefix}-Channel-Hold-Accum`, microseconds(facts.heldMs)],
    [`${prefix}-Screen-Bit`, 'true'],
    [`${prefix}-Privacy-Hide-Name`, 'false'],
    [`${prefix}-Privacy-Hide-Number`, 'false'],
  ];
}

function microseconds(timeMs: number): string {
  return String(Math.round(timeMs * 1000));
}
