import type { Account, Application, EventSink, Logger, PlacedCallReply, SpeechChoice, Webhook } from '@ringwire/common';
import type { VoicemailHints } from '../amd/voicemail-hints.js';
import type { AddressGuard } from '../app-client/address-guard.js';
import { type Hook, toSpec } from '../app-client/application.js';
import type { ApplicationRouter } from '../app-client/application-router.js';
import { type ApplicationParts, openApplication } from '../app-client/open-application.js';
import type { MediaServer } from '../media/media.js';
import type { Outbox } from '../messages/outbox.js';
import { SessionMessages } from '../messages/session-messages.js';
import type { FeatureServerMetrics } from '../metrics.js';
import type { Recordings } from '../recording/recordings.js';
import type { CallRooms, Rooms } from '../rooms/call-rooms.js';
import type { RecognitionService } from '../speech/recognition-service.js';
import type { SpeechService } from '../speech/speech-service.js';
import type { VoiceSettings } from '../speech/synthesizer.js';
import type { VerbRegistry } from '../verbs/registry.js';
import type { CallBots } from '../verbs/verb.js';
import { type CallFacts, CallInfo } from './call-info.js';
import type { CallLedger } from './call-ledger.js';
import type { CallLeg } from './call-leg.js';
import { CallSession } from './call-session.js';
import type { Dialler } from './dialler.js';
import { createJournal, type Journal } from './journal.js';
import type { MovedCall, MovedCalls } from './moved-calls.js';
import { type ApplicationSpeech, SessionDefaults } from './session-defaults.js';
import type { CallMoves } from './session-move.js';
import type { CallSessionOptions, SessionPolicy } from './session-options.js';
import type { Talks } from './talks.js';
import type { TransferredCalls } from './transferred-calls.js';

/** What all sessions of a process share. */
export interface SessionFactoryOptions {
  logger: Logger;
  sink: EventSink;
  applications: ApplicationParts;
  guard: AddressGuard;
  voicemailHints: VoicemailHints;
  mediaServer: MediaServer;
  speech: SpeechService;
  recognition: RecognitionService;
  dialler: Dialler;
  transferred: TransferredCalls;
  talks: Talks;
  outbox: Outbox;
  rooms: Rooms;
  moved: MovedCalls;
  bots: CallBots;
  registry: VerbRegistry;
  recordings?: Recordings;
  ledger: CallLedger;
  policy: SessionPolicy;
  metrics: FeatureServerMetrics;
  /** Runs a session that another one has left. */
  admit(session: CallSession): void;
  /** Places another call of the same account, with the body of REST create call. @throws HttpError */
  placeCall(body: Readonly<Record<string, unknown>>, by: CallFacts): Promise<PlacedCallReply>;
}

/** A call that is to be run: one that came in, or one that we place. */
export interface NewCall {
  leg: CallLeg;
  facts: CallFacts;
  account: Account;
  application: Application;
  /** The parsed INVITE of a call that came in, as jambonz passes it to the application. */
  sip?: Record<string, unknown>;
  outgoing?: CallSessionOptions['outgoing'];
  isUser?: CallSessionOptions['isUser'];
  customerData?: Record<string, unknown>;
  /** Of a call that another feature server has begun: what that one has kept of it, and when it is ours. */
  moved?: { call: MovedCall; committed: Promise<void> };
  /** What it is configured with when it is answered: properties of the verb `config`. */
  config?: CallSessionOptions['config'];
}

/** Makes the session of a call. */
export function createSession(
  call: NewCall,
  options: SessionFactoryOptions,
  onReleased: (session: CallSession) => void,
): CallSession {
  const { facts, application, account, leg, sip, outgoing, isUser, customerData, moved, config } = call;
  const { metrics } = options;
  const { accountSid, serviceProviderSid } = facts;
  const journal = createJournal(options.sink, options.logger, {
    callSid: facts.callSid,
    accountSid,
    serviceProviderSid,
    ...(facts.sbcCallid !== undefined && { sipCallId: facts.sbcCallid }),
  });
  const callHook = asHook(application.callHook);
  const statusHook = asHook(application.callStatusHook);
  const fallbackHook = asHook(application.fallbackCallHook ?? null);
  const info = new CallInfo(facts);
  const defaults = new SessionDefaults(speechOf(application));
  if (moved) {
    info.restore(moved.call.info);
    defaults.restore(moved.call.defaults);
  }
  if (customerData) info.customerData = customerData;
  const session: CallSession = new CallSession({
    leg,
    ...(outgoing && { outgoing }),
    ...(config && { config }),
    placeCall: (body) => options.placeCall(body, facts),
    ...(isUser && { isUser }),
    journal,
    info,
    application: createApplication({
      account,
      application,
      ...(moved && {
        hook: moved.call.hook ?? { ...callHook, url: moved.call.baseUrl },
        opening: moved.call.opening ?? { ...info.initialPayload(), defaults: defaults.payload() },
      }),
      journal,
      callSid: facts.callSid,
      traceId: facts.traceId,
      applications: options.applications,
    }),
    sources: {
      ...(application.appJson !== null && { stored: application.appJson }),
      ...(callHook && { callHook }),
      ...(fallbackHook && { fallbackHook }),
      ...(application.fallbackAppJson && { fallbackStored: application.fallbackAppJson }),
    },
    ...resumption(moved),
    moves: movesOf(call, options),
    ...((moved?.call.statusHook ?? statusHook) && { statusHook: moved?.call.statusHook ?? statusHook }),
    initialExtras: { ...(sip && { sip }), envVars: readEnvVars(application, journal) },
    defaults,
    makeDefaults: () => new SessionDefaults(speechOf(application)),
    mediaServer: options.mediaServer,
    speech: options.speech,
    recognition: options.recognition,
    dialler: options.dialler,
    talks: options.talks,
    messages: new SessionMessages(options.outbox, facts),
    rooms: { ...roomsOf(options.rooms, account), carried: moved?.call.carried },
    bots: options.bots,
    registry: options.registry,
    guard: options.guard,
    voicemailHints: options.voicemailHints,
    ledger: options.ledger,
    policy: options.policy,
    journalOf: (callSid) => createJournal(options.sink, options.logger, { callSid, accountSid, serviceProviderSid }),
    onVerb: (verb, outcome, ms) => metrics.verb(verb, outcome, ms),
    ...(options.recordings && {
      recording: {
        recordings: options.recordings,
        account,
        isAlways: account.recordAllCalls || application.recordAllCalls,
      },
    }),
    onAdult: (adult) => options.admit(adult),
    onHandedOver: (one, other) => options.transferred.add(one, other),
    onReleased: () => onReleased(session),
  });
  return session;
}

function resumption(moved: NewCall['moved']): Pick<CallSessionOptions, 'resumed'> {
  if (!moved) return {};
  const { from, verbs, endsAt, continued = [] } = moved.call;
  const { committed } = moved;
  return { resumed: { from, verbs, continued, committed, ...(endsAt !== undefined && { endsAt }) } };
}

/** How the call goes to another feature server. */
function movesOf({ application, account }: NewCall, { moved, rooms }: SessionFactoryOptions): CallMoves {
  return {
    save: (id, call) =>
      moved.save(id, { ...call, application, accountSid: account.accountSid, from: rooms.instanceId }),
    drop: (id) => moved.drop(id),
  };
}

/** The rooms of an account. */
function roomsOf(rooms: Rooms, { accountSid, queueEventHook }: Account): CallRooms {
  const hook = asHook(queueEventHook);
  return { ...rooms, accountSid, ...(hook && { queueEventHook: toSpec(hook) }) };
}

/** The client of an application: of a live call, or of one whose feature server died. */
export function createApplication(options: {
  account: Account;
  /** Absent: what is asked for stands in absolute URLs. */
  application?: Application;
  /** Where the session is by now, if not at the application's own hook. */
  hook?: Hook;
  opening?: object;
  journal: Journal;
  callSid: string;
  traceId: string;
  applications: ApplicationParts;
}): ApplicationRouter {
  const { account, application, hook, opening, journal, callSid, traceId, applications } = options;
  return openApplication(applications, {
    hook: hook ?? asHook(application?.callHook ?? null) ?? asHook(application?.callStatusHook ?? null) ?? { url: '' },
    hasFallback: Boolean(application?.fallbackCallHook ?? application?.fallbackAppJson),
    webhookSecret: account.webhookSecret,
    ...{ journal, callSid, traceId },
    ...(opening && { opening }),
  });
}

/** A hook of the database as hooks are made. */
export function asHook(webhook: Webhook | null): Hook | undefined {
  if (!webhook) return undefined;
  const { url, method, username, password } = webhook;
  return { url, method, ...(username !== null && { username, password: password ?? '' }) };
}

/** An application's voices and recognizers as sessions have them. */
export function speechOf(application: Application): ApplicationSpeech {
  const { recognizer, fallbackRecognizer, synthesizer, fallbackSynthesizer } = application;
  return {
    synthesizer: asVoice(synthesizer),
    ...(fallbackSynthesizer && { synthesizerFallback: asVoice(fallbackSynthesizer) }),
    recognizer: asRecognizer(recognizer),
    ...(fallbackRecognizer && { recognizerFallback: asRecognizer(fallbackRecognizer) }),
  };
}

function asRecognizer({ vendor, language, label }: SpeechChoice): ApplicationSpeech['recognizer'] {
  return { vendor, language, ...(label !== null && { label }) };
}

function asVoice({ vendor, language, voice, label }: SpeechChoice): VoiceSettings {
  return { vendor, language, ...(voice !== null && { voice }), ...(label !== null && { label }) };
}

function readEnvVars(application: Application, journal: Journal): unknown {
  if (application.envVars === null) return undefined;
  try {
    return JSON.parse(application.envVars);
  } catch (err) {
    journal.log.error({ err, applicationSid: application.applicationSid }, 'env_vars of the application are not JSON');
    return undefined;
  }
}
