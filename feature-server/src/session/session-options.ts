import type { Account } from '@ringwire/common';
import type { ConfigSpec } from '@ringwire/verb-specs';
import type { VoicemailHints } from '../amd/voicemail-hints.js';
import type { AddressGuard } from '../app-client/address-guard.js';
import type { Application, Hook } from '../app-client/application.js';
import type { MediaServer } from '../media/media.js';
import type { Recordings } from '../recording/recordings.js';
import type { CallRooms } from '../rooms/call-rooms.js';
import type { RecognitionService } from '../speech/recognition-service.js';
import type { SpeechService } from '../speech/speech-service.js';
import type { DialledParty } from '../verbs/call-dial.js';
import type { VerbRegistry } from '../verbs/registry.js';
import type { CallBots, CallMessages } from '../verbs/verb.js';
import type { Adulthood } from './adulting.js';
import type { PlaceCall } from './base-commands.js';
import type { CallInfo } from './call-info.js';
import type { CallLedger } from './call-ledger.js';
import type { CallLeg } from './call-leg.js';
import type { CallSession } from './call-session.js';
import type { Dialler } from './dialler.js';
import type { VerbSources } from './first-verbs.js';
import type { Journal } from './journal.js';
import type { OutboundLeg } from './outbound-leg.js';
import type { SessionDefaults } from './session-defaults.js';
import type { CallMoves, ResumedCall } from './session-move.js';
import type { Talks } from './talks.js';

/** How sessions behave; the same for all calls of a process. */
export interface SessionPolicy {
  /** What a caller meets when the application's first hook fails: SIP 480, or a spoken apology. */
  hookFailureMode: 'decline' | 'apology';
  /** Calls longer than this are ended. */
  maxCallDurationMs: number;
  /** Whether `play` may name files of the media server's own disk. */
  allowFiles: boolean;
  /** Whether the hook for SIP requests within a call hears that the far end holds it. @defaultValue false */
  tellsHolds?: boolean;
  /** Whether a `dial` takes the media server out of the sound of two who talk, where nothing needs it. @defaultValue false */
  releasesMedia?: boolean;
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
