import { randomUUID } from 'node:crypto';
import type { Application, Hook } from '../app-client/application.js';
import type { CommandTaker, LegCommands } from '../control/command-desk.js';
import type { CommandResult, SessionCommand } from '../control/commands.js';
import { CallGoneError } from '../errors.js';
import { CallInfo } from './call-info.js';
import type { CallLedger } from './call-ledger.js';
import type { CallEvent } from './call-status.js';
import type { DialOutcome } from './dialler.js';
import type { Journal } from './journal.js';
import { StatusNotifier } from './status-notifier.js';

/** What the legs that a call has placed need of it. */
export interface ChildCallsOptions {
  application: Application;
  /** Of the call that places them. */
  info: CallInfo;
  commands: CommandTaker;
  /** Where its call-status hooks go now. */
  statusHook(): Hook | undefined;
  ledger: Pick<CallLedger, 'put' | 'remove' | 'isReported'>;
  /** The journal of a leg. */
  journalOf(callSid: string): Journal;
}

/** Whom a leg calls, and in whose name. */
export interface ChildFacts {
  to: string;
  from: string;
  callerName: string;
  /** `customer_data` of its hooks. */
  tag?: Record<string, unknown>;
}

/** The legs that a call has placed, as calls of their own: each with its status hooks, its entry in the ledger, and its commands. */
export class ChildCalls {
  readonly #own = new Set<ChildCall>();

  constructor(private readonly options: ChildCallsOptions) {}

  /** A leg that is about to be placed; it is told of as `trying`. */
  make(facts: ChildFacts): ChildCall {
    const child = new ChildCall(facts, this.options);
    this.#own.add(child);
    void child.settled.then(() => this.#own.delete(child));
    return child;
  }

  /** The call need not wait for the end of a leg that somebody else ends. */
  release(child: ChildCall): void {
    this.#own.delete(child);
  }

  /** Resolves when the last status hooks of the legs that the call ends are sent. */
  async settled(): Promise<void> {
    await Promise.all([...this.#own].map((child) => child.settled));
  }
}

/**
 * One leg that a call has placed: where it stands, and who is told of it. It outlives the call that placed it where it is handed over (a transfer).
 */
export class ChildCall {
  readonly callSid = randomUUID();
  /** Call-ID of its INVITE. */
  readonly callId = randomUUID();
  readonly info: CallInfo;
  readonly journal: Journal;
  /** What can be done to this leg alone. */
  readonly commands: LegCommands;
  /** Resolves when its last status hook is sent, or it has become a call of its own. */
  readonly settled: Promise<void>;
  readonly #status: StatusNotifier;
  #tellSettled: () => void = () => {};
  #isGivenAway = false;

  constructor(
    { to, from, callerName, tag }: ChildFacts,
    private readonly options: ChildCallsOptions,
  ) {
    const { application, info: parent, ledger, statusHook } = options;
    const { facts } = parent;
    this.settled = new Promise((resolve) => {
      this.#tellSettled = resolve;
    });
    this.journal = options.journalOf(this.callSid);
    this.info = new CallInfo({
      callSid: this.callSid,
      parentCallSid: facts.callSid,
      callerId: callerName || from,
      direction: 'outbound',
      from,
      to,
      callId: this.callId,
      accountSid: facts.accountSid,
      serviceProviderSid: facts.serviceProviderSid,
      applicationSid: facts.applicationSid,
      traceId: facts.traceId,
      callerName,
      fsSipAddress: facts.fsSipAddress,
      ...(facts.sipRealm !== undefined && { sipRealm: facts.sipRealm }),
      ...(facts.fsPublicIp !== undefined && { fsPublicIp: facts.fsPublicIp }),
      ...(facts.apiBaseUrl !== undefined && { apiBaseUrl: facts.apiBaseUrl }),
    });
    if (tag) this.info.customerData = tag;
    this.commands = options.commands.leg(this.callSid);
    this.commands.on('tag', ({ data }) => {
      this.info.customerData = data;
      return { ok: true };
    });
    this.#status = new StatusNotifier(application, this.info, statusHook(), () => ledger.isReported(this.callSid));
    this.#report();
  }

  /** Keeps back what its far end says, or lets it through. Set by who has the leg. */
  mute: (isMuted: boolean) => Promise<void> = () => Promise.reject(new CallGoneError('the leg is not answered'));

  get accountSid(): string {
    return this.info.facts.accountSid;
  }

  /** Does something to the leg from outside, where the call that has placed it is over; never rejects. */
  async execute(command: SessionCommand): Promise<CommandResult> {
    if (this.info.isOver) return { ok: false, because: 'wrong state', reason: 'the call is over' };
    return this.commands.execute(command);
  }

  /** Tells its status once more, with something beside it. */
  report(extra: Record<string, unknown>): void {
    this.#status.report(extra);
  }

  /** A provisional response. */
  progress(status: number, sdp: string): void {
    if (sdp !== '') this.#apply({ type: 'earlyMedia' });
    else if (status === 180) this.#apply({ type: 'ringing' });
  }

  answered(outcome: Extract<DialOutcome, { ok: true }>): void {
    this.info.connected(outcome);
    this.#apply({ type: 'answered' });
  }

  /** It was not answered (compat 2.5). */
  refused({ status: sipStatus, reason: sipReason, reasonHeader }: Extract<DialOutcome, { ok: false }>): void {
    if (!this.info.isOver) this.info.reasonHeader = reasonHeader;
    if (sipStatus === 487) this.#apply({ type: 'abandoned' });
    else if (sipStatus === 486 || sipStatus === 600) this.#apply({ type: 'farEndBusy', sipStatus, sipReason });
    else this.#apply({ type: 'refused', sipStatus, sipReason });
  }

  /** The answered leg is over. `by`: jambonz' words, `caller` is the far end. */
  ended(by: 'caller' | 'jambonz', headers?: Record<string, string>, reasonHeader?: string): void {
    if (this.info.isOver) return;
    this.info.reasonHeader = reasonHeader;
    this.info.setTermination(by, headers);
    this.#apply({ type: 'ended' });
  }

  /** The platform has lost it. */
  lost(): void {
    if (this.info.isOver) return;
    this.info.setTermination('jambonz');
    this.#apply({ type: 'lost' });
  }

  /**
   * The leg becomes a call of its own, which tells its further statuses: after what this one has queued.
   * @returns resolves when that is sent
   */
  giveAway(): Promise<void> {
    this.#isGivenAway = true;
    this.commands.close();
    this.#tellSettled();
    return this.#status.flush();
  }

  #apply(event: CallEvent): void {
    if (!this.#isGivenAway && this.info.apply(event)) this.#report();
  }

  #report(): void {
    const { ledger, statusHook } = this.options;
    const hook = statusHook();
    if (hook) this.#status.target = hook;
    this.#status.report();
    if (!this.info.isOver) {
      this.#write(hook);
      return;
    }
    this.commands.close();
    void this.#status.flush().then(() => {
      ledger.remove(this.callSid);
      this.#tellSettled();
    });
  }

  #write(hook: Hook | undefined): void {
    const { info, options } = this;
    options.ledger.put({
      callSid: this.callSid,
      accountSid: info.facts.accountSid,
      applicationSid: info.facts.applicationSid,
      baseUrl: options.application.baseUrl,
      payload: info.commonPayload(),
      ...(hook && { statusHook: { url: hook.url, ...(hook.method && { method: hook.method }) } }),
      ...(info.answeredAt !== undefined && { answeredAt: info.answeredAt }),
    });
  }
}
