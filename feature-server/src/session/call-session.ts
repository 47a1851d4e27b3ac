import type { Account } from '@ringwire/common';
import type { ConfigSpec, VerbSpec } from '@ringwire/verb-specs';
import { AnsweringMachines } from '../amd/answering-machines.js';
import { VOICEMAIL_HINTS, type VoicemailHints } from '../amd/voicemail-hints.js';
import type { AddressGuard } from '../app-client/address-guard.js';
import type { Application, ApplicationEnd, Hook } from '../app-client/application.js';
import { toHttpUrl } from '../app-client/hook-url.js';
import { CommandDesk } from '../control/command-desk.js';
import type { CommandResult, SessionCommand } from '../control/commands.js';
import { obey } from '../control/obey.js';
import { CallGoneError } from '../errors.js';
import type { MediaServer } from '../media/media.js';
import { SessionRecorder } from '../recording/call-recorder.js';
import type { Recordings } from '../recording/recordings.js';
import type { CallRooms } from '../rooms/call-rooms.js';
import { headerValue, reasonPhrase } from '../sip/header-value.js';
import type { RecognitionService } from '../speech/recognition-service.js';
import type { SpeechService } from '../speech/speech-service.js';
import type { VerbRegistry } from '../verbs/registry.js';
import type {
  CallBots,
  CallControl,
  CallMessages,
  DialledParty,
  TransferHandler,
  TransferOptions,
  VerbContext,
  VerbNeed,
} from '../verbs/verb.js';
import { type Adulthood, adultOptions, adultVerbs, onlyEndpoint } from './adulting.js';
import { ApplicationWait } from './application-wait.js';
import { BackgroundTasks } from './background-tasks.js';
import { type PlaceCall, takeBaseCommands } from './base-commands.js';
import { SessionDialog } from './call-dialog.js';
import { SessionEvents } from './call-events.js';
import { SessionHearing } from './call-hearing.js';
import type { CallInfo } from './call-info.js';
import type { CallLedger } from './call-ledger.js';
import type { CallLeg, LegEnd } from './call-leg.js';
import { SessionSpeech } from './call-speech.js';
import type { CallEvent } from './call-status.js';
import { callerReason, isReportedHookFailure } from './caller-reason.js';
import { ChildCalls } from './child-calls.js';
import { muteFarEnd, type Party, takeUp, telephoneOf } from './dialled-party.js';
import type { DialCaller, Dialler, DialOutcome } from './dialler.js';
import { loadFallbackVerbs, loadFirstVerbs, type VerbSources } from './first-verbs.js';
import type { Journal } from './journal.js';
import { PlacedLegVerbs } from './leg-verbs.js';
import { TAKEN_WITHIN_MS } from './moved-calls.js';
import { NestedRunner } from './nested-runner.js';
import type { OutboundLeg } from './outbound-leg.js';
import { SessionApplication } from './session-application.js';
import type { SessionDefaults } from './session-defaults.js';
import { SessionDial } from './session-dial.js';
import { SessionMedia } from './session-media.js';
import { type CallMoves, type ResumedCall, SessionMove } from './session-move.js';
import { takeSoundCommands } from './sound-commands.js';
import { SpeechStream, takeStreamCommands } from './speech-stream.js';
import { StatusNotifier } from './status-notifier.js';
import type { Talks } from './talks.js';
import { takeRefers } from './transfer-target.js';
import { VerbRunner } from './verb-runner.js';

/** How sessions behave; the same for all calls of a process. */
export interface SessionPolicy {
  /** What a caller meets when the application's first hook fails: SIP 480, or a spoken apology. */
  hookFailureMode: 'decline' | 'apology';
  /** Calls longer than this are ended. */
  maxCallDurationMs: number;
  /** Whether `play` may name files of the media server's own disk. */
  allowFiles: boolean;
  /** What a list in the text of a `say` means. @defaultValue all */
  sayListMeans?: 'all' | 'one';
}

/** What a session is made of. */
export interface CallSessionOptions {
  leg: CallLeg;
  /** Of a call that we place: its leg, which is called before the application is asked. */
  outgoing?: {
    leg: OutboundLeg;
    /** How long it may last from the answer on. */
    timeLimitMs?: number;
  };
  /** What it is configured with when it is answered. */
  config?: Omit<ConfigSpec, 'verb'>;
  /** Places another call of the account. @throws HttpError */
  placeCall?: PlaceCall;
  info: CallInfo;
  journal: Journal;
  application: Application;
  sources: VerbSources;
  statusHook?: Hook;
  /** Of the first request: `sip`, `env_vars`. */
  initialExtras: Record<string, unknown>;
  defaults: SessionDefaults;
  /** Those of a leg that the call places, as its own were at first; missing: the call's. */
  makeDefaults?: () => SessionDefaults;
  mediaServer: MediaServer;
  speech: SpeechService;
  recognition: RecognitionService;
  dialler: Dialler;
  /** Of all sessions of the process. */
  talks: Talks;
  /** Whether the account has a user of this name; missing: it has none. */
  isUser?: (name: string) => boolean;
  messages: CallMessages;
  rooms: CallRooms;
  bots: CallBots;
  registry: VerbRegistry;
  guard: AddressGuard;
  /** Phrases of voicemail; missing: those that are built in. */
  voicemailHints?: VoicemailHints;
  ledger: Pick<CallLedger, 'put' | 'remove' | 'isReported' | 'takeOver' | 'isTaken'>;
  /** Of a call that another feature server has begun. */
  resumed?: ResumedCall;
  /** Keeps the call for the feature server that is to take it, and lets it be taken no more; missing: calls stay here. */
  moves?: CallMoves;
  policy: SessionPolicy;
  /** The journal of a leg that the call places, by its call sid; missing: the call's own. */
  journalOf?: (callSid: string) => Journal;
  onVerb?: (verb: string, outcome: string, ms: number) => void;
  /** Of a leg that another call has placed: how it goes on. */
  adulthood?: Adulthood;
  /** A leg that the call has placed becomes a call of its own, which is to be run. */
  onAdult?: (session: CallSession) => void;
  /** Two parties that the call has placed go on without it. */
  onHandedOver?: (one: DialledParty, other: DialledParty) => void;
  /** Where the call may be recorded; missing: nowhere. */
  recording?: { recordings: Recordings; account: Account; isAlways: boolean };
  /** The call holds no media and no SIP dialog any more; status hooks may still be under way. */
  onReleased?: () => void;
}

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
  readonly #media: SessionMedia;
  readonly #speech: SessionSpeech;
  readonly #stream: SpeechStream;
  readonly #dial: SessionDial;
  readonly #dialog: SessionDialog;
  readonly #children: ChildCalls;
  readonly #app: SessionApplication;
  readonly #status: StatusNotifier;
  readonly #runner: VerbRunner;
  readonly #desk = new CommandDesk();
  readonly #background = new BackgroundTasks();
  readonly #recorder: SessionRecorder;
  readonly #startedAt = Date.now();
  readonly #mover: SessionMove;
  #releasing: Promise<void>[] = [];
  #timeLimit: NodeJS.Timeout | undefined;
  #endsAt: number | undefined;
  #refusal: number | undefined;
  /** Another feature server has the call; nothing more is to be told of it here. */
  #isAway = false;

  constructor(private readonly options: CallSessionOptions) {
    const { leg, info, journal, application, defaults, guard } = options;
    this.callSid = info.facts.callSid;
    const isReported = (): Promise<boolean> => options.ledger.isReported(this.callSid);
    this.#status = new StatusNotifier(application, info, options.statusHook, isReported, options.adulthood?.told);
    this.#media = new SessionMedia({
      server: options.adulthood ? onlyEndpoint(options.adulthood.endpoint) : options.mediaServer,
      leg,
      journal,
      guard,
      callSid: this.callSid,
      allowFiles: options.policy.allowFiles,
      baseUrl: () => toHttpUrl(application.baseUrl),
      onReplaced: () => info.replaced(),
      onLost: (cause) => {
        const reason = `media server lost: ${cause}`;
        const Reason = `SIP;cause=503;text="${headerValue(reason).replace(/["\\]/g, "'")}"`;
        // The edge keeps the cause to itself, but passes X-Reason on.
        const headers = { Reason, 'X-Reason': 'media server lost' };
        void this.execute({ command: 'hangup', reason, headers, sipStatus: 503 });
      },
    });
    this.#speech = new SessionSpeech({
      service: options.speech,
      defaults,
      journal,
      resolveSource: (url) => this.#media.resolveSource(url),
      onError: (error) => application.send('jambonz:error', error),
      ...(options.policy.sayListMeans && { listMeans: options.policy.sayListMeans }),
      signal: this.#over.signal,
    });
    const wait = new ApplicationWait({
      defaults,
      journal,
      media: this.#media,
      nested: () => ctx.nested,
      replace: (verbs) => this.#runner.replace(verbs, { stopCurrent: true }),
      over: this.#over.signal,
    });
    this.#app = new SessionApplication({
      application,
      info,
      journal,
      wait,
      hasMore: () => this.#runner.hasMore,
      replace: (verbs, stopCurrent) => this.#runner.replace(verbs, { stopCurrent }),
      onFailure: () => this.#onHookFailure(),
      onLoop: (reason) => void this.execute({ command: 'hangup', reason }),
      reportInvalid: (reason) => this.#status.report({ error: 'invalid actionHook response', reason }),
    });
    this.#children = new ChildCalls({
      commands: this.#desk,
      application,
      info,
      statusHook: () => this.#status.target,
      ledger: options.ledger,
      journalOf: options.journalOf ?? (() => journal),
    });
    this.#dial = new SessionDial({
      children: this.#children,
      dialler: options.dialler,
      mediaServer: options.mediaServer,
      journal,
      caller: () => this.#asCaller(),
      media: this.#media,
      verbsOn: (party) => this.#verbsOn(party, ctx),
      bridge: (other) => this.#media.bridge(other),
      endpoint: () => this.#media.made,
      callSid: this.callSid,
      talks: options.talks,
      telephone: () => {
        const { accountSid, authenticatedUser: user, sbcCallid, outerTags } = info.facts;
        const dialog = { outerCallId: sbcCallid, ...(outerTags && { outerTags }) };
        return telephoneOf(accountSid, { ...(user !== undefined && { user }), ...dialog });
      },
      isUser: (name) => options.isUser?.(name) ?? false,
      onAdult: (leaving, start) => {
        journal.timeline.info('call', 'the callee goes on as a call of his own', { callSid: leaving.child.callSid });
        options.onAdult?.(new CallSession(adultOptions(options, leaving, start, this.#status.target)));
      },
      onHandedOver: (one, other) => options.onHandedOver?.(one, other),
    });
    this.#dialog = new SessionDialog({
      leg,
      callSid: this.callSid,
      app: this.#app,
      journal,
      signal: this.#over.signal,
    });
    this.#stream = new SpeechStream({
      app: this.#app,
      speech: this.#speech,
      defaults,
      journal,
      play: (sources, playing) => this.#media.playInTurn(sources, playing),
      onSpeech: () => void wait.end(),
    });
    this.#mover = new SessionMove({
      ...{
        leg,
        journal,
        callSid: this.callSid,
        ledger: options.ledger,
        moves: options.moves,
        resumed: options.resumed,
      },
      state: () => this.#state(),
      isOver: () => this.isOver,
    });
    const events = new SessionEvents(application, defaults);
    this.#recorder = new SessionRecorder({
      ...options.recording,
      journal,
      background: this.#background,
      tap: () => this.#media.endpoint().tap,
      tell: (hook, fields) => this.#app.tell(hook, fields),
      facts: () => this.facts(),
    });
    const hearing = new SessionHearing({
      service: options.recognition,
      defaults,
      journal,
      callSid: this.callSid,
      endpoint: () => this.#media.endpoint(),
    });
    const ctx: VerbContext = {
      call: this,
      recorder: this.#recorder,
      media: this.#media,
      app: this.#app,
      speech: this.#speech,
      hearing,
      machines: new AnsweringMachines({ hearing, journal, hints: options.voicemailHints ?? VOICEMAIL_HINTS }),
      stream: this.#stream,
      dial: this.#dial,
      dialog: this.#dialog,
      messages: options.messages,
      rooms: options.rooms,
      bots: options.bots,
      defaults,
      journal,
      commands: this.#desk,
      background: this.#background,
      events,
      queue: {
        hasMore: () => this.#runner.hasMore,
        interrupt: (keepAs) => this.#runner.interrupt(keepAs),
        expect: (work) => this.#runner.expect(work),
      },
      nested: new NestedRunner({
        ctx: () => ctx,
        registry: options.registry,
        ensure: (need, prepare) => this.#ensure(need, prepare),
      }),
    };
    this.#runner = new VerbRunner({
      ctx,
      registry: options.registry,
      signal: this.#over.signal,
      ensure: (need, prepare) => this.#ensure(need, prepare),
      onStatus: events.onStatus,
      staysOpen: () => application.staysOpen,
      onIdle: () => wait.beginIdle(),
      beforeVerb: () => wait.end(),
      ...(options.onVerb && { onVerb: options.onVerb }),
    });
    const { signal } = this.#over;
    takeBaseCommands(this.#desk, {
      call: this,
      runner: this.#runner,
      journal,
      ctx,
      signal,
      ...(options.placeCall && { placeCall: options.placeCall }),
    });
    takeSoundCommands(this.#desk, ctx, signal);
    takeStreamCommands(this.#desk, this.#stream, this.#app);
    application.onCommand(
      (command) => void obey(command, { execute: (read, sid) => this.execute(read, sid), application, journal }),
    );
    application.onEnd((end) => void this.#onApplicationEnd(end));
    leg.onEnd((end) => this.#onLegEnd(end));
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
    this.#dialog.onRefer(handler && takeRefers({ who: 'caller', transferor, isUser, note }, handler, options));
  }

  /** Runs the call. Resolves when nothing of it is left and its last status hook is sent; never rejects. */
  async run(): Promise<void> {
    const { policy, journal, resumed, adulthood } = this.options;
    if (adulthood) this.#writeLedger();
    else if (!resumed) this.#reportStatus();
    // Media is needed by nearly every application; making it beside the hook takes it out of the caller's waiting time.
    this.#media.allocate().catch((err: unknown) => journal.log.debug({ err }, 'media endpoint is not to be had yet'));
    const limit = setTimeout(() => {
      void this.execute({ command: 'hangup', reason: 'the call reached its longest duration' });
    }, policy.maxCallDurationMs);
    try {
      if (resumed && !(await this.#resume(resumed))) return;
      if (!(await this.#connect())) return;
      if (!resumed) await this.#configure();
      this.#runner.replace(resumed?.verbs ?? (await this.#firstVerbs()), { stopCurrent: false });
      await this.#runner.run();
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
    return this.#desk.execute(command, callSid === this.callSid ? undefined : callSid);
  }

  get accountSid(): string {
    return this.options.info.facts.accountSid;
  }

  get journal(): Journal {
    return this.options.journal;
  }

  /** Whether the call has this sid, or one of the legs that it has called. */
  has(callSid: string): boolean {
    return callSid === this.callSid || this.#desk.hasLeg(callSid);
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
    this.#finish({ type: 'refused', sipStatus: status, sipReason: reason ?? reasonPhrase(status) }, 'jambonz');
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
    await muteFarEnd(this.options.leg, this.#media.endpoint(), isMuted);
  }

  redirect(verbs: readonly VerbSpec[]): void {
    this.#runner.replace(verbs, { stopCurrent: true });
  }

  setCustomerData(data: Record<string, unknown>): void {
    this.options.info.customerData = data;
  }

  setStatusHook(hook: Hook): void {
    this.#status.target = hook;
    this.#writeLedger();
  }

  #verbsOn(party: Party, parent: VerbContext): PlacedLegVerbs {
    const { application, speech, recognition, registry, defaults, makeDefaults = () => defaults } = this.options;
    return new PlacedLegVerbs({
      parent,
      application,
      speech,
      recognition,
      registry,
      child: party.child,
      media: party.media,
      dialog: party.dialog,
      defaults: makeDefaults(),
      isEnded: () => party.isEnded,
      end: (headers) => party.end(headers),
    });
  }

  #asCaller(): DialCaller {
    const { facts } = this.options.info;
    return {
      accountSid: facts.accountSid,
      applicationSid: facts.applicationSid,
      from: facts.from,
      ...(facts.sipRealm !== undefined && { realm: facts.sipRealm }),
      displayName: facts.callerName,
      identity: facts.identity ?? {},
      ...(facts.sbcCallid !== undefined && { outerCallId: facts.sbcCallid }),
      ...(facts.voipCarrierSid !== undefined && { voipCarrierSid: facts.voipCarrierSid }),
    };
  }

  /** Of a call that we place: lets it ring until it is answered. False when it is over with that. */
  async #connect(): Promise<boolean> {
    const { outgoing, info, journal } = this.options;
    if (!outgoing) return true;
    const endpoint = await this.#untilOver(this.#media.allocate());
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
    const isMoved = await this.#mover.give(sipAddress, spec, carried);
    if (isMoved) this.#goAway();
    return isMoved;
  }

  /** What another feature server must know to go on with the call. */
  #state() {
    const { info, defaults, application } = this.options;
    const statusHook = this.#status.target;
    return {
      ...{ facts: info.facts, info: info.state, defaults: defaults.state, baseUrl: application.baseUrl },
      verbs: [...this.#runner.waiting],
      ...(statusHook && { statusHook }),
      ...(this.#endsAt !== undefined && { endsAt: this.#endsAt }),
    };
  }

  /** Nothing more is told of the call, or done to it. */
  #goAway(): void {
    this.#isAway = true;
    this.#over.abort();
  }

  /** Takes the place of the feature server that had the call. False where it does not come to that; the call is not ours then. */
  async #resume(resumed: ResumedCall): Promise<boolean> {
    const prepare = async (): Promise<string> => (await this.#untilOver(this.#media.allocate())).localSdp;
    const isOurs = await this.#mover.take(resumed, prepare, () => this.#writeLedger());
    if (!isOurs) this.#goAway();
    else if (resumed.endsAt !== undefined) this.#limitTo(resumed.endsAt - Date.now());
    return isOurs;
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
  #onRefused({ status, reason }: Extract<DialOutcome, { ok: false }>): void {
    this.options.journal.timeline.warn('sip', `the call was not answered: ${status} ${reason}`, { status, reason });
    const failure = { sipStatus: status, sipReason: reason };
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

  /** The application hung up its socket, or lost it for good: what it has said is done; then its fallbacks are asked. Never rejects. */
  async #onApplicationEnd(end: ApplicationEnd): Promise<void> {
    if (end.how === 'closed') {
      // Whoever waits for more verbs waits in vain now.
      this.#runner.append([]);
      return;
    }
    const { policy } = this.options;
    const verbs = await loadFallbackVerbs(this.#firstRequest()).catch(() => undefined);
    if (this.#over.signal.aborted) return;
    if (verbs) this.#runner.replace(verbs, { stopCurrent: true });
    else if (policy.hookFailureMode === 'apology') this.#runner.replace(APOLOGY, { stopCurrent: true });
    else void this.execute({ command: 'hangup', reason: `the application is lost: ${end.reason}` });
  }

  /** Makes media, and answers, as a verb needs it; speech is prepared meanwhile, so that sound follows the answer at once. */
  async #ensure(need: VerbNeed, prepare: Promise<void>): Promise<void> {
    if (need === 'nothing' || need === 'answered call' || need === 'unanswered call') return prepare;
    const [endpoint] = await this.#untilOver(Promise.all([this.#media.allocate(), prepare]));
    const { leg, info, journal } = this.options;
    if (leg.isAnswered) return;
    if (need === 'early-media') {
      if (info.progress.status === 'early-media') return;
      await leg.earlyMedia(endpoint.localSdp);
      journal.timeline.info('sip', '183 Session Progress');
      this.#apply({ type: 'earlyMedia' });
      return;
    }
    await leg.answer(endpoint.localSdp);
    journal.timeline.info('sip', '200 OK: answered');
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
    if (this.#mover.isAwayWith(end)) {
      this.#goAway();
      return;
    }
    if (end.how === 'cancelled') {
      journal.timeline.info('sip', 'CANCEL: the caller gave up');
      this.#finish({ type: 'abandoned' }, 'caller');
    } else if (end.how === 'bye') {
      journal.timeline.info('sip', `BYE: the ${info.facts.direction === 'outbound' ? 'callee' : 'caller'} hung up`, {
        headers: end.headers,
      });
      // It may overtake the news of the answer, without which no BYE comes.
      this.#apply({ type: 'answered' });
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
    if (this.options.policy.hookFailureMode === 'apology' && !this.#runner.hasMore) {
      this.#runner.replace(APOLOGY, { stopCurrent: false });
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
    if (event.type === 'answered') void this.#recorder.onAnswered();
  }

  #finish(event: CallEvent, by: 'caller' | 'jambonz', byeHeaders?: Record<string, string>): void {
    this.options.info.setTermination(by, byeHeaders);
    this.#apply(event);
    this.#over.abort();
  }

  #reportStatus(): void {
    this.#status.report();
    if (!this.options.info.isOver) this.#writeLedger();
  }

  #writeLedger(): void {
    const { info, application, ledger } = this.options;
    const hook = this.#status.target;
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
    await this.#background.close();
    await Promise.allSettled([
      this.#dial.close(),
      this.#stream.end(),
      this.#media.close(),
      this.#speech.close(),
      ...this.#releasing,
    ]);
    onReleased?.();
    await this.#status.flush();
    await this.#children.settled();
    await this.#app.settled();
    if (this.#isAway) {
      if (!(await ledger.isTaken(this.callSid, TAKEN_WITHIN_MS))) {
        info.apply({ type: 'lost' });
        this.#status.report();
        await this.#status.flush();
      }
    } else ledger.remove(this.callSid);
    application.close();
    const { status, sipStatus } = info.progress;
    const { answeredAt, facts } = info;
    const inviteToAnswerMs = answeredAt === undefined ? undefined : answeredAt - this.#startedAt;
    journal.log.info({ status, sipStatus, inviteToAnswerMs, accountSid: facts.accountSid }, 'call is over');
  }
}
