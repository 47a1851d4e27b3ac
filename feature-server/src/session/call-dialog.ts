import type { HookSpec } from '@ringwire/verb-specs';
import type { SessionCommand } from '../control/commands.js';
import type { ActionResult, CallApplication, CallDialog, CallMedia } from '../verbs/verb.js';
import type { CallLeg, LegReply, LegRequest, ReferHandler, ReferRequest } from './call-leg.js';
import type { HoldChange } from './hold-news.js';
import type { Journal } from './journal.js';
import { referDetails } from './refer-details.js';

/** What {@link SessionDialog} needs of its call. */
export interface SessionDialogOptions {
  leg: Pick<CallLeg, 'request' | 'onRequest' | 'onRefer' | 'peerHost'>;
  callSid: string;
  app: Pick<CallApplication, 'ask' | 'interrupt'>;
  journal: Journal;
  /** Where it is heard that the far end holds the call: the hook for its requests is told then. Absent: it is not. */
  holds?: Pick<CallMedia, 'onHold'>;
  /** Aborts when the call is over. */
  signal: AbortSignal;
}

/** A far end that sends more before the application has answered the first is told to wait. */
const MAX_ASKED = 20;

/**
 * What is said within the call's SIP dialog beside the call itself: requests of ours, and those of the far end, which go to a verb that waits for them
 * or to the application's hook.
 */
export class SessionDialog implements CallDialog {
  readonly #notified = new Set<(request: LegRequest) => void>();
  #requestHook: HookSpec | undefined;
  #referHook: HookSpec | undefined;
  #verbRefer: ReferHandler | undefined;
  #asked = 0;

  constructor(private readonly options: SessionDialogOptions) {
    options.leg.onRequest((request) => this.#take(request));
    options.holds?.onHold((change) => this.#held(change));
  }

  get peerHost(): string | undefined {
    return this.options.leg.peerHost;
  }

  async request(request: LegRequest): Promise<LegReply> {
    const { leg, journal } = this.options;
    const reply = await leg.request(request);
    journal.timeline.info('sip', `${request.method} sent: ${reply.status} ${reply.reason}`, { status: reply.status });
    return reply;
  }

  onNotify(listener: (request: LegRequest) => void): () => void {
    this.#notified.add(listener);
    return () => this.#notified.delete(listener);
  }

  setRequestHook(hook: HookSpec | undefined): void {
    this.#requestHook = hook;
  }

  setReferHook(hook: HookSpec | undefined): void {
    this.#referHook = hook;
    this.#takeRefers();
  }

  /** Commands that set the hooks again where the call goes on at another feature server. */
  continuation(): SessionCommand[] {
    const spec = {
      ...(this.#requestHook !== undefined && { sipRequestWithinDialogHook: this.#requestHook }),
      ...(this.#referHook !== undefined && { referHook: this.#referHook }),
    };
    return Object.keys(spec).length === 0 ? [] : [{ command: 'config', spec }];
  }

  /** A verb takes transfers itself, before the hook; undefined: it does no more. */
  onRefer(handler: ReferHandler | undefined): void {
    this.#verbRefer = handler;
    this.#takeRefers();
  }

  #takeRefers(): void {
    const byHook: ReferHandler = (refer) => this.#refer(refer);
    this.options.leg.onRefer(this.#verbRefer ?? (this.#referHook === undefined ? undefined : byHook));
  }

  /** compat 2.7: INFO is answered 200, MESSAGE 202, others 501. */
  #take(request: LegRequest): number | undefined {
    const { method } = request;
    if (method === 'NOTIFY' && this.#notified.size > 0) {
      for (const listener of this.#notified) listener(request);
      return 200;
    }
    const hook = this.#requestHook;
    if (hook === undefined) return undefined;
    const status = method === 'INFO' ? 200 : method === 'MESSAGE' ? 202 : 501;
    if (status === 501) return status;
    const { journal } = this.options;
    if (this.#asked >= MAX_ASKED) return 503;
    journal.timeline.info('sip', `${method} of the far end: ${status}`, { method });
    void this.#ask(hook, { sipMethod: method, sipBody: request.body ?? '', sipHeaders: request.headers });
    return status;
  }

  /** compat 2.7: its re-INVITE is answered already. */
  #held({ isHeld, sdp, headers = {} }: HoldChange): void {
    const hook = this.#requestHook;
    if (hook === undefined || this.#asked >= MAX_ASKED) return;
    const event = isHeld ? 'hold' : 'unhold';
    this.options.journal.timeline.info('sip', `the far end has sent INVITE: ${event}`, { event });
    // No recorder of ours is at the far end.
    const state = { event, onHold: isHeld, siprec: false };
    void this.#ask(hook, { sipMethod: 'INVITE', sipBody: sdp, sipHeaders: headers, ...state });
  }

  #refer(refer: ReferRequest): number {
    const { callSid, journal } = this.options;
    const hook = this.#referHook;
    if (hook === undefined) return 501;
    if (this.#asked >= MAX_ASKED) return 503;
    journal.timeline.info('sip', `REFER of the far end to ${refer.uri}: 202, its referHook is asked`);
    // RFC 3515 §2.4.4: at once; where it leads is the application's to say.
    void refer.notify(100, 'Trying');
    // Whether the application does what was asked for or not, this is all that he is told: without a final status his telephone would wait.
    void this.#ask(hook, { referDetails: referDetails(refer, { referringCallSid: callSid }) }).then((result) =>
      result === 'replaced' ? refer.notify(200, 'OK') : refer.notify(403, 'Forbidden'),
    );
    return 202;
  }

  async #ask(hook: HookSpec, extra: Record<string, unknown>): Promise<ActionResult> {
    const { app, signal } = this.options;
    this.#asked++;
    try {
      return await app.interrupt(hook, extra, signal);
    } finally {
      this.#asked--;
    }
  }
}
