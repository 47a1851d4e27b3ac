import { AnsweringMachines } from '../amd/answering-machines.js';
import { VOICEMAIL_HINTS } from '../amd/voicemail-hints.js';
import { toHttpUrl } from '../app-client/hook-url.js';
import { CommandDesk } from '../control/command-desk.js';
import type { CommandResult, SessionCommand } from '../control/commands.js';
import { obey } from '../control/obey.js';
import { SessionRecorder } from '../recording/call-recorder.js';
import { headerValue } from '../sip/header-value.js';
import type { CallControl, VerbContext, VerbNeed } from '../verbs/verb.js';
import { adoptedEndpoint, adultOptions } from './adulting.js';
import { ApplicationWait } from './application-wait.js';
import { BackgroundTasks } from './background-tasks.js';
import { takeBaseCommands } from './base-commands.js';
import { SessionDialog } from './call-dialog.js';
import { SessionEvents } from './call-events.js';
import { SessionHearing } from './call-hearing.js';
import type { CallSession } from './call-session.js';
import { SessionSpeech } from './call-speech.js';
import { ChildCalls } from './child-calls.js';
import { type Party, telephoneOf } from './dialled-party.js';
import type { DialCaller } from './dialler.js';
import { PlacedLegVerbs } from './leg-verbs.js';
import { NestedRunner } from './nested-runner.js';
import { SessionApplication } from './session-application.js';
import { SessionDial } from './session-dial.js';
import { SessionMedia } from './session-media.js';
import { SessionMove } from './session-move.js';
import type { CallSessionOptions } from './session-options.js';
import { takeSoundCommands } from './sound-commands.js';
import { SpeechStream, takeStreamCommands } from './speech-stream.js';
import { StatusNotifier } from './status-notifier.js';
import { VerbRunner } from './verb-runner.js';

/** What the parts of a session ask of it. */
export interface SessionHost {
  call: CallControl;
  /** Aborts when the call is over. */
  over: AbortSignal;
  isOver(): boolean;
  /** Another feature server has the call. */
  isAway(): boolean;
  execute(command: SessionCommand, callSid?: string): Promise<CommandResult>;
  ensure(need: VerbNeed, prepare: Promise<void>): Promise<void>;
  /** An action hook failed for good. */
  onHookFailure(): void;
  /** When the call's time limit ends it, in ms since the epoch. */
  endsAt(): number | undefined;
  /** Makes the session of a leg that goes on by itself. */
  adult(options: CallSessionOptions): CallSession;
}

/** What a session consists of, made and joined with one another: media, speech, application, legs, commands, verbs. */
export class SessionParts {
  readonly media: SessionMedia;
  readonly speech: SessionSpeech;
  readonly stream: SpeechStream;
  readonly dial: SessionDial;
  readonly dialog: SessionDialog;
  readonly children: ChildCalls;
  readonly app: SessionApplication;
  readonly status: StatusNotifier;
  readonly runner: VerbRunner;
  readonly desk = new CommandDesk();
  readonly background = new BackgroundTasks();
  readonly recorder: SessionRecorder;
  readonly mover: SessionMove;

  constructor(
    private readonly options: CallSessionOptions,
    private readonly host: SessionHost,
  ) {
    const { leg, info, journal, application, defaults, guard } = options;
    const isReported = (): Promise<boolean> => options.ledger.isReported(host.call.callSid);
    this.status = new StatusNotifier(application, info, options.statusHook, isReported, options.adulthood?.told);
    this.media = new SessionMedia({
      server: options.adulthood
        ? adoptedEndpoint(options.adulthood.endpoint, options.mediaServer)
        : options.mediaServer,
      leg,
      journal,
      guard,
      callSid: host.call.callSid,
      allowFiles: options.policy.allowFiles,
      baseUrl: () => toHttpUrl(application.baseUrl),
      onReplaced: () => info.replaced(),
      onLost: (cause) => {
        const reason = `media server lost: ${cause}`;
        const Reason = `SIP;cause=503;text="${headerValue(reason).replace(/["\\]/g, "'")}"`;
        // The edge keeps the cause to itself, but passes X-Reason on.
        const headers = { Reason, 'X-Reason': 'media server lost' };
        void host.execute({ command: 'hangup', reason, headers, sipStatus: 503 });
      },
    });
    this.speech = new SessionSpeech({
      service: options.speech,
      defaults,
      journal,
      resolveSource: (url) => this.media.resolveSource(url),
      onError: (error) => application.send('jambonz:error', error),
      ...(options.policy.sayListMeans && { listMeans: options.policy.sayListMeans }),
      signal: host.over,
    });
    const wait = new ApplicationWait({
      defaults,
      journal,
      media: this.media,
      nested: () => ctx.nested,
      replace: (verbs) => this.runner.replace(verbs, { stopCurrent: true }),
      over: host.over,
    });
    this.app = new SessionApplication({
      application,
      info,
      journal,
      wait,
      hasMore: () => this.runner.hasMore,
      replace: (verbs, stopCurrent) => this.runner.replace(verbs, { stopCurrent }),
      onFailure: () => host.onHookFailure(),
      onLoop: (reason) => void host.execute({ command: 'hangup', reason }),
      reportInvalid: (reason) => this.status.report({ error: 'invalid actionHook response', reason }),
    });
    this.children = new ChildCalls({
      commands: this.desk,
      application,
      info,
      statusHook: () => this.status.target,
      ledger: options.ledger,
      journalOf: options.journalOf ?? (() => journal),
    });
    this.dial = new SessionDial({
      children: this.children,
      dialler: options.dialler,
      mediaServer: options.mediaServer,
      journal,
      caller: () => this.#asCaller(),
      media: this.media,
      verbsOn: (party) => this.#verbsOn(party, ctx),
      bridge: (other) => this.media.bridge(other),
      endpoint: () => this.media.made,
      anchor: () => this.media.anchor(),
      releasesMedia: options.policy.releasesMedia ?? false,
      asEnd: () => ({
        seat: this.media.seat,
        request: (request) => leg.request(request),
        isOver: () => host.isOver(),
      }),
      callSid: host.call.callSid,
      talks: options.talks,
      telephone: () => {
        const { accountSid, authenticatedUser: user, sbcCallid, outerTags } = info.facts;
        const dialog = { outerCallId: sbcCallid, ...(outerTags && { outerTags }) };
        return telephoneOf(accountSid, { ...(user !== undefined && { user }), ...dialog });
      },
      isUser: (name) => options.isUser?.(name) ?? false,
      onAdult: (leaving, start) => {
        journal.timeline.info('call', 'the callee goes on as a call of his own', { callSid: leaving.child.callSid });
        options.onAdult?.(host.adult(adultOptions(options, leaving, start, this.status.target)));
      },
      onHandedOver: (one, other) => options.onHandedOver?.(one, other),
    });
    this.dialog = new SessionDialog({
      leg,
      callSid: host.call.callSid,
      app: this.app,
      journal,
      ...(options.policy.tellsHolds && { holds: this.media }),
      signal: host.over,
    });
    this.stream = new SpeechStream({
      app: this.app,
      speech: this.speech,
      defaults,
      journal,
      play: (sources, playing) => this.media.playInTurn(sources, playing),
      onSpeech: () => void wait.end(),
    });
    this.mover = new SessionMove({
      ...{
        leg,
        journal,
        callSid: host.call.callSid,
        ledger: options.ledger,
        moves: options.moves,
        resumed: options.resumed,
      },
      state: () => this.#state(),
      isOver: () => host.isOver(),
    });
    const events = new SessionEvents(application, defaults);
    this.recorder = new SessionRecorder({
      ...options.recording,
      journal,
      background: this.background,
      tap: () => this.media.endpoint().tap,
      tell: (hook, fields) => this.app.tell(hook, fields),
      facts: () => host.call.facts(),
      request: (request) => leg.request(request),
    });
    const hearing = new SessionHearing({
      service: options.recognition,
      defaults,
      journal,
      callSid: host.call.callSid,
      endpoint: () => this.media.endpoint(),
    });
    const ctx: VerbContext = {
      call: host.call,
      recorder: this.recorder,
      media: this.media,
      app: this.app,
      speech: this.speech,
      hearing,
      machines: new AnsweringMachines({ hearing, journal, hints: options.voicemailHints ?? VOICEMAIL_HINTS }),
      stream: this.stream,
      dial: this.dial,
      dialog: this.dialog,
      messages: options.messages,
      rooms: options.rooms,
      bots: options.bots,
      defaults,
      journal,
      commands: this.desk,
      background: this.background,
      events,
      queue: {
        hasMore: () => this.runner.hasMore,
        interrupt: (keepAs) => this.runner.interrupt(keepAs),
        expect: (work) => this.runner.expect(work),
      },
      nested: new NestedRunner({
        ctx: () => ctx,
        registry: options.registry,
        ensure: (need, prepare) => host.ensure(need, prepare),
      }),
    };
    this.runner = new VerbRunner({
      ctx,
      registry: options.registry,
      signal: host.over,
      ensure: (need, prepare) => host.ensure(need, prepare),
      onStatus: (spec, event) => {
        // A verb goes on where the call does: it has begun before, and it has not ended.
        const goesOn = event === 'starting' ? spec === options.resumed?.verbs[0] : host.isAway();
        if (!goesOn) events.onStatus(spec, event);
      },
      staysOpen: () => application.staysOpen,
      onIdle: () => wait.beginIdle(),
      beforeVerb: () => wait.end(),
      ...(options.onVerb && { onVerb: options.onVerb }),
    });
    const signal = this.host.over;
    takeBaseCommands(this.desk, {
      call: host.call,
      runner: this.runner,
      journal,
      ctx,
      signal,
      ...(options.placeCall && { placeCall: options.placeCall }),
    });
    takeSoundCommands(this.desk, ctx, signal);
    takeStreamCommands(this.desk, this.stream, this.app);
    application.onCommand(
      (command) => void obey(command, { execute: (read, sid) => host.execute(read, sid), application, journal }),
    );
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

  /** Commands that begin again what goes on beside the verbs. */
  #continuation(): SessionCommand[] {
    const { gainDb } = this.options.defaults;
    return [
      ...this.dialog.continuation(),
      ...(gainDb === undefined ? [] : [{ command: 'boostAudioSignal', gainDb } as const]),
      ...this.background.continuation(),
      ...this.stream.continuation(),
    ];
  }

  /** What another feature server must know to go on with the call. */
  #state() {
    const { info, defaults, application } = this.options;
    const statusHook = this.status.target;
    return {
      ...{ facts: info.facts, info: info.state, defaults: defaults.state, baseUrl: application.baseUrl },
      ...(application.hook && { hook: application.hook }),
      ...(application.opening && { opening: application.opening }),
      verbs: [...this.runner.waiting],
      continued: this.#continuation(),
      ...(statusHook && { statusHook }),
      ...(this.host.endsAt() !== undefined && { endsAt: this.host.endsAt() }),
    };
  }
}
