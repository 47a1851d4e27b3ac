import {
  type ClientTransaction,
  type DialogState,
  dialogKeyOfRequest,
  type Endpoint,
  type ReliableProvisionals,
  type ServerTransaction,
  ShortLivedMap,
  type SipMessage,
} from '@ringwire/sip';
import type { ControlClient } from './control/control-client.js';
import type { PendingOffer } from './offer-answer.js';
import type { SessionTimer } from './session-timer.js';

/** A dialog that an application owns through this server. */
export interface ServerDialog {
  /** `<Call-ID>;from-tag=<tag>` as applications know it. */
  id: string;
  readonly state: DialogState;
  client: ControlClient;
  /** Made by a provisional response: it ends with its INVITE, or is confirmed by the 2xx. */
  early: boolean;
  /** Our INVITE's 2xx waits for, or got, this ACK; kept to repeat it for a repeated 2xx. */
  ack: { seq: number; message: SipMessage | undefined } | undefined;
  /** An INVITE answered with 2xx by us whose ACK has not come. */
  unacknowledged: ServerTransaction | undefined;
  /** What waits for that ACK: a BYE of the application (RFC 3261 §15). */
  afterAck: (() => void) | undefined;
  /** An INVITE of ours without final response: a re-INVITE, or the one that made this early dialog. */
  reinvite: ClientTransaction | undefined;
  /** An INVITE, an UPDATE of the peer has no final response yet. */
  unansweredInvite: boolean;
  unansweredUpdate: boolean;
  /** Whose SDP offer waits for an answer. */
  offer: PendingOffer;
  /** Reliable provisional responses of ours whose PRACK may still come. */
  reliable: ReliableProvisionals | undefined;
  /** RSeq of the peer's last reliable provisional response to our INVITE. */
  rseq: number | undefined;
  /** The 2xx came for an INVITE that was cancelled, or cannot be used: BYE follows the ACK, unless the application ends the dialog before. */
  byeAfterAck: { reason: string; waitMs: number } | undefined;
  /** Refreshes the session, or waits for the peer's refresh (RFC 4028). */
  session: SessionTimer | undefined;
  /** A BYE of ours is on its way. */
  ending: boolean;
  /** When a BYE of the application was answered 401 or 407, in ms of the monotonic clock. */
  byeChallengedAtMs: number | undefined;
  /** Made by SUBSCRIBE: when it lapses, in ms of the monotonic clock; undefined for INVITE dialogs, which end with BYE. */
  lapsesAtMs: number | undefined;
  /** Where the peer was last heard or reached: its Contact may not say its transport, or be behind NAT or a browser. */
  peer: Endpoint;
  /** It is behind NAT: requests go to `peer`, whatever its Contact and routes say. */
  behindNat: boolean;
}

/** An application that has credentials repeats a challenged BYE at once. */
const REPEAT_BYE_WITHIN_MS = 5_000;

/** A dialog with nothing under way in it. */
export function newDialog(
  given: Pick<ServerDialog, 'state' | 'client' | 'early' | 'peer'> & {
    id: string;
    lapsesAtMs?: number | undefined;
    behindNat?: boolean;
  },
): ServerDialog {
  return {
    ack: undefined,
    unacknowledged: undefined,
    afterAck: undefined,
    reinvite: undefined,
    unansweredInvite: false,
    unansweredUpdate: false,
    offer: 'none',
    reliable: undefined,
    rseq: undefined,
    byeAfterAck: undefined,
    session: undefined,
    ending: false,
    byeChallengedAtMs: undefined,
    lapsesAtMs: undefined,
    behindNat: false,
    ...given,
  };
}

/** The live dialogs, found by the id that applications use and by what a request of the peer says. */
export class DialogStore {
  private readonly byId = new ShortLivedMap<string, ServerDialog>();
  private readonly byKey = new ShortLivedMap<string, ServerDialog>();

  /** Early dialogs. */
  private early = 0;

  /** Confirmed dialogs. */
  get size(): number {
    return this.byId.size - this.early;
  }

  get earlySize(): number {
    return this.early;
  }

  /** Confirmed dialogs that peers began, and those that applications began: these bear our tag in their id. Looks at each. */
  countByOrigin(): { inbound: number; outbound: number } {
    let outbound = 0;
    for (const { id, state, early } of this.byId.values()) {
      if (!early && id.includes(`;from-tag=${state.localTag}`)) outbound++;
    }
    return { inbound: this.size - outbound, outbound };
  }

  get(id: string): ServerDialog | undefined {
    return this.byId.get(id);
  }

  /** The dialog that a received request belongs to; undefined without one. */
  ofRequest(request: SipMessage): ServerDialog | undefined {
    const key = dialogKeyOfRequest(request);
    return key === undefined ? undefined : this.byKey.get(key);
  }

  /** The dialog with these tags. */
  find(key: string): ServerDialog | undefined {
    return this.byKey.get(key);
  }

  /** Forgets all. */
  clear(): void {
    for (const dialog of [...this.byId.values()]) this.remove(dialog);
  }

  /** Forgets subscriptions that were neither refreshed nor ended, and dialogs whose BYE was challenged and not repeated. */
  sweep(nowMs: number): void {
    for (const dialog of this.byId.values()) {
      const byeUntilMs = (dialog.byeChallengedAtMs ?? Infinity) + REPEAT_BYE_WITHIN_MS;
      if (Math.min(dialog.lapsesAtMs ?? Infinity, byeUntilMs) <= nowMs) this.remove(dialog);
    }
  }

  all(): ServerDialog[] {
    return [...this.byId.values()];
  }

  /** Adds a dialog. Its id is made unique: branches of a forked INVITE, and both ends of a call to ourselves, share one. */
  add(dialog: ServerDialog): void {
    while (this.byId.has(dialog.id)) dialog.id += ';fork';
    this.byId.set(dialog.id, dialog);
    this.byKey.set(dialog.state.key, dialog);
    if (dialog.early) this.early++;
  }

  /** The INVITE of an early dialog was answered with 2xx. It gets the id that applications expect where that is free. */
  confirm(dialog: ServerDialog, id: string): void {
    if (!dialog.early) return;
    dialog.early = false;
    this.early--;
    if (this.byId.has(id)) return;
    this.byId.delete(dialog.id);
    dialog.id = id;
    this.byId.set(id, dialog);
  }

  /** Forgets a dialog; what was armed for it ends. Does nothing for one that is forgotten. */
  remove(dialog: ServerDialog): void {
    // Its id may have been taken by another one since.
    if (this.byId.get(dialog.id) !== dialog) return;
    this.byId.delete(dialog.id);
    if (this.byKey.get(dialog.state.key) === dialog) this.byKey.delete(dialog.state.key);
    if (dialog.early) this.early--;
    dialog.session?.stop();
    dialog.reliable?.stop();
  }
}

/**
 * When a subscription lapses by the Expires of the 2xx to its SUBSCRIBE or REFER, with half a minute to spare. Without
 * Expires: an hour, after REFER three minutes, until a NOTIFY says more.
 */
export function subscriptionLapse(method: string, response: SipMessage): number {
  return lapseAfter(Number(response.get('Expires') ?? (method === 'REFER' ? 180 : 3600)));
}

/** A NOTIFY says how long the subscription lasts, or that it is over: the dialog's lapse follows (RFC 6665 §4.1.3). */
export function noteSubscriptionState(dialog: ServerDialog, notify: SipMessage): void {
  if (dialog.lapsesAtMs === undefined || notify.method !== 'NOTIFY') return;
  const expires = /;\s*expires\s*=\s*(\d{1,10})/i.exec(notify.get('Subscription-State') ?? '')?.[1];
  if (expires !== undefined) dialog.lapsesAtMs = lapseAfter(Number(expires));
}

function lapseAfter(seconds: number): number {
  return performance.now() + (Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 86_400) : 3600) * 1000 + 30_000;
}

/** Whether a NOTIFY ends its subscription. */
export function endsSubscription(dialog: ServerDialog, request: SipMessage): boolean {
  const state = request.get('Subscription-State') ?? '';
  return dialog.lapsesAtMs !== undefined && request.method === 'NOTIFY' && /^terminated/i.test(state);
}
