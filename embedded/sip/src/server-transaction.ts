import { EventEmitter } from 'node:events';
import type { TableContext } from './client-tables.js';
import type { SipCounters } from './counters.js';
import { SipStateError, TransactionTimeoutError } from './errors.js';
import { newTag } from './ids.js';
import type { SipMessage } from './message.js';
import { createResponse } from './response.js';
import { type ServerEvent, type ServerState, type ServerTimer, stepServer } from './server-tables.js';
import type { SourceHandle } from './source-limits.js';
import type { SipClock, SipTimers } from './timers.js';
import { TransactionTimers } from './transaction-timers.js';
import { type Endpoint, isReliable, type MessageSource } from './transport.js';

/** What a transaction needs of its layer. */
export interface ServerHost {
  timers: SipTimers;
  clock: SipClock;
  counters: SipCounters;
  transmitResponse(bytes: Buffer, transaction: ServerTransaction, done: (error?: Error) => void): void;
  /** A 2xx to an INVITE went out: its ACK has its own branch and is found by dialog and CSeq. */
  awaitAck(transaction: ServerTransaction, response: SipMessage): void;
  /**
   * Takes over what is left of a transaction that has nothing more to tell: repeats of its request are answered with
   * `answer`, or absorbed without it, for `lingerMs`.
   */
  retire(transaction: ServerTransaction, answer: Buffer | undefined, lingerMs: number): void;
  /** A response but 100 is given. */
  answered(transaction: ServerTransaction, status: number): void;
  serverEnded(transaction: ServerTransaction): void;
  listenerFailed(error: unknown): void;
}

/** Events of {@link ServerTransaction}. */
export interface ServerTransactionEvents {
  /** The ACK of a 2xx came, once (repeats are absorbed). ACKs of failure responses stay inside. */
  ack: [SipMessage];
  /** A CANCEL for this INVITE came in time; it has been answered with 200. The user answers the INVITE, usually 487. */
  cancel: [SipMessage];
  /** A final response is given; it is about to be sent. */
  answered: [SipMessage];
  /** No ACK came for 64*T1: of a failure response (timer H), or of a 2xx (timer '2xx'). */
  timeout: [TransactionTimeoutError];
  transportError: [Error];
  /** The transaction is gone; comes last, exactly once, to who listens when the request is answered (a 2xx of an INVITE: acknowledged). */
  terminated: [];
}

/** The core's own timers for a 2xx to an INVITE (RFC 3261 §13.3.1.4). */
type SuccessTimer = 'resend' | 'giveUp';

/** A server transaction: runs the tables of RFC 3261 §17.2, and resends a 2xx to an INVITE until its ACK (§13.3.1.4). */
export class ServerTransaction extends EventEmitter<ServerTransactionEvents> {
  private readonly timers: TransactionTimers<ServerTimer | SuccessTimer>;
  private readonly context: TableContext;
  private current: ServerState;
  private lastBytes: Buffer | undefined;
  private ackSeen = false;
  private forwarded = false;
  /** A 2xx to an INVITE was sent whose ACK has neither come nor been given up. */
  private awaitsAck = false;
  /** The final response, undefined before it. */
  finalResponse: SipMessage | undefined;
  /** @internal Where responses go. */
  responseTo: Endpoint;
  /** @internal What the ACK of a 2xx is found by. */
  ackKey: string | undefined;
  /** When a 2xx to an INVITE was sent. */
  private acceptedAtMs = 0;
  /** The To tag of every response made with {@link makeResponse}; may be replaced before the first response. */
  localTag = newTag();

  /** @internal The source in whose account it waits for an answer. */
  openAt: SourceHandle | undefined;

  /** @internal */
  constructor(
    private readonly host: ServerHost,
    readonly key: string,
    readonly request: SipMessage,
    readonly source: MessageSource,
  ) {
    super();
    this.current = request.method === 'INVITE' ? 'proceeding' : 'trying';
    this.context = { timers: host.timers, reliable: isReliable(source.transport) };
    this.responseTo = source;
    this.timers = new TransactionTimers(host.clock, (timer, afterMs) => {
      if (timer === 'resend' || timer === 'giveUp') {
        this.successTimer(timer, afterMs);
        return;
      }
      // Of two timers that a busy process is late for, the longer one may come first.
      if (timer === 'L' && this.awaitsAck) this.successTimer('giveUp', afterMs);
      this.input({ type: `timer${timer}`, afterMs });
    });
  }

  get state(): ServerState {
    return this.current;
  }

  get method(): string {
    return this.request.method;
  }

  /** Whether a final response may still be sent. */
  get isOpen(): boolean {
    return this.current === 'trying' || this.current === 'proceeding';
  }

  /** Whether its final response is another element's, given to {@link forward}. */
  get isForwarded(): boolean {
    return this.forwarded;
  }

  /** Whether the ACK of a 2xx has come. */
  get acknowledged(): boolean {
    return this.ackSeen;
  }

  /** A response with this transaction's To tag, to be filled and given to {@link respond}. */
  makeResponse(status: number, reason?: string): SipMessage {
    return createResponse(this.request, status, reason, this.localTag);
  }

  /**
   * Sends a response. A 2xx to an INVITE is resent until its ACK comes or 64*T1 have passed.
   * @throws SipStateError when a final response has been sent already or the transaction is gone
   */
  respond(response: SipMessage): void {
    if (!this.isOpen) throw new SipStateError(`${this.method} has been answered`);
    const { status } = response;
    if (status >= 200) {
      this.finalResponse = response;
      this.tell(() => this.emit('answered', response));
    }
    if (status > 100) this.host.answered(this, status);
    if (status < 200) this.input({ type: 'respondProvisional', response });
    else if (status < 300) {
      this.input({ type: 'respondSuccess', response });
      if (this.method === 'INVITE') this.startSuccessResends(response);
    } else this.input({ type: 'respondFailure', response });
  }

  /**
   * Sends another element's response, for a proxy (RFC 3261 §16.7): a 2xx to an INVITE is neither resent nor waits for
   * an ACK here, since both are matters of the endpoints, and may follow any other final response.
   */
  forward(response: SipMessage): void {
    const { status } = response;
    if (!this.isOpen && !(this.method === 'INVITE' && status >= 200 && status < 300)) {
      throw new SipStateError(`${this.method} has been answered`);
    }
    if (this.isOpen && status >= 200) {
      this.forwarded = true;
      this.finalResponse = response;
      this.tell(() => this.emit('answered', response));
    }
    if (this.isOpen && status > 100) this.host.answered(this, status);
    if (status < 200) this.input({ type: 'respondProvisional', response });
    else if (status >= 300) this.input({ type: 'respondFailure', response });
    else if (this.isOpen || this.current === 'accepted') this.input({ type: 'respondSuccess', response });
    else {
      this.host.counters.responsesSent++;
      // §16.7 step 9: the transaction is over, the 2xx still has to reach the caller.
      this.host.transmitResponse(response.toBuffer(), this, () => {});
    }
  }

  /** Makes and sends a response without body. @throws SipStateError as {@link respond} */
  reply(status: number, reason?: string): void {
    this.respond(this.makeResponse(status, reason));
  }

  /** @internal */
  receiveAgain(): void {
    this.input({ type: 'retransmission' });
  }

  /** @internal */
  receiveAck(ack: SipMessage): void {
    this.input({ type: 'ack', request: ack });
  }

  /** @internal */
  receiveCancel(cancel: SipMessage): void {
    if (this.isOpen) this.tell(() => this.emit('cancel', cancel));
  }

  /** @internal Ends at once without events but 'terminated'. */
  destroy(): void {
    this.finish();
  }

  private input(event: ServerEvent): void {
    if (this.current === 'terminated') return;
    const step = stepServer(this.method === 'INVITE', this.current, event, this.context);
    if (step.ignored) {
      this.host.counters.ignoredEvents++;
      return;
    }
    this.current = step.state;
    for (const effect of step.effects) {
      switch (effect.do) {
        case 'send':
          this.lastBytes = effect.response.toBuffer();
          this.host.counters.responsesSent++;
          this.transmit(this.lastBytes);
          break;
        case 'resend':
          this.resend();
          break;
        case 'absorb':
          this.host.counters.countRepeat('received', this.source.transport);
          break;
        case 'arm':
          if (effect.timer === 'J' && this.mayRetire(effect.ms)) this.host.retire(this, this.lastBytes, effect.ms);
          else this.timers.arm(effect.timer, effect.ms);
          break;
        case 'disarm':
          this.timers.disarm(effect.timer);
          break;
        case 'passUpAck':
          this.passUpAck(effect.request);
          break;
        case 'timeout':
          this.timedOut(effect.timer);
          break;
        case 'transportError':
          this.tell(() => this.emit('transportError', effect.cause));
          break;
      }
    }
    if (this.state === 'terminated') this.finish();
  }

  private passUpAck(ack: SipMessage): void {
    if (this.ackSeen) {
      this.host.counters.countRepeat('received', this.source.transport);
      return;
    }
    this.ackSeen = true;
    this.awaitsAck = false;
    this.timers.disarm('resend');
    this.timers.disarm('giveUp');
    this.tell(() => this.emit('ack', ack));
    const lingerMs = this.acceptedAtMs + this.host.timers.L - this.host.clock.nowMs;
    if (this.current !== 'accepted' || !this.mayRetire(lingerMs)) return;
    this.timers.clear();
    this.host.retire(this, undefined, lingerMs);
  }

  /** Whether nobody waits for the end of a transaction that only lingers. */
  private mayRetire(lingerMs: number): boolean {
    return lingerMs > 0 && this.listenerCount('terminated') === 0;
  }

  private startSuccessResends(response: SipMessage): void {
    this.host.awaitAck(this, response);
    this.awaitsAck = true;
    this.acceptedAtMs = this.host.clock.nowMs;
    this.timers.arm('resend', this.host.timers.T1);
    // One tick before timer L so that the missing ACK is told while the transaction still exists.
    this.timers.arm('giveUp', Math.max(0, Math.min(64 * this.host.timers.T1, this.host.timers.L) - 1));
  }

  private successTimer(timer: SuccessTimer, afterMs: number): void {
    if (timer === 'resend') {
      this.resend();
      this.timers.arm('resend', Math.min(2 * afterMs, this.host.timers.T2));
    } else {
      this.timers.disarm('resend');
      this.awaitsAck = false;
      this.timedOut('2xx');
    }
  }

  private timedOut(timer: string): void {
    this.host.counters.timeouts++;
    this.tell(() => this.emit('timeout', new TransactionTimeoutError(timer, this.method)));
  }

  private resend(): void {
    if (!this.lastBytes) return;
    this.host.counters.countRepeat('sent', this.source.transport);
    this.transmit(this.lastBytes);
  }

  private transmit(bytes: Buffer): void {
    this.host.transmitResponse(bytes, this, (error) => {
      if (error) this.input({ type: 'transportError', cause: error });
    });
  }

  private finish(): void {
    this.timers.clear();
    this.current = 'terminated';
    this.host.serverEnded(this);
    this.tell(() => this.emit('terminated'));
    this.removeAllListeners();
  }

  private tell(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      this.host.listenerFailed(error);
    }
  }
}
