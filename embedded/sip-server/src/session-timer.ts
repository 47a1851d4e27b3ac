import { randomInt } from 'node:crypto';
import { hasOptionTag, type SipClock, type SipMessage, systemClock } from '@ringwire/sip';
import type { BridgeContext } from './bridge-context.js';
import { dialogDestination, endByServer, sendInDialog } from './dialog-requests.js';
import type { ServerDialog } from './dialog-store.js';
import type { Refusal } from './request-policy.js';

/** The shortest session interval, in seconds (RFC 4028 §4). */
const MIN_SE_SECONDS = 90;
/** Longer ones would overflow a timer: 23 days. */
const MAX_SECONDS = 2_000_000;
/** Refreshes of many calls that began together are spread over this. */
const SPREAD_MS = 5000;
/** So long before the end of its interval, or a third of it, a session that the peer does not refresh ends (RFC 4028 §10). */
const END_BEFORE_MS = 32_000;
/** A refresh waits while an INVITE is under way, or after 491 (RFC 3261 §14.1). */
const RETRY_MS: readonly [number, number] = [2100, 4000];
/** Reason of the BYE as drachtio-server words it: applications read its text. */
const EXPIRED = 'SIP ;cause=200 ;text="Session timer expired"';

/** Who refreshes a session that a caller offers to refresh without saying who; `none`: there is no timer then. */
export type DefaultRefresher = 'uac' | 'uas' | 'none';

/** A Session-Expires header. */
export interface SessionExpires {
  seconds: number;
  refresher: 'uac' | 'uas' | undefined;
}

/** Reads the Session-Expires of a message; undefined without one, or when it is none. */
export function sessionExpires(message: SipMessage): SessionExpires | undefined {
  const value = message.get('Session-Expires');
  const match = value === undefined ? null : /^\s*(\d{1,10})\s*(;.*)?$/.exec(value);
  if (!match) return undefined;
  const refresher = /;\s*refresher\s*=\s*(uac|uas)\b/i.exec(match[2] ?? '')?.[1]?.toLowerCase();
  return { seconds: Number(match[1]), refresher: refresher as SessionExpires['refresher'] };
}

/** The running timer of one dialog. */
export interface SessionTimer {
  readonly seconds: number;
  readonly refresher: 'us' | 'them';
  /** Our SDP: what a refreshing re-INVITE offers again. */
  localBody: Buffer;
  localType: string;
  stop(): void;
}

/**
 * Session timers (RFC 4028) as drachtio-server keeps them: the application, or the peer, asks for one by Session-Expires;
 * the server refreshes with re-INVITE at half the interval where that is our part, and ends the dialog with BYE shortly before
 * the end of the interval where the peer does not do its part, or when a refresh fails.
 */
export class SessionTimers {
  constructor(
    private readonly context: BridgeContext,
    private readonly defaultRefresher: DefaultRefresher = 'none',
    private readonly clock: SipClock = systemClock,
  ) {}

  /** The answer to a request of the peer that asks for too short an interval: 422 with our Min-SE (§9). */
  refusalOf(request: SipMessage): Refusal | undefined {
    if (request.method !== 'INVITE' && request.method !== 'UPDATE') return undefined;
    const asked = sessionExpires(request);
    // §8.1: those who do not know the timer could do nothing with a 422.
    const isTooShort = asked !== undefined && asked.seconds < MIN_SE_SECONDS;
    if (!isTooShort || !hasOptionTag(request, 'Supported', 'timer')) return undefined;
    return {
      status: 422,
      why: `it asks for a session interval of ${asked.seconds} s, ${MIN_SE_SECONDS} s is the least`,
      headers: [['Min-SE', String(MIN_SE_SECONDS)]],
    };
  }

  /** A 2xx of ours to an INVITE or UPDATE: says who refreshes where the application does not, and starts the timer. */
  agreeAsServer(dialog: ServerDialog, request: SipMessage, response: SipMessage): void {
    if (request.method !== 'INVITE' && request.method !== 'UPDATE') return;
    const own = sessionExpires(response);
    const asked = sessionExpires(request);
    const supports = hasOptionTag(request, 'Supported', 'timer');
    const terms = own ?? asked;
    const { session } = dialog;
    const fallback = own || session ? 'uac' : this.defaultRefresher;
    // §9: a peer without timers cannot refresh.
    const refresher = terms && (terms.refresher ?? (fallback === 'uac' && !supports ? 'uas' : fallback));
    if (!terms || refresher === 'none' || refresher === undefined) {
      this.stop(dialog);
      return;
    }
    const seconds = clamp(terms.seconds);
    if (!own) response.set('Session-Expires', `${seconds};refresher=${refresher}`);
    else if (own.refresher === undefined) response.set('Session-Expires', `${own.seconds};refresher=${refresher}`);
    if (refresher === 'uac' && supports && !hasOptionTag(response, 'Require', 'timer'))
      response.add('Require', 'timer');
    this.arm(dialog, seconds, refresher === 'uac' ? 'them' : 'us', response);
  }

  /** A re-INVITE or UPDATE of the application in a dialog with a timer keeps it (§7.4). */
  keep(dialog: ServerDialog, request: SipMessage): void {
    const { session } = dialog;
    if (!session || !/^(INVITE|UPDATE)$/.test(request.method) || request.has('Session-Expires')) return;
    request.add('Session-Expires', `${session.seconds};refresher=${session.refresher === 'us' ? 'uac' : 'uas'}`);
    if (!request.has('Min-SE')) request.add('Min-SE', MIN_SE_SECONDS);
    if (!hasOptionTag(request, 'Supported', 'timer')) request.add('Supported', 'timer');
  }

  /** A 2xx to an INVITE or UPDATE of ours says whether there is a timer, and who refreshes. */
  agreeAsClient(dialog: ServerDialog, request: SipMessage, response: SipMessage): void {
    if (request.method !== 'INVITE' && request.method !== 'UPDATE') return;
    const terms = sessionExpires(response);
    if (!terms) this.stop(dialog);
    else this.arm(dialog, clamp(terms.seconds), terms.refresher === 'uas' ? 'them' : 'us', request);
  }

  private stop(dialog: ServerDialog): void {
    dialog.session?.stop();
    dialog.session = undefined;
  }

  /** @param described our message with our SDP, if it has any */
  private arm(dialog: ServerDialog, seconds: number, refresher: 'us' | 'them', described: SipMessage): void {
    const before = dialog.session;
    this.stop(dialog);
    const hasBody = described.body.length > 0;
    const wholeMs = seconds * 1000;
    const afterMs =
      refresher === 'us' ? wholeMs / 2 - randomInt(0, SPREAD_MS) : wholeMs - Math.min(END_BEFORE_MS, wholeMs / 3);
    let handle: unknown;
    const schedule = (ms: number): void => {
      handle = this.clock.setTimeout(() => fire(), ms);
    };
    const fire = (): void => {
      if (refresher === 'them') this.expire(dialog);
      else if (isBusy(dialog)) schedule(randomInt(...RETRY_MS));
      else this.refresh(dialog, session, () => schedule(randomInt(...RETRY_MS)));
    };
    const session: SessionTimer = {
      seconds,
      refresher,
      localBody: hasBody ? described.body : (before?.localBody ?? Buffer.alloc(0)),
      localType: (hasBody ? described.get('Content-Type') : before?.localType) ?? 'application/sdp',
      stop: () => this.clock.clearTimeout(handle),
    };
    dialog.session = session;
    schedule(afterMs);
  }

  private refresh(dialog: ServerDialog, session: SessionTimer, retry: () => void): void {
    const hasSdp = session.localBody.length > 0;
    // Without SDP of ours to offer again an INVITE would ask the peer for an offer.
    const request = dialog.state.makeRequest(hasSdp ? 'INVITE' : 'UPDATE');
    request.add('Session-Expires', `${session.seconds};refresher=uac`).add('Min-SE', MIN_SE_SECONDS);
    request.add('Supported', 'timer');
    if (hasSdp) request.setBody(session.localBody, session.localType);
    this.context.counters.sessionRefreshes++;
    const transaction = sendInDialog(this.context, dialog, request);
    if (hasSdp) dialog.reinvite = transaction;
    const isCurrent = (): boolean => dialog.session === session && !dialog.ending;
    transaction.on('response', (response) => {
      const { status } = response;
      if (status < 200) return;
      if (dialog.reinvite === transaction) dialog.reinvite = undefined;
      if (status < 300) {
        const isFirst = request.method !== 'INVITE' || this.acknowledge(dialog, response, dialog.ack);
        if (isFirst && isCurrent()) this.agreeAsClient(dialog, request, response);
      } else if (!isCurrent()) return;
      else if (status === 491) retry();
      else {
        const minSeconds = status === 422 ? Number(response.get('Min-SE')) : 0;
        if (minSeconds > session.seconds && minSeconds <= MAX_SECONDS) {
          this.arm(dialog, minSeconds, 'us', request);
          this.refresh(dialog, dialog.session!, retry);
        } else this.expire(dialog);
      }
    });
    const lost = (): void => {
      if (dialog.reinvite === transaction) dialog.reinvite = undefined;
      if (isCurrent()) this.expire(dialog);
    };
    transaction.once('timeout', lost);
    transaction.once('transportError', lost);
  }

  /** ACKs the 2xx of a refresh; false when it is a repetition, for which the ACK is repeated. */
  private acknowledge(dialog: ServerDialog, response: SipMessage, before: ServerDialog['ack']): boolean {
    const seq = Number.parseInt(response.get('CSeq') ?? '', 10);
    if (before?.seq === seq && before.message) {
      this.context.layer.resend(before.message, dialogDestination(dialog, before.message));
      return false;
    }
    dialog.state.refreshTarget(response);
    const message = dialog.state.makeAck(seq);
    dialog.ack = { seq, message };
    this.context.layer.sendAck(message, dialogDestination(dialog, message));
    return true;
  }

  private expire(dialog: ServerDialog): void {
    this.context.counters.sessionsExpired++;
    endByServer(this.context, dialog, EXPIRED, 'session-expired');
  }
}

/** A refresh now would cross an INVITE. */
function isBusy(dialog: ServerDialog): boolean {
  return !!dialog.reinvite || dialog.unansweredInvite || dialog.offer !== 'none' || !!dialog.unacknowledged;
}

function clamp(seconds: number): number {
  return Math.min(Math.max(seconds, MIN_SE_SECONDS), MAX_SECONDS);
}
