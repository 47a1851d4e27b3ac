import type { MessageSource, ServerTransaction, SipMessage, TransactionLayer } from '@ringwire/sip';
import type { ServerCounters } from '../server-counters.js';
import { loopKeyOf, refusalOfProxy } from './checks.js';
import { forwardedRequest, targetOf, withoutOwnRoutes } from './forward-request.js';
import { OwnRoutes, uriOfRoute } from './own-routes.js';
import { destinationUri, MAX_DESTINATIONS, type ProxyPlan } from './plan.js';
import { type ProxyObserver, ResponseContext } from './response-context.js';

/** Timer C (RFC 3261 §16.6 step 11): more than three minutes. */
const TIMER_C_MS = 181_000;

/** Methods that make or refresh a dialog's targets: a proxy that stays on the path says so in each (§16.6 step 4). */
const TARGET_METHODS = new Set(['INVITE', 'SUBSCRIBE', 'UPDATE', 'REFER', 'NOTIFY']);

const NOBODY: ProxyObserver = { response: () => {}, done: () => {} };

/** A transaction-stateful proxy (RFC 3261 §16). What it forwards is its own: it goes on when the application is lost. */
export class SipProxy {
  private readonly contexts = new Set<ResponseContext>();
  private readonly routes: OwnRoutes;

  /**
   * @param secret whose knowledge proves a Record-Route ours
   * @param names that lead to us beside our addresses, lower case
   * @param timerCMs how long an INVITE may ring
   */
  constructor(
    private readonly layer: TransactionLayer,
    private readonly counters: ServerCounters,
    secret: string,
    names: readonly string[] = [],
    private readonly timerCMs = TIMER_C_MS,
  ) {
    this.routes = new OwnRoutes(layer, secret, names);
  }

  /** Requests that are being proxied. */
  get size(): number {
    return this.contexts.size;
  }

  /**
   * Proxies a request. It is answered in any case.
   * @returns why it is not forwarded, undefined when it is; the observer is told nothing then
   */
  start(transaction: ServerTransaction, plan: ProxyPlan, observer: ProxyObserver = NOBODY): string | undefined {
    const { request } = transaction;
    const loopKey = loopKeyOf(request);
    const refusal = this.refuse(transaction, loopKey);
    if (refusal) return refusal;
    const prepared = withoutOwnRoutes(request, this.routes);
    const targets = plan.destinations
      .slice(0, MAX_DESTINATIONS)
      .map((destination) => targetOf(prepared, destinationUri(destination), this.routes));
    const { recordRoute, simultaneous, followRedirects, headers = [], provisionalTimeoutMs, finalTimeoutMs } = plan;
    const times = { timerCMs: this.timerCMs, provisionalMs: provisionalTimeoutMs, finalMs: finalTimeoutMs };
    const { layer, routes } = this;
    const rules = { layer, routes, recordRoute, headers, loopKey, simultaneous, followRedirects, times };
    const context = new ResponseContext(transaction, prepared, targets, rules, observer, (over) =>
      this.contexts.delete(over),
    );
    if (!context.start()) {
      transaction.reply(500);
      return `error proxying request to ${plan.destinations.join(', ')}`;
    }
    this.counters.proxiedRequests++;
    this.contexts.add(context);
    return undefined;
  }

  /** Forwards a request of a dialog that was proxied with Record-Route; false when it is none. */
  forwardInDialog(transaction: ServerTransaction): boolean {
    const { request } = transaction;
    if (!this.isRouted(request)) return false;
    const loopKey = loopKeyOf(request);
    if (this.refuse(transaction, loopKey)) return true;
    const prepared = withoutOwnRoutes(request, this.routes);
    // Its way leads nowhere but here.
    if (!prepared.has('Route') && this.routes.isOwn(prepared.uri)) return false;
    const { layer, routes, timerCMs } = this;
    const times = { timerCMs, provisionalMs: undefined, finalMs: undefined };
    const recordRoute = TARGET_METHODS.has(request.method);
    const rules = { layer, routes, headers: [], recordRoute, loopKey, times };
    const context = new ResponseContext(
      transaction,
      prepared,
      [{ uri: prepared.uri }],
      { ...rules, simultaneous: false, followRedirects: false },
      NOBODY,
      (over) => this.contexts.delete(over),
    );
    if (context.start()) {
      this.counters.proxiedRequests++;
      this.contexts.add(context);
    } else transaction.reply(500);
    return true;
  }

  /** Forwards the ACK of a 2xx (RFC 3261 §16.11: without state); false when it belongs to no proxied dialog. */
  forwardAck(ack: SipMessage, source: MessageSource): boolean {
    if (!this.isRouted(ack) || Number(ack.get('Max-Forwards') ?? 70) === 0) return false;
    const prepared = withoutOwnRoutes(ack, this.routes);
    if (!prepared.has('Route') && this.routes.isOwn(prepared.uri)) return false;
    const { layer, routes } = this;
    const rules = { layer, routes, headers: [], recordRoute: false };
    const forwarded = forwardedRequest(prepared, source, { uri: prepared.uri }, rules);
    if (forwarded) layer.sendAck(forwarded.request, forwarded.destination);
    return forwarded !== undefined;
  }

  /** Stops all timers. */
  close(): void {
    for (const context of this.contexts) context.close();
    this.contexts.clear();
  }

  /** Whether a request comes along a Record-Route of ours; from a strict router it is in the request line. */
  private isRouted(request: SipMessage): boolean {
    const callId = request.get('Call-ID') ?? '';
    const first = uriOfRoute(request.getList('Route')[0]);
    if (first !== '' && this.routes.isOwn(first)) return this.routes.isSigned(first, callId);
    return this.routes.isOwn(request.uri) && this.routes.isSigned(request.uri, callId);
  }

  private refuse(transaction: ServerTransaction, loopKey: string): string | undefined {
    const refusal = refusalOfProxy(transaction.request, loopKey, this.layer);
    if (!refusal) return undefined;
    const response = transaction.makeResponse(refusal.status, refusal.reason);
    for (const [name, value] of refusal.headers) response.add(name, value);
    this.counters.refusedRequests++;
    transaction.respond(response);
    return refusal.status === 483
      ? 'Rejected with 483 Too Many Hops due to Max-Forwards value of 0'
      : `Rejected with ${refusal.status} ${refusal.reason}`;
  }
}
