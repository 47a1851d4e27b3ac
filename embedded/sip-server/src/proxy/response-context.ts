import {
  type Endpoint,
  endpointOfUri,
  parseNameAddr,
  type ServerTransaction,
  type SipMessage,
  SipStateError,
} from '@ringwire/sip';
import { bestOf, type Failure, forwardedFailure } from './best-response.js';
import { Branch, type BranchTimes, type BranchUser } from './branch.js';
import { breadthOf } from './checks.js';
import { type ForwardingRules, forwardedRequest, requestUriOf, type Target } from './forward-request.js';
import { setList, withoutTopVia } from './headers.js';
import { MAX_DESTINATIONS } from './plan.js';

/** Who is told how proxying goes. */
export interface ProxyObserver {
  /** A final response of a destination, as it came, until `done`. */
  response(response: SipMessage, peer: Endpoint): void;
  /** The caller has its final answer; once. */
  done(): void;
}

/** How the branches of a request are made. */
export interface ContextRules extends ForwardingRules {
  /** Our loop detection in each branch (RFC 3261 §16.6 step 8). */
  loopKey: string;
  simultaneous: boolean;
  followRedirects: boolean;
  times: BranchTimes;
}

/** RFC 3261 §16.7: a proxied request with all its branches, until each of them is gone. */
export class ResponseContext implements BranchUser {
  private readonly branches = new Set<Branch>();
  private readonly failures: Failure[] = [];
  private readonly known: Set<string>;
  private readonly breadth: number;
  private searching = true;
  private cancelled = false;
  private finished = false;

  /**
   * @param prepared the request without the Routes that led here
   * @param waiting the targets in order
   * @param ended called when nothing more can come
   */
  constructor(
    private readonly server: ServerTransaction,
    private readonly prepared: SipMessage,
    private waiting: Target[],
    private readonly rules: ContextRules,
    private readonly observer: ProxyObserver,
    private readonly ended: (context: ResponseContext) => void,
  ) {
    this.breadth = breadthOf(prepared);
    this.known = new Set(waiting.map(({ uri, sendTo }) => sendTo ?? uri));
  }

  /** Forwards the request for the first time; false when no target can be reached, then nothing has been sent. */
  start(): boolean {
    this.launch();
    if (this.branches.size === 0) return false;
    this.server.once('cancel', this.cancel);
    this.server.once('terminated', this.serverGone);
    return true;
  }

  /** Stops all timers; the transactions are their layer's matter. */
  close(): void {
    for (const branch of this.branches) branch.clear();
  }

  provisional(response: SipMessage): void {
    if (this.server.isOpen && !this.finished) this.forward(withoutTopVia(response));
  }

  success(branch: Branch, response: SipMessage): void {
    this.searching = false;
    this.waiting = [];
    this.release();
    // A forked request but INVITE may succeed twice; its caller wants one answer.
    if (this.server.isOpen || this.server.method === 'INVITE') this.forward(withoutTopVia(response));
    if (!this.finished) this.observer.response(response, branch.client.destination);
    this.finish();
    for (const other of this.branches) if (!other.isOver) other.cancel();
  }

  failed(branch: Branch, status: number, response: SipMessage | undefined): void {
    if (response && !this.finished) this.observer.response(response, branch.client.destination);
    const kept = response && status < 400 ? this.followed(response) : response;
    if (kept || !response) this.failures.push({ status, response: kept });
    if (status >= 600) {
      // §16.7 step 5: nobody else shall be asked; the 6xx goes on when all have answered their CANCEL.
      this.stopSearching();
      for (const other of this.branches) if (!other.isOver) other.cancel();
    }
    this.proceed();
  }

  gone(branch: Branch): void {
    this.branches.delete(branch);
    if (this.branches.size === 0 && (this.finished || !this.server.isOpen)) this.ended(this);
  }

  /** RFC 3261 §16.10: the branches' own ends, usually 487, end the request. */
  private readonly cancel = (cancel: SipMessage): void => {
    this.cancelled = true;
    this.stopSearching();
    // RFC 3326: why the caller gives up tells phones whether the call was missed.
    const reasons = cancel.getAll('Reason').map((value) => ['Reason', value] as const);
    for (const branch of this.branches) if (!branch.isOver) branch.cancel(reasons);
    this.proceed();
  };

  /** Nobody is left to answer. */
  private readonly serverGone = (): void => {
    if (this.finished) return;
    this.stopSearching();
    for (const branch of this.branches) if (!branch.isOver) branch.cancel();
    this.finish();
  };

  private stopSearching(): void {
    this.searching = false;
    this.waiting = [];
  }

  /** Asks the next target or all of them; answers the caller when nobody is left. */
  private proceed(): void {
    if (this.finished) return;
    if (this.searching) this.launch();
    for (const branch of this.branches) if (!branch.isOver) return;
    this.answer();
  }

  /** All targets at once share what the request may be forked to (RFC 5393 §5.3.3); those beyond it wait. */
  private launch(): void {
    const { simultaneous } = this.rules;
    let free = this.breadth;
    for (const branch of this.branches) if (!branch.isOver) free -= branch.breadth;
    if (!simultaneous && free < this.breadth) return;
    while (this.waiting.length > 0 && free > 0) {
      const share = simultaneous ? Math.max(1, Math.floor(free / this.waiting.length)) : free;
      if (this.open(this.waiting.shift()!, share)) free -= share;
    }
  }

  private open(target: Target, breadth: number): boolean {
    const { layer, loopKey, times, simultaneous } = this.rules;
    const forwarded = forwardedRequest(this.prepared, this.server.source, target, this.rules);
    if (!forwarded) {
      // §16.9: as if it had answered 503.
      this.failures.push({ status: 503, response: undefined });
      return false;
    }
    const { request, destination } = forwarded;
    if (simultaneous || request.has('Max-Breadth')) request.set('Max-Breadth', breadth);
    const client = layer.sendRequest(request, { destination, branchSuffix: loopKey });
    this.branches.add(new Branch(client, breadth, times, this));
    return true;
  }

  /**
   * §16.7 step 4: adds the contacts of a 3xx to the targets. Returns the response with the contacts that the caller has to
   * try itself, undefined when there are none.
   */
  private followed(response: SipMessage): SipMessage | undefined {
    if (!this.rules.followRedirects || !this.searching) return response;
    const contacts = response.getList('Contact');
    const left: string[] = [];
    const added: Target[] = [];
    for (const contact of contacts.toSorted((a, b) => weightOf(b) - weightOf(a))) {
      const uri = requestUriOf(parseNameAddr(contact)?.uri ?? '');
      const isSafe = !/^sips:/i.test(this.prepared.uri) || /^sips:/i.test(uri);
      if (!endpointOfUri(uri) || !isSafe || this.known.size >= MAX_DESTINATIONS) left.push(contact);
      else if (!this.known.has(uri)) {
        this.known.add(uri);
        added.push({ uri });
      }
    }
    this.waiting.unshift(...added);
    if (left.length === contacts.length) return response;
    if (left.length === 0) return undefined;
    const copy = response.clone();
    setList(copy, 'Contact', left);
    return copy;
  }

  private answer(): void {
    const { server, failures } = this;
    const best = bestOf(failures, this.cancelled);
    const status = best?.status ?? (this.cancelled ? 487 : 408);
    this.release();
    if (server.isOpen) {
      if (status === 408 && server.method !== 'INVITE') {
        // RFC 4320 §4.2: the caller has given up before this could reach it.
        this.finish();
        server.destroy();
        return;
      }
      // §16.7 step 6: 503 would say that this server takes no calls.
      if (best?.response && status !== 503) this.forward(forwardedFailure(best.response, failures));
      if (server.isOpen) server.reply(this.cancelled && !best?.response ? 487 : status === 503 ? 500 : status);
    }
    this.finish();
  }

  private forward(response: SipMessage | undefined): void {
    if (!response) return;
    try {
      this.server.forward(response);
    } catch (err) {
      // Answered in the meantime.
      if (!(err instanceof SipStateError)) throw err;
    }
  }

  /** Before the final answer: nobody waits for the end of a transaction that only lingers then. */
  private release(): void {
    this.server.off('cancel', this.cancel);
    this.server.off('terminated', this.serverGone);
  }

  private finish(): void {
    if (this.finished) return;
    this.finished = true;
    this.release();
    this.observer.done();
    if (this.branches.size === 0) this.ended(this);
  }
}

/** The `q` of a Contact; 1 without. */
function weightOf(contact: string): number {
  const q = Number(parseNameAddr(contact)?.params.get('q') ?? 1);
  return Number.isFinite(q) ? q : 1;
}
