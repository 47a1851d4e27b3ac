import { EventEmitter } from 'node:events';
import {
  type ClientEvent,
  type ClientState,
  type ClientTimer,
  stepClient,
  type TableContext,
} from './client-tables.js';
import type { SipCounters } from './counters.js';
import { SipStateError, type SipTransportError, TransactionTimeoutError } from './errors.js';
import { SipMessage } from './message.js';
import type { SipClock, SipTimers } from './timers.js';
import { TransactionTimers } from './transaction-timers.js';
import { type Endpoint, isReliable } from './transport.js';
import { parseCSeq } from './via.js';

/** What a transaction needs of its layer. */
export interface ClientHost {
  timers: SipTimers;
  clock: SipClock;
  counters: SipCounters;
  /** @returns the connection that takes it; undefined without one */
  transmit(bytes: Buffer, to: Endpoint, done: (error?: Error) => void): number | undefined;
  /** The request of this transaction went out on a connection. */
  sentOn(transaction: ClientTransaction, connectionId: number): void;
  /** The transport did not take a request, or lost it. Comes before whatever follows from it. */
  transportFailed(transaction: ClientTransaction, cause: Error): void;
  /** Starts the CANCEL as a transaction of its own with the Via that it already has. */
  startCancel(cancel: SipMessage, destination: Endpoint): ClientTransaction;
  clientEnded(transaction: ClientTransaction): void;
  listenerFailed(error: unknown): void;
  /**
   * Moves a transaction on to the next address of its next hop (RFC 3263 §4.3); false when there is none.
   * @param refusal a response that the present address gave; it is acknowledged there, also when it is repeated
   */
  tryNext(transaction: ClientTransaction, refusal: SipMessage | undefined): boolean;
}

/** Events of {@link ClientTransaction}. */
export interface ClientTransactionEvents {
  /** Every provisional and final response but repeats; each 2xx to an INVITE comes up, also repeated ones (RFC 6026). */
  response: [SipMessage];
  /** Timer B or F: no (final) response. */
  timeout: [TransactionTimeoutError];
  transportError: [Error];
  /** The transaction is gone; comes last, exactly once. */
  terminated: [];
}

/** A client transaction: runs the tables of RFC 3261 §17.1 with real timers and sockets. Made by `sendRequest`. */
export class ClientTransaction extends EventEmitter<ClientTransactionEvents> {
  private readonly timers: TransactionTimers<ClientTimer>;
  private bytes: Buffer;
  private context: TableContext;
  private current: ClientState = 'initial';
  private cancelHeaders: ReadonlyArray<readonly [string, string]> | undefined;
  private cancelSent = false;
  /** The last final response, undefined before it. */
  finalResponse: SipMessage | undefined;
  /** @internal What every branch of this transaction ends in. */
  branchSuffix = '';
  /** @internal Further addresses of the next hop, in order. */
  alternatives: Endpoint[] = [];
  /** A provisional response but 100 has come up: the present address has the request. */
  private progressed = false;
  /** @internal The connection on which the request went out. */
  connectionId: number | undefined;

  /** @internal */
  constructor(
    private readonly host: ClientHost,
    private currentKey: string,
    readonly request: SipMessage,
    private currentDestination: Endpoint,
  ) {
    super();
    this.bytes = request.toBuffer();
    this.context = { timers: host.timers, reliable: isReliable(currentDestination.transport) };
    this.timers = new TransactionTimers(host.clock, (timer, afterMs) => this.input({ type: `timer${timer}`, afterMs }));
  }

  /** @internal */
  get key(): string {
    return this.currentKey;
  }

  /** Size of the request as it is sent. */
  get requestBytes(): number {
    return this.bytes.length;
  }

  /** Where the request goes: the address found for the next hop, another one after a failure there. */
  get destination(): Endpoint {
    return this.currentDestination;
  }

  get state(): ClientState {
    return this.current;
  }

  get method(): string {
    return this.request.method;
  }

  /** @internal */
  start(): void {
    this.input({ type: 'start' });
  }

  /** @internal Begins anew at another address, with the Via that the request has now. */
  restart(key: string, destination: Endpoint): void {
    this.timers.clear();
    this.currentKey = key;
    this.currentDestination = destination;
    this.bytes = this.request.toBuffer();
    this.context = { timers: this.host.timers, reliable: isReliable(destination.transport) };
    this.current = 'initial';
    this.start();
  }

  /** @internal Only to acknowledge a refusal, and its repetitions, for a transaction that went on elsewhere. */
  absorb(refusal: SipMessage): void {
    this.current = 'proceeding';
    this.receive(refusal);
  }

  /** @internal */
  receive(response: SipMessage): void {
    const { status } = response;
    if (status === 503 && this.mayMove() && this.host.tryNext(this, response)) return;
    if (status > 100) this.progressed = true;
    const type = status < 200 ? 'provisional' : status < 300 ? 'success' : 'failure';
    this.input({ type, response });
    if (type === 'provisional' && this.cancelHeaders && !this.cancelSent) this.sendCancel();
  }

  /**
   * Cancels an INVITE (RFC 3261 §9.1): the CANCEL goes out once a provisional response has come; nothing happens after a
   * final one. The INVITE's own end (487 or a late 200) still comes as 'response'.
   * @param headers extra headers of the CANCEL, for example Reason
   * @throws SipStateError when the request is no INVITE
   */
  cancel(headers: ReadonlyArray<readonly [string, string]> = []): void {
    if (this.method !== 'INVITE') throw new SipStateError(`${this.method} cannot be cancelled`);
    if (this.cancelHeaders || this.finalResponse || this.current === 'terminated') return;
    this.cancelHeaders = headers;
    if (this.current === 'proceeding') this.sendCancel();
  }

  /** @internal The connection on which the request went out is lost: nobody will answer on it (RFC 3261 §17.1.4). */
  connectionLost(cause: Error): void {
    if (this.finalResponse) return;
    this.host.counters.transportErrors++;
    this.input({ type: 'transportError', cause });
  }

  /** @internal Ends at once without events but 'terminated'. */
  destroy(): void {
    this.finish('terminated');
  }

  private sendCancel(): void {
    this.cancelSent = true;
    const cancel = requestLike(this.request, 'CANCEL');
    for (const [name, value] of this.cancelHeaders ?? []) cancel.set(name, value);
    this.input({ type: 'cancelSent' });
    this.host.startCancel(cancel, this.destination);
  }

  /** Whether another address may get the request: nobody has answered or given it up. */
  private mayMove(): boolean {
    return this.isWaiting && !this.progressed && !this.cancelHeaders && this.alternatives.length > 0;
  }

  private get isWaiting(): boolean {
    return this.current === 'calling' || this.current === 'trying' || this.current === 'proceeding';
  }

  private input(event: ClientEvent): void {
    const before = this.current;
    if (event.type === 'transportError' && this.isWaiting) this.host.transportFailed(this, event.cause);
    const failed = event.type === 'transportError' || event.type === 'timerB' || event.type === 'timerF';
    if (failed && this.mayMove() && this.host.tryNext(this, undefined)) return;
    const step = stepClient(this.method === 'INVITE', before, event, this.context);
    if (step.ignored) {
      this.host.counters.ignoredEvents++;
      return;
    }
    // The state is set before effects run: listeners may call back into this transaction.
    this.current = step.state;
    for (const effect of step.effects) {
      switch (effect.do) {
        case 'send':
          this.host.counters.requestsSent++;
          this.transmit();
          break;
        case 'resend':
          this.host.counters.countRepeat('sent', this.destination.transport);
          this.transmit();
          break;
        case 'ack':
          this.sendFailureAck(effect.response);
          break;
        case 'arm':
          this.timers.arm(effect.timer, effect.ms);
          break;
        case 'disarm':
          this.timers.disarm(effect.timer);
          break;
        case 'absorb':
          this.host.counters.countRepeat('received', this.destination.transport);
          break;
        case 'passUp':
          if (effect.response.status >= 200) this.finalResponse = effect.response;
          this.tell(() => this.emit('response', effect.response));
          break;
        case 'timeout':
          this.host.counters.timeouts++;
          this.tell(() => this.emit('timeout', new TransactionTimeoutError(effect.timer, this.method)));
          break;
        case 'transportError':
          this.tell(() => this.emit('transportError', effect.cause));
          break;
      }
    }
    if (this.current === 'terminated') this.finish(before);
  }

  private finish(before: ClientState): void {
    this.timers.clear();
    this.current = 'terminated';
    this.host.clientEnded(this);
    if (before !== 'terminated' || this.listenerCount('terminated') > 0) this.tell(() => this.emit('terminated'));
    this.removeAllListeners();
  }

  private transmit(): void {
    const { key } = this;
    const connectionId = this.host.transmit(this.bytes, this.destination, (error) => {
      // News of an address that was left means nothing.
      if (error && key === this.key) this.input({ type: 'transportError', cause: error as SipTransportError });
    });
    if (connectionId !== undefined) this.host.sentOn(this, connectionId);
  }

  /** RFC 3261 §17.1.1.3. */
  private sendFailureAck(response: SipMessage): void {
    const ack = requestLike(this.request, 'ACK');
    ack.set('To', response.get('To') ?? '');
    this.host.counters.requestsSent++;
    this.host.transmit(ack.toBuffer(), this.destination, (error) => {
      if (error) this.input({ type: 'transportError', cause: error });
    });
  }

  private tell(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      this.host.listenerFailed(error);
    }
  }
}

/** The CANCEL or non-2xx ACK of a request: same Request-URI, top Via, From, To, Call-ID, CSeq number and Route. */
function requestLike(request: SipMessage, method: string): SipMessage {
  const message = SipMessage.request(method, request.uri);
  message.add('Via', request.get('Via')!);
  for (const route of request.getAll('Route')) message.add('Route', route);
  message.add('Max-Forwards', '70');
  for (const name of ['From', 'To', 'Call-ID']) message.add(name, request.get(name) ?? '');
  message.add('CSeq', `${parseCSeq(request.get('CSeq') ?? '')?.seq ?? 1} ${method}`);
  return message;
}
