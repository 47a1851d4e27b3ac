import type { VerbSpec } from '@ringwire/verb-specs';
import type { ApplicationEnd, Hook } from '../app-client/application.js';
import type { CommandResult, SessionCommand } from '../control/commands.js';
import { CallGoneError } from '../errors.js';
import { headerValue, reasonPhrase } from '../sip/header-value.js';
import type { CallControl, TransferHandler, TransferOptions, VerbNeed } from '../verbs/verb.js';
import { adultVerbs } from './adulting.js';
import type { LegEnd } from './call-leg.js';
import type { CallEvent } from './call-status.js';
import { callerReason, isReportedHookFailure } from './caller-reason.js';
import { muteFarEnd, takeUp } from './dialled-party.js';
import type { DialOutcome } from './dialler.js';
import { loadFallbackVerbs, loadFirstVerbs } from './first-verbs.js';
import type { Journal } from './journal.js';
import { TAKEN_WITHIN_MS } from './moved-calls.js';
import type { ResumedCall } from './session-move.js';
import type { CallSessionOptions } from './session-options.js';
import { SessionParts } from './session-parts.js';
import { takeRefers } from './transfer-target.js';

/** What the caller hears when the operator prefers an apology to a refusal. */
const APOLOGY: VerbSpec[] = [
  { verb: 'say', text: 'We are sorry, an application error has occurred. Goodbye.' },
  { verb: 'hangup' },
];
/** jambonz's answer to a call whose application cannot be had. */
const NO_APPLICATION_STATUS = 480;

/** One call, inbound or placed on order: from its INVITE to its last call-status hook. */
export class CallSession implements CallControl {
  readonly callSid: string;
  readonly #over = new AbortController();
  readonly #parts: SessionParts;
  readonly #startedAt = Date.now();
  #releasing: Promise<void>[] = [];
  /** Set once the leg is being answered, whoever asked first: a second final response would end it. */
  #answering: Promise<void> | undefined;
  #timeLimit: NodeJS.Timeout | undefined;
  #endsAt: number | undefined;
  #refusal: number | undefined;
  /** Another feature server has the call; nothing more is to be told of it here. */
  #isAway = false;

  constructor(private readonly options: CallSessionOptions) {
    this.callSid = options.info.facts.callSid;
    this.#parts = new SessionParts(options, {
      call: this,
      over: this.#over.signal,
      isOver: () => this.isOver,
      isAway: () => this.#isAway,
      execute: (command, callSid) => this.execute(command, callSid),
      ensure: (need, prepare) => this.#ensure(need, prepare),
      onHookFailure: () => this.#onHookFailure(),
      endsAt: () => this.#endsAt,
      adult: (leg) => new CallSession(leg),
    });
    options.application.onEnd((end) => this.#onApplicationEnd(end));
    options.leg.onEnd((end) => this.#onLegEnd(end));
  }

  get isAnswered(): boolean {
    return this.options.leg.isAnswered;
  }

  get isOver(): boolean {
    return this.options.info.isOver || this.#isAway;
  }

  facts(): Readonly<Record<string, unknown>> {
    return this.options.info.commonPayload();
  }

  onTransfer(handler: TransferHandler | undefined, options: TransferOptions = {}): void {
    const { info, journal, isUser = () => false } = this.options;
    const transferor = () => ({ user: info.facts.authenticatedUser, mayCallUsers: info.facts.mayCallUsers ?? false });
    const note = (text: string): void => journal.timeline.info('sip', text);
    this.#parts.dialog.onRefer(handler && takeRefers({ who: 'caller', transferor, isUser, note }, handler, options));
  }

  /** Runs the call. Resolves when nothing of it is left and its last status hook is sent; never rejects. */
  async run(): Promise<void> {
    const { policy, journal, resumed, adulthood, info } = this.options;
    if (adulthood) this.#writeLedger();
    else if (!resumed) this.#reportStatus();
    // Media is needed by nearly every application; making it beside the hook takes it out of the caller's waiting time.
    this.#parts.media
      .allocate()
      .catch((err: unknown) => journal.log.debug({ err }, 'media endpoint is not to be had yet'));
    const ageMs = resumed && info.answeredAt !== undefined ? Date.now() - info.answeredAt : 0;
    const limit = setTimeout(
      () => {
        void this.execute({ command: 'hangup', reason: 'the call reached its longest duration' });
      },
      Math.max(0, policy.maxCallDurationMs - ageMs),
    );
    try {
      // Before anybody finds the call here: what commands make of its verbs meanwhile stays.
      if (resumed) this.#parts.runner.replace(resumed.verbs, { stopCurrent: false });
      if (resumed && !(await this.#resume(resumed))) return;
      if (!(await this.#connect())) return;
      if (resumed) await this.#continue(resumed);
      else {
        await this.#configure();
        this.#parts.runner.replace(await this.#firstVerbs(), { stopCurrent: false });
      }
      await this.#parts.runner.run();
      if (!this.#over.signal.aborted) this.#noVerbsLeft();
    } catch (error) {
      if (!this.#over.signal.aborted) this.#fail(error);
    } finally {
      clearTimeout(limit);
      clearTimeout(this.#timeLimit);
      await this.#close();
    }
  }

  /** Does something to the call, or to the leg of it with `callSid`, from outside its verbs; never rejects. */
  async execute(command: SessionCommand, callSid = this.callSid): Promise<CommandResult> {
    if (this.isOver) return { ok: false, because: 'wrong state', reason: 'the call is over' };
    if (this.#parts.mover.isGiving && command.command !== 'hangup')
      return { ok: false, because: 'wrong state', reason: 'the call is just moving to another feature server' };
    return this.#parts.desk.execute(command, callSid === this.callSid ? undefined : callSid);
  }

  get accountSid(): string {
    return this.options.info.facts.accountSid;
  }

  get journal(): Journal {
    return this.options.journal;
  }

  /** Whether the call has this sid, or one of the legs that it has called. */
  has(callSid: string): boolean {
    return callSid === this.callSid || this.#parts.desk.hasLeg(callSid);
  }

  hangup(reason: string, headers: Record<string, string> = {}): void {
    const { leg, journal } = this.options;
    if (this.isOver) return;
    if (!leg.isAnswered) {
      this.decline(603, undefined, headers);
      return;
    }
    journal.timeline.info('sip', `BYE: ${reason}`);
    this.#releasing.push(leg.hangup(headers));
    this.#finish({ type: 'ended' }, 'jambonz');
  }

  decline(status: number, reason: string | undefined, headers: Record<string, string>): void {
    const { leg, journal } = this.options;
    if (this.isOver || leg.isAnswered) return;
    const shown = `${status} ${reason ?? ''}`.trim();
    journal.timeline.info('sip', headers['X-Reason'] ? `${shown} (${headers['X-Reason']})` : shown, { status });
    leg.reject(status, reason, headers);
    // Of a call that we place a refusal is a CANCEL, and 487 is how that ends.
    const isCancelled = status === 487 && this.options.outgoing !== undefined;
    const refused = { type: 'refused', sipStatus: status, sipReason: reason ?? reasonPhrase(status) } as const;
    this.#finish(isCancelled ? { type: 'abandoned' } : refused, 'jambonz');
  }

  setRefusal(status: number): void {
    this.#refusal = status;
  }

  #noVerbsLeft(): void {
    if (this.isAnswered || this.#refusal === undefined) this.hangup('no verbs left');
    else this.decline(this.#refusal, undefined, {});
  }

  ring(): void {
    const { leg, journal, info } = this.options;
    if (leg.isAnswered || info.progress.status !== 'trying') return;
    leg.ring();
    journal.timeline.info('sip', '180 Ringing');
    this.#apply({ type: 'ringing' });
  }

  earlyMedia(): Promise<void> {
    return this.#ensure('early-media', Promise.resolve());
  }

  answer(): Promise<void> {
    return this.#ensure('media', Promise.resolve());
  }

  async mute(isMuted: boolean): Promise<void> {
    await muteFarEnd(this.options.leg, this.#parts.media.endpoint(), isMuted);
  }

  redirect(verbs: readonly VerbSpec[]): void {
    this.#parts.runner.replace(verbs, { stopCurrent: true });
  }

  setCustomerData(data: Record<string, unknown>): void {
    this.options.info.customerData = data;
  }

  setStatusHook(hook: Hook): void {
    this.#parts.status.target = hook;
    this.#writeLedger();
  }

  /** Of a call that we place: lets it ring until it is answered. False when it is over with that. */
  async #connect(): Promise<boolean> {
    const { outgoing, info, journal } = this.options;
    if (!outgoing) return true;
    const endpoint = await this.#untilOver(this.#parts.media.allocate());
    const { leg, timeLimitMs } = outgoing;
    const outcome = await leg.connect(endpoint.localSdp, (status, sdp) => this.#onProgress(status, sdp));
    if (this.#over.signal.aborted) return false;
    if (!outcome.ok) {
      this.#onRefused(outcome);
      return false;
    }
    info.connected(outcome);
    journal.timeline.info('sip', '200 OK: the callee answered');
    this.#apply({ type: 'answered' });
    if (timeLimitMs !== undefined) this.#limitTo(timeLimitMs);
    await this.#untilOver(takeUp(endpoint, outcome));
    return true;
  }

  #limitTo(ms: number): void {
    const reason = 'the call reached its time limit';
    this.#endsAt = Date.now() + ms;
    this.#timeLimit = setTimeout(() => void this.execute({ command: 'hangup', reason }), Math.max(0, ms));
  }

  async move(sipAddress: string, spec: VerbSpec, carried?: Readonly<Record<string, unknown>>): Promise<boolean> {
    const isMoved = await this.#parts.mover.give(sipAddress, spec, carried);
    if (isMoved) this.#goAway();
    return isMoved;
  }

  /** Nothing more is told of the call, or done to it. */
  #goAway(): void {
    this.#isAway = true;
    this.#over.abort();
  }

  /** Takes the place of the feature server that had the call. False where it does not come to that; the call is not ours then. */
  async #resume(resumed: ResumedCall): Promise<boolean> {
    const prepare = async (): Promise<string> => (await this.#untilOver(this.#parts.media.allocate())).localSdp;
    const isOurs = await this.#parts.mover.take(resumed, {
      prepare,
      put: () => this.#writeLedger(),
      onLost: () => this.#lose(),
    });
    const end = this.#parts.mover.endOfTaken;
    if (!isOurs) this.#goAway();
    else if (end) {
      // Whoever hung up while it was taken over has ended our call: the other one tells nothing of it any more.
      this.#isAway = false;
      this.#onLegEnd(end);
      return false;
    } else if (resumed.endsAt !== undefined) this.#limitTo(resumed.endsAt - Date.now());
    return isOurs;
  }

  /** Somebody has told the end of a call that we took over and had gone on with. */
  #lose(): void {
    if (this.isOver) return;
    this.options.journal.timeline.error('call', 'the end of the call was told already, while Redis was silent');
    this.#releasing.push(this.options.leg.hangup({}));
    this.#goAway();
  }

  /** What went on beside the verbs goes on; a WebSocket application hears where the call is now. */
  async #continue({ continued = [] }: ResumedCall): Promise<void> {
    const { application, journal } = this.options;
    application.resume?.();
    for (const command of continued) {
      const result = await this.execute(command);
      if (!result.ok && !this.isOver)
        journal.timeline.error('call', `${command.command} was not begun again: ${result.reason}`, { command });
    }
  }

  async #configure(): Promise<void> {
    const { config: spec, journal } = this.options;
    if (!spec) return;
    const result = await this.execute({ command: 'config', spec });
    if (!result.ok) journal.timeline.error('call', `the call was not configured: ${result.reason}`);
  }

  #onProgress(status: number, sdp: string): void {
    const event: CallEvent | undefined =
      sdp !== '' ? { type: 'earlyMedia' } : status === 180 ? { type: 'ringing' } : undefined;
    this.options.journal.timeline.info('sip', `${status} from the callee`, { status, earlyMedia: sdp !== '' });
    if (event) this.#apply(event);
  }

  /** jambonz's words for a call on order that is not answered (compat 2.5). */
  #onRefused({ status, reason, reasonHeader }: Extract<DialOutcome, { ok: false }>): void {
    this.options.journal.timeline.warn('sip', `the call was not answered: ${status} ${reason}`, { status, reason });
    const failure = { sipStatus: status, sipReason: reason };
    this.options.info.reasonHeader = reasonHeader;
    if (status === 487) this.#apply({ type: 'abandoned' });
    else if (status === 486 || status === 600 || status === 603) this.#apply({ type: 'farEndBusy', ...failure });
    else this.#apply({ type: 'refused', ...failure });
    this.#over.abort();
  }

  #firstRequest() {
    const { sources, application, journal, info, defaults, initialExtras } = this.options;
    // Where jambonz' descriptions of it differ, by both names.
    const payload = {
      ...info.commonPayload(),
      ...info.initialPayload(),
      hasRecording: this.#parts.recorder.isWanted,
      defaults: defaults.payload(),
      ...initialExtras,
    };
    return { sources, application, payload, journal, signal: this.#over.signal };
  }

  async #firstVerbs(): Promise<VerbSpec[]> {
    const { journal, policy, adulthood, application, info } = this.options;
    try {
      if (adulthood) return await adultVerbs(adulthood, application, info, this.#over.signal);
      return await loadFirstVerbs(this.#firstRequest());
    } catch (error) {
      if (policy.hookFailureMode === 'decline' || this.#over.signal.aborted) throw error;
      journal.timeline.warn('hook', 'the caller hears an apology');
      return APOLOGY;
    }
  }

  /** The application hung up its socket, or lost it for good: what it has said is done; then its fallbacks are asked. */
  #onApplicationEnd(end: ApplicationEnd): void {
    if (end.how === 'closed') {
      // Whoever waits for more verbs waits in vain now.
      this.#parts.runner.append([]);
      return;
    }
    // Until it has answered the call does not end for want of verbs.
    this.#parts.runner.expect(this.#fallBack(end.reason));
  }

  async #fallBack(reason: string): Promise<void> {
    const { policy } = this.options;
    const verbs = await loadFallbackVerbs(this.#firstRequest()).catch(() => undefined);
    if (this.#over.signal.aborted) return;
    if (verbs) this.#parts.runner.replace(verbs, { stopCurrent: true });
    else if (policy.hookFailureMode === 'apology') this.#parts.runner.replace(APOLOGY, { stopCurrent: true });
    else await this.execute({ command: 'hangup', reason: `the application is lost: ${reason}` });
  }

  /** Makes media, and answers, as a verb needs it; speech is prepared meanwhile, so that sound follows the answer at once. */
  async #ensure(need: VerbNeed, prepare: Promise<void>): Promise<void> {
    if (need === 'nothing' || need === 'answered call' || need === 'unanswered call') return prepare;
    const [endpoint] = await this.#untilOver(Promise.all([this.#parts.media.allocate(), prepare]));
    const { leg, info, journal } = this.options;
    if (this.#answering) return this.#answering;
    if (leg.isAnswered) return;
    if (need === 'early-media') {
      if (info.progress.status === 'early-media') return;
      await leg.earlyMedia(endpoint.localSdp);
      journal.timeline.info('sip', '183 Session Progress');
      this.#apply({ type: 'earlyMedia' });
      return;
    }
    this.#answering = this.#answer(endpoint.localSdp);
    await this.#answering;
  }

  async #answer(sdp: string): Promise<void> {
    await this.options.leg.answer(sdp);
    this.options.journal.timeline.info('sip', '200 OK: answered');
    this.#apply({ type: 'answered' });
  }

  /** Waits for `work`, but not longer than the call lasts. */
  async #untilOver<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#over;
    let stop = (): void => {};
    const over = new Promise<never>((_, reject) => {
      stop = () => reject(new CallGoneError('the call is over'));
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([work, over]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #onLegEnd(end: LegEnd): void {
    const { journal, info } = this.options;
    if (this.isOver) return;
    if (this.#parts.mover.isAwayWith(end)) {
      this.#goAway();
      return;
    }
    if (end.how === 'cancelled') {
      journal.timeline.info('sip', 'CANCEL: the caller gave up');
      info.reasonHeader = end.reasonHeader;
      this.#finish({ type: 'abandoned' }, 'caller');
    } else if (end.how === 'bye') {
      journal.timeline.info('sip', `BYE: the ${info.facts.direction === 'outbound' ? 'callee' : 'caller'} hung up`, {
        headers: end.headers,
      });
      // It may overtake the news of the answer, without which no BYE comes.
      this.#apply({ type: 'answered' });
      info.reasonHeader = end.reasonHeader;
      this.#finish({ type: 'ended' }, 'caller', end.headers);
    } else {
      journal.timeline.error('sip', `the SIP server is lost: ${end.reason}`);
      this.#finish(
        this.isAnswered ? { type: 'lost' } : { type: 'refused', sipStatus: 503, sipReason: 'Service Unavailable' },
        'jambonz',
      );
    }
  }

  #onHookFailure(): void {
    if (this.options.policy.hookFailureMode === 'apology' && !this.#parts.runner.hasMore) {
      this.#parts.runner.replace(APOLOGY, { stopCurrent: false });
    }
  }

  /** The verbs cannot begin, or cannot go on. */
  #fail(error: unknown): void {
    const { journal } = this.options;
    const text = error instanceof Error ? error.message : String(error);
    journal.log.warn({ err: error }, 'call fails');
    if (!isReportedHookFailure(error)) journal.timeline.error('call', `the call cannot go on: ${text}`);
    if (this.isAnswered) {
      this.hangup(text);
      return;
    }
    const isMedia = error instanceof Error && 'code' in error && error.code === 'media/unavailable';
    this.decline(isMedia ? 503 : NO_APPLICATION_STATUS, undefined, {
      'X-Reason': headerValue(callerReason(error)),
    });
  }

  #apply(event: CallEvent): void {
    if (!this.options.info.apply(event)) return;
    this.#reportStatus();
    if (event.type === 'answered') void this.#parts.recorder.onAnswered();
  }

  #finish(event: CallEvent, by: 'caller' | 'jambonz', byeHeaders?: Record<string, string>): void {
    this.options.info.setTermination(by, byeHeaders);
    this.#apply(event);
    this.#over.abort();
  }

  #reportStatus(): void {
    this.#parts.status.report();
    if (!this.options.info.isOver) this.#writeLedger();
  }

  #writeLedger(): void {
    const { info, application, ledger } = this.options;
    const hook = this.#parts.status.target;
    ledger.put({
      callSid: this.callSid,
      accountSid: info.facts.accountSid,
      applicationSid: info.facts.applicationSid,
      baseUrl: application.baseUrl,
      payload: info.commonPayload(),
      ...(hook && { statusHook: { url: hook.url, ...(hook.method && { method: hook.method }) } }),
      ...(info.answeredAt !== undefined && { answeredAt: info.answeredAt }),
    });
  }

  async #close(): Promise<void> {
    const { application, ledger, journal, info, onReleased } = this.options;
    this.#over.abort();
    await this.#parts.background.close(this.#isAway);
    await Promise.allSettled([
      this.#parts.dial.close(),
      this.#parts.stream.end(),
      this.#parts.media.close(),
      this.#parts.speech.close(),
      ...this.#releasing,
    ]);
    onReleased?.();
    await this.#parts.status.flush();
    if (this.#isAway) {
      if (!(await ledger.isTaken(this.callSid, TAKEN_WITHIN_MS))) {
        info.apply({ type: 'lost' });
        this.#parts.status.report();
        await this.#parts.status.flush();
      }
    } else ledger.remove(this.callSid);
    await this.#parts.children.settled();
    await this.#parts.app.settled();
    application.close();
    const { status, sipStatus } = info.progress;
    const { answeredAt, facts } = info;
    const inviteToAnswerMs = answeredAt === undefined ? undefined : answeredAt - this.#startedAt;
    journal.log.info({ status, sipStatus, inviteToAnswerMs, accountSid: facts.accountSid }, 'call is over');
  }
}
