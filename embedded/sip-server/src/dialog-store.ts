import {
  type ClientTransaction,
  type DialogState,
  dialogKeyOfRequest,
  type Endpoint,
  type ServerTransaction,
  type SipMessage,
} from '@ringwire/sip';
import type { ControlClient } from './control/control-client.js';

/** A dialog that an application owns through this server. */
export interface ServerDialog {
  /** `<Call-ID>;from-tag=<tag>` as applications know it. */
  id: string;
  state: DialogState;
  client: ControlClient;
  /** Our INVITE's 2xx waits for, or got, this ACK; kept to repeat it for a repeated 2xx. */
  ack: { seq: number; message: SipMessage | undefined } | undefined;
  /** An INVITE answered with 2xx by us whose ACK has not come. */
  unacknowledged: ServerTransaction | undefined;
  /** A re-INVITE of ours without final response. */
  reinvite: ClientTransaction | undefined;
  /** A BYE of ours is on its way. */
  ending: boolean;
  /** Made by SUBSCRIBE: when it lapses, in ms of the monotonic clock; undefined for INVITE dialogs, which end with BYE. */
  lapsesAtMs: number | undefined;
  /** Where the peer was last heard or reached: its Contact may not say its transport, or be behind NAT or a browser. */
  peer: Endpoint;
}

/** The live dialogs, found by the id that applications use and by what a request of the peer says. */
export class DialogStore {
  private readonly byId = new Map<string, ServerDialog>();
  private readonly byKey = new Map<string, ServerDialog>();

  get size(): number {
    return this.byId.size;
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

  /** Forgets subscriptions that were neither refreshed nor ended. */
  sweep(nowMs: number): void {
    for (const dialog of this.byId.values()) if ((dialog.lapsesAtMs ?? Infinity) <= nowMs) this.remove(dialog);
  }

  ownedBy(client: ControlClient): ServerDialog[] {
    return [...this.byId.values()].filter((dialog) => dialog.client === client);
  }

  /** Adds a dialog. Its id is made unique: branches of a forked INVITE, and both ends of a call to ourselves, share one. */
  add(dialog: ServerDialog): void {
    while (this.byId.has(dialog.id)) dialog.id += ';fork';
    this.byId.set(dialog.id, dialog);
    this.byKey.set(dialog.state.key, dialog);
  }

  remove(dialog: ServerDialog): void {
    this.byId.delete(dialog.id);
    if (this.byKey.get(dialog.state.key) === dialog) this.byKey.delete(dialog.state.key);
  }
}

/** When a subscription lapses by the Expires of the 2xx to its SUBSCRIBE (RFC 6665; an hour without), with half a minute to spare. */
export function subscriptionLapse(response: SipMessage): number {
  const seconds = Number(response.get('Expires') ?? 3600);
  return performance.now() + (Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 86_400) : 3600) * 1000 + 30_000;
}

/** Whether a NOTIFY ends its subscription. */
export function endsSubscription(dialog: ServerDialog, request: SipMessage): boolean {
  const state = request.get('Subscription-State') ?? '';
  return dialog.lapsesAtMs !== undefined && request.method === 'NOTIFY' && /^terminated/i.test(state);
}
