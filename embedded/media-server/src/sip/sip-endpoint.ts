import type { Logger } from '@ringwire/common/log/logger.js';
import {
  createUserAgent,
  type Dialog,
  type IncomingCall,
  type IncomingReinvite,
  parseNameAddr,
  parseUri,
  type ServerTransaction,
  type SipMessage,
  type UserAgent,
} from '@ringwire/sip';
import { Channel, type ChannelOptions } from '../channel/channel.js';
import type { ChannelRegistry } from '../channel/channel-registry.js';
import { causeOfReason, causeOfSipStatus, type HangupCause, reasonOf, sipStatusOf } from '../channel/hangup-causes.js';
import type { SignallingSide } from '../channel/signalling-side.js';
import { isTrue } from '../channel/truth.js';
import type { ServerCounters } from '../counters.js';
import type { EslConnection } from '../event-socket/connection.js';
import type { MediaPool } from '../media/media-pool.js';
import type { SessionMeter } from '../session-meter.js';
import { infoDigitBody, readInfoDigit } from './info-digits.js';
import { MediaSession, type OfferResult, type SessionOptions } from './session.js';

/** What the SIP side needs of the server. */
export interface SipEndpointOptions {
  host: string;
  port: number;
  meter: SessionMeter;
  session: SessionOptions;
  pool: MediaPool;
  channels: ChannelRegistry;
  counters: ServerCounters;
  logger: Logger;
  channelOptions: Pick<ChannelOptions, 'bus' | 'runApplication'>;
  /** Connects a channel to its client's listener; `onLost` is called when that connection closes. */
  connectClient: (
    target: { host: string; port: number },
    channel: Channel,
    onLost: () => void,
  ) => Promise<EslConnection>;
}

const ALLOWED = 'INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE';

/** Takes INVITEs, answers them, and gives each call to the client that its `X-esl-outbound` header names. */
export class SipEndpoint {
  readonly #options: SipEndpointOptions;
  #agent: UserAgent | undefined;
  /** INVITEs being answered; with the live channels they count against the limit. */
  #answering = 0;

  constructor(options: SipEndpointOptions) {
    this.#options = options;
  }

  /** Opens the port. */
  async start(): Promise<void> {
    const { host, port } = this.#options;
    this.#agent = await createUserAgent({ listen: [{ transport: 'udp', host, port }], user: 'mod_sofia' });
    this.#agent.onInvite((call) => void this.#receive(call));
  }

  /** Closes the port. */
  async stop(): Promise<void> {
    await this.#agent?.stop();
  }

  /** `ip:port` we listen on. */
  get address(): string {
    const local = this.#agent?.addresses[0];
    return local ? `${local.host}:${local.port}` : '';
  }

  /** Counters of the SIP layer. */
  get agent(): UserAgent | undefined {
    return this.#agent;
  }

  async #receive(call: IncomingCall): Promise<void> {
    const { channels, meter, counters, logger } = this.#options;
    const target = clientAddress(call.request);
    if (!target) {
      counters.sessionsRejected++;
      call.reject(404, undefined, { Reason: 'Q.850;cause=3;text="NO_ROUTE_DESTINATION"' });
      return;
    }
    if (!meter.admit(channels.size + this.#answering)) {
      counters.sessionsRejected++;
      call.reject(503, 'Maximum Calls In Progress', { 'Retry-After': '5' });
      return;
    }
    this.#answering++;
    try {
      await this.#answer(call, target);
    } catch (error) {
      counters.sessionsRejected++;
      logger.error({ err: error, sipCallId: call.callId }, 'cannot take call');
      call.reject(503, undefined, { Reason: 'Q.850;cause=41;text="NORMAL_TEMPORARY_FAILURE"' });
    } finally {
      this.#answering--;
    }
  }

  async #answer(call: IncomingCall, target: { host: string; port: number }): Promise<void> {
    const { pool, counters, channels, channelOptions } = this.#options;
    const channel = new Channel({
      ...channelOptions,
      profile: profileOf(call),
      onGone: (gone) => channels.remove(gone),
    });
    channel.leg = await pool.open({
      onReport: (report) => {
        if (report.type === 'dtmf') counters.dtmfReceived++;
        channel.receiveReport(report);
      },
      onLost: () => void channel.hangup('NORMAL_TEMPORARY_FAILURE'),
    });
    const session = new MediaSession(channel, this.#options.session);
    setSipVariables(channel, call.request);
    const waits = call.request.get('X-esl-answer')?.trim().toLowerCase() === 'false';
    // Nobody is to hear anything before the client says so.
    if (waits) session.holdBack();
    const isDelayed = call.sdp.trim() === '';
    const offered: OfferResult = isDelayed ? { ok: true, sdp: session.makeOffer() } : session.takeOffer(call.sdp);
    if (!offered.ok) {
      counters.sessionsRejected++;
      call.reject(offered.error.code === 'sdp/syntax' ? 400 : 488, undefined, {
        Warning: `304 ringwire "${offered.error.message}"`,
      });
      void channel.leg.close();
      return;
    }
    const signalling = this.#beforeAnswer(channel, call, session, offered.sdp, isDelayed);
    if (!waits && !signalling.accept()) {
      void channel.leg.close();
      return;
    }
    counters.sessionsTotal++;
    channels.add(channel);
    if (waits || !isDelayed) await this.#giveToClient(channel, target, !waits);
    else void signalling.whenComplete.then(() => this.#giveToClient(channel, target, true));
  }

  /** The signalling of a call that is not answered yet; {@link Channel.signalling} until it is. */
  #beforeAnswer(
    channel: Channel,
    call: IncomingCall,
    session: MediaSession,
    sdp: string,
    isDelayed: boolean,
  ): { accept: () => boolean; whenComplete: Promise<void> } {
    let complete = (): void => undefined;
    const whenComplete = new Promise<void>((resolve) => {
      complete = resolve;
    });
    const accept = (): boolean => {
      const dialog = call.accept(sdp, { headers: { Allow: ALLOWED } });
      if (!dialog) return false;
      session.release();
      this.#followDialog(channel, dialog, session, isDelayed);
      // Without an offer the peer's answer, and with it its address, comes with the ACK.
      if (isDelayed) dialog.once('ack', complete);
      else complete();
      return true;
    };
    const nothing = (): void => undefined;
    channel.signalling = {
      ring: () => call.ring(),
      preAnswer: () => {
        if (isDelayed || !call.isOpen) return false;
        call.ring(183, { sdp });
        session.release();
        return true;
      },
      answer: () => {
        if (!accept()) void channel.hangup('ORIGINATOR_CANCEL');
      },
      end: (cause) => call.reject(sipStatusOf(cause), undefined, { Reason: reasonOf(cause) }),
      sendInfoDigit: nothing,
      notify: () => false,
      reoffer: nothing,
    } satisfies SignallingSide;
    call.once('failed', () => void channel.hangup('ORIGINATOR_CANCEL'));
    return { accept, whenComplete };
  }

  #followDialog(channel: Channel, dialog: Dialog, session: MediaSession, isDelayed: boolean): void {
    let awaitsAnswer = isDelayed;
    channel.signalling = {
      ring: () => undefined,
      preAnswer: () => false,
      answer: () => undefined,
      end: (cause) => {
        if (dialog.isEnded) return;
        channel.setVariable('sip_hangup_disposition', 'send_bye');
        void dialog.bye(byeHeaders(channel, cause));
      },
      sendInfoDigit: (digit, durationMs) => {
        const content = { contentType: 'application/dtmf-relay', body: infoDigitBody(digit, durationMs) };
        // What the peer answers to it changes nothing.
        if (!dialog.isEnded) void dialog.info(content).catch(() => undefined);
      },
      notify: (event) => {
        if (dialog.isEnded || !/^[\w-]+$/.test(event)) return false;
        // As in FreeSWITCH the event is only sent: the command is answered before the peer may refuse it.
        dialog.request('NOTIFY', undefined, { Event: event, 'Subscription-State': 'active' }).catch(() => undefined);
        return true;
      },
      reoffer: (hold) => {
        if (dialog.isEnded) return;
        const offer = session.makeOffer(hold ? 'sendonly' : 'sendrecv');
        dialog.reinvite(offer).then(
          (response) => session.takeAnswer(response.bodyText),
          (error: unknown) => this.#options.logger.warn({ err: error, channel: channel.uuid }, 'hold was refused'),
        );
      },
    };
    dialog.on('ack', (ack) => {
      const isRefused = awaitsAnswer && ack.body.length > 0 && !session.takeAnswer(ack.bodyText);
      awaitsAnswer = false;
      // Nothing was agreed before either: there will be no media.
      if (isRefused && !channel.agreement) void channel.hangup('INCOMPATIBLE_DESTINATION');
    });
    dialog.on('reinvite', (reinvite) => {
      awaitsAnswer = takeReinvite(reinvite, session);
      const direction = channel.agreement?.direction;
      if (!awaitsAnswer)
        channel.holding.show(channel.holding.isByUs || direction === 'recvonly' || direction === 'inactive');
    });
    dialog.on('request', (transaction) => {
      if (!takeUpdate(transaction, dialog, session)) return;
      const direction = channel.agreement?.direction;
      channel.holding.show(channel.holding.isByUs || direction === 'recvonly' || direction === 'inactive');
    });
    dialog.on('info', (request) => takeInfo(channel, request));
    dialog.on('ended', ({ by, request, reason = '' }) => {
      if (by === 'remote') void channel.hangup(takeBye(channel, request));
      // A refusal that ends a dialog begins with its status (481, 408); without one nothing came at all.
      if (by === 'lost') void channel.hangup(causeOfSipStatus(Number.parseInt(reason, 10) || 408).name);
    });
  }

  /**
   * The dialplan of this server: answer, unless the client is to do that, then `socket <client> async full`; the call lives as long as that
   * socket.
   */
  async #giveToClient(channel: Channel, target: { host: string; port: number }, isAnswered: boolean): Promise<void> {
    if (channel.isEnded) return;
    const { counters, connectClient, logger } = this.#options;
    channel.begin();
    if (isAnswered) channel.answer();
    try {
      const connection = await connectClient(target, channel, () => {
        if (channel.isEnded) return;
        counters.eventSocketLost++;
        void channel.hangup('NORMAL_CLEARING');
      });
      if (channel.isEnded) {
        connection.endOfChannel();
        return;
      }
      channel.parking.enter({ application: 'socket', argument: `${target.host}:${target.port} async full` });
      channel.onGone(() => connection.endOfChannel());
    } catch (error) {
      counters.eventSocketLost++;
      logger.warn({ err: error, target, channel: channel.uuid }, 'client does not take its call');
      await channel.hangup('NORMAL_CLEARING');
    }
  }
}

/** Answers an UPDATE (RFC 3311): a new offer, or only a new address of the signalling; false when it is something else or refused. */
function takeUpdate(transaction: ServerTransaction, dialog: Dialog, session: MediaSession): boolean {
  const { request } = transaction;
  if (request.method !== 'UPDATE' || request.bodyText.trim() === '') {
    transaction.reply(200);
    return false;
  }
  const result = session.takeOffer(request.bodyText);
  if (!result.ok) {
    transaction.reply(result.error.code === 'sdp/syntax' ? 400 : 488);
    return false;
  }
  dialog.remoteSdp = request.bodyText;
  dialog.localSdp = result.sdp;
  const response = transaction.makeResponse(200);
  response.add('Contact', dialog.state.contact);
  response.setBody(result.sdp, 'application/sdp');
  transaction.respond(response);
  return true;
}

/** Answers a re-INVITE; true when our answer was an offer, so that the ACK brings theirs. */
function takeReinvite(reinvite: IncomingReinvite, session: MediaSession): boolean {
  if (reinvite.sdp.trim() === '') {
    reinvite.accept(session.makeOffer());
    return true;
  }
  const result = session.takeOffer(reinvite.sdp);
  if (result.ok) reinvite.accept(result.sdp);
  else reinvite.reject(result.error.code === 'sdp/syntax' ? 400 : 488);
  return false;
}

/** What the peer's BYE tells goes to variables, as in FreeSWITCH; returns the number of the cause. */
function takeBye(channel: Channel, bye: SipMessage | undefined): string {
  const reason = bye?.get('Reason');
  const cause = causeOfReason(reason) ?? causeOfSipStatus(200);
  channel.setVariable('sip_reason', reason);
  channel.bridgedTo?.setVariable('sip_reason', reason);
  channel.setVariable('sip_term_status', '200');
  channel.setVariable('proto_specific_hangup_cause', 'sip:200');
  channel.setVariable('sip_term_cause', String(cause.code));
  channel.setVariable('sip_hangup_disposition', 'recv_bye');
  for (const { name, value } of bye?.headers ?? []) {
    if (/^X-/i.test(name)) channel.setVariable(`${BYE_HEADER_PREFIX}${name}`, value);
  }
  return String(cause.code);
}

/** Channel variables with this prefix are headers of our BYE, and headers of the peer's BYE become such. */
const BYE_HEADER_PREFIX = 'sip_bye_h_';

/** A Reason unless `disable_q850_reason` is true, `sip_reason` in its place when it is set, and the headers of the client. */
function byeHeaders(channel: Channel, cause: HangupCause): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of channel.variables(BYE_HEADER_PREFIX)) {
    if (/^[XP]-[\w-]+$/i.test(name) && !/[\r\n]/.test(value)) headers[name] = value;
  }
  if (isTrue(channel.getVariable('disable_q850_reason'))) return headers;
  const wanted = channel.getVariable('sip_reason');
  headers.Reason = wanted && !/[\r\n]/.test(wanted) ? wanted : reasonOf(cause);
  return headers;
}

/** A digit in signalling, as old equipment sends it. */
function takeInfo(channel: Channel, request: SipMessage): void {
  const heard = readInfoDigit(request.get('Content-Type') ?? '', request.bodyText);
  if (heard) channel.digits.receive(heard.digit, heard.durationMs, [], 'ENDPOINT');
}

function clientAddress(request: SipMessage): { host: string; port: number } | undefined {
  const [, host = '', port = ''] =
    /^\s*\[?([^\s\]]+?)\]?:(\d{1,5})\s*$/.exec(request.get('X-esl-outbound') ?? '') ?? [];
  const number = Number(port);
  return host && number > 0 && number < 65536 ? { host, port: number } : undefined;
}

function profileOf(call: IncomingCall): Channel['profile'] {
  const from = parseNameAddr(call.request.get('From') ?? '');
  const user = (from && parseUri(from.uri)?.user) || 'unknown';
  return {
    callerName: from?.display || user,
    callerNumber: user,
    destination: parseUri(call.request.uri)?.user || 'drachtio',
    networkAddress: call.transaction.source.host,
  };
}

function setSipVariables(channel: Channel, request: SipMessage): void {
  const userAgent = request.get('User-Agent') ?? '';
  const variables: Record<string, string | undefined> = {
    direction: 'inbound',
    uuid: channel.uuid,
    channel_name: channel.name,
    sip_user_agent: userAgent,
    sip_call_id: request.get('Call-ID'),
    sip_network_ip: channel.profile.networkAddress,
    sip_from_user: channel.profile.callerNumber,
    sip_to_user: channel.profile.destination,
    call_uuid: channel.uuid,
    sip_from_tag: /;\s*tag=([^;\s]+)/i.exec(request.get('From') ?? '')?.[1],
    sip_cseq: request.get('CSeq')?.split(' ')[0],
    sip_full_via: request.get('Via'),
    sip_full_from: request.get('From'),
    sip_full_to: request.get('To'),
    sip_contact_uri: parseNameAddr(request.get('Contact') ?? '')?.uri.replace(/^sips?:/, ''),
    sip_received_ip: channel.profile.networkAddress,
    max_forwards: request.get('Max-Forwards'),
    sip_req_uri: request.uri.replace(/^sips?:/, ''),
    sip_from_uri: parseNameAddr(request.get('From') ?? '')?.uri.replace(/^sips?:/, ''),
    sip_to_uri: parseNameAddr(request.get('To') ?? '')?.uri.replace(/^sips?:/, ''),
    sofia_profile_name: 'drachtio_mrf',
  };
  for (const [name, value] of Object.entries(variables)) channel.setVariable(name, value);
  // What drachtio-fsmrf asks for an endpoint that is to offer SRTP; a dialplan would set the variable.
  if (/^true$/i.test(request.get('X-Secure-RTP')?.trim() ?? '')) channel.setVariable('rtp_secure_media', 'true');
  for (const { name, value } of request.headers) {
    if (/^X-/i.test(name)) channel.setVariable(`sip_h_${name}`, value);
  }
}
