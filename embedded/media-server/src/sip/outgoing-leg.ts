import type { Logger } from '@ringwire/common/log/logger.js';
import { type CodecId, parseCodecId } from '@ringwire/rtp';
import { type OutgoingCall, parseUri, SipMessage, type UserAgent } from '@ringwire/sip';
import { Channel, type ChannelOptions } from '../channel/channel.js';
import type { ChannelRegistry } from '../channel/channel-registry.js';
import { causeOfReason, causeOfSipStatus, reasonOf } from '../channel/hangup-causes.js';
import { OutgoingProgress } from '../channel/outgoing-progress.js';
import type { ServerCounters } from '../counters.js';
import type { MediaPool } from '../media/media-pool.js';
import type { SessionMeter } from '../session-meter.js';
import { followDialog } from './dialog-signalling.js';
import { MediaSession, type SessionOptions } from './session.js';
import { setOutgoingVariables } from './sip-variables.js';

/** What calls that we place need of the server. */
export interface OutgoingOptions {
  meter: SessionMeter;
  session: SessionOptions;
  pool: MediaPool;
  channels: ChannelRegistry;
  counters: ServerCounters;
  logger: Logger;
  channelOptions: Pick<ChannelOptions, 'bus' | 'runApplication'>;
}

/** Whom to call, and how. */
export interface OutgoingTarget {
  /** As in the call URL: `user@host[:port][;parameters]`. */
  address: string;
  /** Channel variables that it begins with; some of them are asked for here. */
  variables: ReadonlyMap<string, string>;
  callerName: string;
  callerNumber: string;
  /** Told of what the callee answers, each at most once. */
  onProgress: (progress: 'ringing' | 'early' | 'answered') => void;
}

/** The channel, or FreeSWITCH's name of why there is none. */
export type OutgoingResult = { ok: true; channel: Channel; progress: OutgoingProgress } | { ok: false; cause: string };

const HEADER_PREFIX = 'sip_h_';
/** Those of every request that are not for a client to write, with their short forms (RFC 3261 §7.3.3). */
const OWN_HEADERS = /^(via|v|from|f|to|t|call-id|i|cseq|contact|m|max-forwards|content-length|l|content-type|c)$/i;
/** What a client may name as the uuid of a call. */
const UUID = /^[\w.:@-]{1,128}$/;

/**
 * Sends an INVITE with our offer; resolves when it is under way. The channel lives in the registry from then on, and is hung up with FreeSWITCH's cause
 * when the callee does not take the call. `answering`: calls that are not in the registry yet.
 */
export async function placeOutgoing(
  agent: UserAgent,
  options: OutgoingOptions,
  target: OutgoingTarget,
  answering: number,
): Promise<OutgoingResult> {
  const { channels, meter, pool, counters } = options;
  const uri = parseUri(`sip:${target.address}`);
  if (!uri?.host || !target.address.includes('@')) return { ok: false, cause: 'USER_NOT_REGISTERED' };
  const uuid = target.variables.get('origination_uuid');
  const isFree = uuid === undefined || (UUID.test(uuid) && !channels.get(uuid));
  if (!isFree || !meter.admit(channels.size + answering, 'outbound')) return REFUSED;
  const channel = new Channel({
    ...options.channelOptions,
    uuid,
    address: target.address,
    profile: {
      direction: 'outbound',
      callerName: target.callerName,
      callerNumber: target.callerNumber,
      calleeName: 'Outbound Call',
      calleeNumber: uri.user ?? '',
      destination: uri.user ?? '',
      networkAddress: '',
    },
    onGone: (gone) => channels.remove(gone),
  });
  try {
    channel.leg = await pool.open({
      onReport: (report) => {
        if (report.type === 'dtmf') counters.dtmfReceived++;
        channel.receiveReport(report);
      },
      onLost: () => void channel.hangup('NORMAL_TEMPORARY_FAILURE'),
    });
  } catch (error) {
    options.logger.warn({ err: error }, 'no media for a call to place');
    return REFUSED;
  }
  // Another may have come meanwhile under the same name.
  if (channels.get(channel.uuid)) {
    void channel.leg.close();
    return REFUSED;
  }
  channels.add(channel);
  for (const [name, value] of target.variables) channel.setVariable(name, value);
  setOutgoingVariables(channel, target.address);
  const progress = new OutgoingProgress(channel);
  progress.begin();
  counters.sessionsTotal++;
  counters.callsPlaced++;
  try {
    invite(agent, channel, progress, options, target);
  } catch (error) {
    options.logger.warn({ err: error, address: target.address }, 'cannot send an INVITE');
    void channel.hangup('DESTINATION_OUT_OF_ORDER');
  }
  return { ok: true, channel, progress };
}

const REFUSED: OutgoingResult = { ok: false, cause: 'DESTINATION_OUT_OF_ORDER' };

function invite(
  agent: UserAgent,
  channel: Channel,
  progress: OutgoingProgress,
  options: OutgoingOptions,
  target: OutgoingTarget,
): void {
  const session = new MediaSession(channel, { ...options.session, codecs: codecsOf(channel, options.session.codecs) });
  const call = agent.invite({
    uri: `sip:${target.address}`,
    from: fromOf(agent, target),
    sdp: session.makeOffer(),
    headers: headersOf(channel, agent, target),
  });
  beforeAnswer(channel, call);
  let hasMedia = false;
  const take = (sdp: string): boolean => {
    if (sdp.trim() === '') return hasMedia;
    hasMedia = session.takeAnswer(sdp) || hasMedia;
    return hasMedia;
  };
  call.on('progress', (response) => {
    if (response.status === 180 && progress.ringing()) target.onProgress('ringing');
    if (response.bodyText.trim() !== '' && take(response.bodyText) && progress.earlyMedia()) target.onProgress('early');
  });
  call.once('answered', (dialog, response) => {
    setOutgoingVariables(channel, target.address, response);
    if (channel.isEnded) return;
    followDialog(channel, dialog, session, false, options.logger);
    if (!take(response.bodyText)) {
      void channel.hangup('INCOMPATIBLE_DESTINATION');
      return;
    }
    progress.answered();
    target.onProgress('answered');
  });
  call.once('failed', ({ status, response: received }) => {
    const response = received instanceof SipMessage ? received : undefined;
    options.counters.callsPlacedFailed++;
    channel.signalling = undefined;
    if (response) setOutgoingVariables(channel, target.address, response);
    channel.setVariable('sip_invite_failure_status', String(status));
    channel.setVariable('proto_specific_hangup_cause', `sip:${status}`);
    channel.setVariable('sip_term_status', String(status));
    void channel.hangup((causeOfReason(response?.get('Reason')) ?? causeOfSipStatus(status)).name);
  });
}

/** The signalling of a call that is not taken yet: all that can be done is giving it up. */
function beforeAnswer(channel: Channel, call: OutgoingCall): void {
  const nothing = (): void => undefined;
  channel.signalling = {
    ring: nothing,
    preAnswer: () => false,
    answer: nothing,
    end: (cause) => {
      channel.setVariable('sip_hangup_disposition', 'send_cancel');
      call.cancel({ Reason: reasonOf(cause) });
    },
    sendInfoDigit: nothing,
    sendInfo: () => false,
    notify: () => false,
    reoffer: nothing,
  };
}

/** Those that `absolute_codec_string` names, of ours. */
function codecsOf(channel: Channel, own: readonly CodecId[]): readonly CodecId[] {
  const wanted = (channel.getVariable('absolute_codec_string') ?? '')
    .split(',')
    .flatMap((name) => parseCodecId(name) ?? parseCodecId(name.split('@')[0]!) ?? [])
    .filter((id) => own.includes(id));
  return wanted.length > 0 ? wanted : own;
}

function fromOf(agent: UserAgent, { callerName, callerNumber }: OutgoingTarget): string {
  // What may not stand in the user part of a URI (RFC 3261 §25.1) is escaped.
  const user = callerNumber.replace(/[^\w\-.!~*'()&=+$,;?/]/gu, (character) => encodeURIComponent(character));
  const uri = `<sip:${user}@${agent.addresses[0]?.host ?? ''}>`;
  return callerName === '' ? uri : `"${callerName.replace(/[\r\n]/g, ' ').replace(/["\\]/g, '\\$&')}" ${uri}`;
}

/** `sip_h_…` variables, and who calls as `sip_cid_type` says (`rpid`, `pid`, `none`). */
function headersOf(channel: Channel, agent: UserAgent, target: OutgoingTarget): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of channel.variables(HEADER_PREFIX)) {
    if (/^[\w-]+$/.test(name) && !OWN_HEADERS.test(name) && !/[\r\n]/.test(value)) headers[name] = value;
  }
  const type = channel.getVariable('sip_cid_type') ?? 'rpid';
  const from = fromOf(agent, target);
  if (type === 'rpid') headers['Remote-Party-ID'] = `${from};party=calling;screen=yes;privacy=off`;
  if (type === 'pid') headers['P-Asserted-Identity'] = from;
  return headers;
}
