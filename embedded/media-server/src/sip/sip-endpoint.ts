import { randomUUID } from 'node:crypto';
import type { Logger } from '@ringwire/common/log/logger.js';
import {
  bracketed,
  createUserAgent,
  type IncomingCall,
  parseNameAddr,
  parseUri,
  type SipMessage,
  type UserAgent,
} from '@ringwire/sip';
import { Channel, type ChannelOptions } from '../channel/channel.js';
import type { ChannelRegistry } from '../channel/channel-registry.js';
import { reasonOf, sipStatusOf } from '../channel/hangup-causes.js';
import type { SignallingSide } from '../channel/signalling-side.js';
import type { ServerCounters } from '../counters.js';
import type { EslConnection } from '../event-socket/connection.js';
import type { MediaPool } from '../media/media-pool.js';
import type { SessionMeter } from '../session-meter.js';
import { followDialog } from './dialog-signalling.js';
import { type OutgoingResult, type OutgoingTarget, placeOutgoing } from './outgoing-leg.js';
import { MediaSession, type OfferResult, type SessionOptions } from './session.js';
import { setSipVariables } from './sip-variables.js';

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

/** Methods that we take in a dialog. */
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

  /** `ip:port` we listen on, an IPv6 address in brackets. */
  get address(): string {
    const local = this.#agent?.addresses[0];
    return local ? `${bracketed(local.host)}:${local.port}` : '';
  }

  /** Counters of the SIP layer. */
  get agent(): UserAgent | undefined {
    return this.#agent;
  }

  /** Calls someone; resolves when the INVITE is under way, with why not when that cannot be. */
  async place(target: OutgoingTarget): Promise<OutgoingResult> {
    if (!this.#agent) return { ok: false, cause: 'DESTINATION_OUT_OF_ORDER' };
    return placeOutgoing(this.#agent, this.#options, target, this.#answering);
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
    setSipVariables(channel, call.request, call.transaction.source.port);
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
      channel.setVariable('sip_to_tag', dialog.state.localTag);
      session.release();
      followDialog(channel, dialog, session, isDelayed, this.#options.logger);
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
      sendInfo: () => false,
      notify: () => false,
      reoffer: nothing,
    } satisfies SignallingSide;
    call.once('failed', () => void channel.hangup('ORIGINATOR_CANCEL'));
    return { accept, whenComplete };
  }

  /**
   * The dialplan of this server: answer, unless the client is to do that, then `socket <client> async full`; the call lives as long as that
   * socket.
   */
  async #giveToClient(channel: Channel, target: { host: string; port: number }, isAnswered: boolean): Promise<void> {
    if (channel.isEnded) return;
    const { counters, connectClient, logger } = this.#options;
    channel.begin();
    if (isAnswered) channel.execute('answer', '', { uuid: randomUUID(), lock: false });
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
    direction: 'inbound',
    callerName: from?.display || user,
    callerNumber: user,
    destination: parseUri(call.request.uri)?.user || 'drachtio',
    networkAddress: call.transaction.source.host,
  };
}
