import type { ConfigSpec, DubSpec, HookSpec, PlaySpec, SaySpec, VerbSpec } from '@ringwire/verb-specs';
import type { Hook } from '../app-client/application.js';

/** What is done with the sound of a running `listen` or `transcribe`. */
export type TapStatus = 'pause' | 'silence' | 'resume';

/** What a member of a conference is told to do (compat 4.2). */
export type ParticipantAction = 'tag' | 'untag' | 'coach' | 'uncoach' | 'mute' | 'unmute' | 'hold' | 'unhold' | 'kick';

/** What is done with a call's recording (compat 4.3). */
export interface RecordCommand {
  action: 'startCallRecording' | 'stopCallRecording' | 'pauseCallRecording' | 'resumeCallRecording';
  /** @defaultValue siprec where a server is named, else cloud; of what stops, pauses or resumes whatever runs */
  type?: 'siprec' | 'cloud';
  siprecServerURL?: string | readonly string[];
  recordingID?: string;
  /** Told at the end of the call. */
  recordEndHook?: HookSpec;
  headers?: Readonly<Record<string, unknown>>;
}

/**
 * What can be done to a live call from outside its verb list. Everything that controls calls (REST update, WebSocket
 * commands, shutdown, loss of an engine) becomes one of these, so that a session has one door. Commands that applications know have the names
 * of jambonz's WebSocket protocol (compat 3.5).
 */
export type SessionCommand =
  /** Ends the call: BYE when it is answered, else a final response. `reason` goes to the timeline and, unless `headers` has one, X-Reason. */
  | { command: 'hangup'; reason: string; headers?: Record<string, string>; sipStatus?: number }
  /** Stops the verb that runs and replaces everything queued; with `isQueued` runs them behind what is queued. */
  | { command: 'redirect'; verbs: VerbSpec[]; isQueued?: boolean }
  /** Gives the call, and the leg that a `dial` has connected, to applications that are asked for verbs. */
  | { command: 'redirect:hooks'; callHook?: Hook; childCallHook?: Hook; statusHook?: Hook }
  /** The same with the verbs at hand. */
  | { command: 'redirect:legs'; parentCall?: VerbSpec[]; childCall?: VerbSpec[] }
  | { command: 'call:status'; callStatus: 'completed' | 'no-answer' }
  | { command: 'config'; spec: Omit<ConfigSpec, 'verb'> }
  /** Places another call, with the body of REST create call. */
  | { command: 'dial'; body: Readonly<Record<string, unknown>> }
  | { command: 'dub'; spec: Omit<DubSpec, 'verb'> }
  | ({ command: 'record' } & RecordCommand)
  | { command: 'mute:status'; isMuted: boolean }
  | { command: 'conf:mute-status'; isMuted: boolean }
  | { command: 'conf:hold-status'; isHeld: boolean; waitHook?: Hook }
  | { command: 'conf:participant-action'; action: ParticipantAction; tag?: string; waitHook?: Hook }
  /** Spoken, or played, to everybody in the conference; `replaces` what is spoken or played to all. */
  | { command: 'room:say'; say: Omit<SaySpec, 'verb'>; replaces: boolean }
  | { command: 'room:play'; play: Pick<PlaySpec, 'url' | 'id'>; replaces: boolean }
  | { command: 'listen:status'; status: TapStatus }
  | { command: 'transcribe:status'; status: TapStatus }
  | { command: 'whisper'; verbs: VerbSpec[] }
  | {
      command: 'sip:request';
      method: string;
      contentType?: string;
      content?: string;
      headers?: Readonly<Record<string, string>>;
    }
  | { command: 'dtmf'; digits: string; durationMs?: number }
  /** Decibels. */
  | { command: 'boostAudioSignal'; gainDb: number }
  | { command: 'media:path'; path: 'no-media' | 'partial-media' | 'full-media' }
  | { command: 'tag'; data: Record<string, unknown> }
  | { command: 'llm:tool-output'; toolCallId: string; output: unknown }
  | { command: 'llm:update'; data: unknown }
  /** `tokens` missing: that is answered as failed. */
  | { command: 'tts:tokens'; id: string | number; tokens?: string }
  | { command: 'tts:flush' }
  | { command: 'tts:clear' };

/** A command's name. */
export type CommandName = SessionCommand['command'];

/** The command of a name. */
export type CommandOf<N extends CommandName> = Extract<SessionCommand, { command: N }>;

/** What a command came to. `facts` is what its sender is answered (`sip:request`: status and reason). */
export type CommandResult =
  | { ok: true; facts?: Readonly<Record<string, unknown>> }
  /** `wrong state`: nothing of this call can take it now (REST: 422); `failed`: it was tried (REST: 422, too); `too many`: others are not done yet (REST: 429). */
  | { ok: false; because: 'wrong state' | 'failed' | 'too many'; reason: string };
