import type { HookSpec, RecognizerSpec, SaySpec, SynthesizerSpec, VerbSpec } from '@ringwire/verb-specs';
import type { AmdOrder, AmdTask } from '../amd/answering-machines.js';
import type { Hook, HookType, NoticeType } from '../app-client/application.js';
import type { PostJson } from '../bots/bot-http.js';
import type { CommandTaker } from '../control/command-desk.js';
import type { AudioServerAddress } from '../media/audio-server-url.js';
import type { Digit, MediaEndpoint, PlayOptions, PlayResult } from '../media/media.js';
import type { CallRecorder } from '../recording/call-recorder.js';
import type { CallRooms } from '../rooms/call-rooms.js';
import type { BackgroundTasks } from '../session/background-tasks.js';
import type { LegReply, LegRequest, ReferRequest } from '../session/call-leg.js';
import type { DialTarget } from '../session/dialler.js';
import type { HoldChange } from '../session/hold-news.js';
import type { Journal } from '../session/journal.js';
import type { SessionDefaults } from '../session/session-defaults.js';
import type { EarChannels, EarEvent } from '../speech/ear.js';
import type { CallDial } from './call-dial.js';

/**
 * What must be true of the call before a verb runs. `media`: answered, with a media endpoint (the session answers).
 * `early-media`: a media endpoint; an unanswered call gets a 183. The last two are conditions that only the call's own
 * course can meet: where they are not met, the verb is passed over.
 */
export type VerbNeed = 'nothing' | 'media' | 'early-media' | 'answered call' | 'unanswered call';

/** One verb: what it needs and what it does. It sees only its context, never SIP or the event socket. */
export interface Verb<S> {
  needs(spec: S): VerbNeed;
  /** One line for the timeline, without the verb's name: `"Welcome"`. */
  describe?(spec: S): string;
  /** The call's end is what the verb is for, not what cuts it short. */
  readonly endsCall?: boolean;
  /**
   * Work that can be done while the call is not answered and the media endpoint is being made (synthesis), so that the
   * caller hears something at once after the answer. Never rejects: {@link run} meets the same trouble again.
   */
  prepare?(ctx: VerbContext, spec: S): Promise<void>;
  /**
   * Does it. The signal aborts when the call ends or the verb is replaced; the verb then returns soon and leaves nothing
   * behind. An error is reported and the call goes on with the next verb.
   */
  run(ctx: VerbContext, spec: S, signal: AbortSignal): Promise<void>;
}

/** What a verb may do to the call itself. */
export interface CallControl {
  readonly callSid: string;
  readonly isAnswered: boolean;
  /** The call has ended, whoever ended it. */
  readonly isOver: boolean;
  /** The fields that every hook carries, in camelCase; undefined ones are unknown. */
  facts(): Readonly<Record<string, unknown>>;
  /** Lets the caller, where he is a user of the account, transfer what he is connected with, until undefined is given. */
  onTransfer(handler: TransferHandler | undefined, options?: TransferOptions): void;
  /** 180 to a caller who has heard nothing yet; does nothing later. */
  ring(): void;
  /**
   * 183 with media to a caller who is not answered; does nothing when that was done.
   * @throws MediaServerError, CallGoneError
   */
  earlyMedia(): Promise<void>;
  /**
   * Keeps back what the far end of the call says, or lets it through again.
   * @throws MediaServerError
   */
  mute(isMuted: boolean): Promise<void>;
  /**
   * Answers, with media; does nothing when that was done.
   * @throws MediaServerError, CallGoneError
   */
  answer(): Promise<void>;
  /** BYE; an unanswered call is refused instead. */
  hangup(reason: string, headers?: Record<string, string>): void;
  /** Final response to an unanswered call. */
  decline(status: number, reason: string | undefined, headers: Record<string, string>): void;
  /** What an unanswered caller gets when no verbs are left, instead of 603. */
  setRefusal(status: number): void;
  /** Stops the verb that runs and replaces everything queued. */
  redirect(verbs: readonly VerbSpec[]): void;
  /** `customer_data` of later hooks. */
  setCustomerData(data: Record<string, unknown>): void;
  /** Where call-status hooks go from now on. */
  setStatusHook(hook: Hook): void;
  /**
   * Gives the call to the feature server whose SIP server is at `ip:port`; there it goes on with `spec`, and the verbs behind. True: it is over here, without a
   * word to the application. False: it stays, and the timeline says why. Never rejects.
   */
  move(sipAddress: string, spec: VerbSpec, carried?: Readonly<Record<string, unknown>>): Promise<boolean>;
}

/** Takes a transfer in hand: whether it is begun, false while another one is under way. */
export type TransferHandler = (transfer: CallTransfer) => boolean;

/** Where transfers may lead. */
export interface TransferOptions {
  /** Not only to users whom the user may call without an application. */
  toAnybody?: boolean;
  /** Whether the application takes a transfer in hand itself. Never rejects. */
  ask?(refer: ReferRequest): Promise<boolean>;
}

/** A user wants somebody else in his place. */
export interface CallTransfer {
  /** Who is to be called; with routing `talk` he with whom the user talks in another call. Undefined where the user may not: `refusal` says why. */
  readonly target?: DialTarget;
  readonly refusal?: number;
  /** To be asked before: whether the application has taken the transfer in hand itself. Never rejects. */
  ask?(): Promise<boolean>;
  /** Tells him how the new call goes; a final status is the last. */
  notify(status: number, reason: string): Promise<void>;
}

/** The call's sound. */
export interface CallMedia {
  /**
   * What else the media server does for the call.
   * @throws MediaServerError while there is none
   */
  endpoint(): MediaEndpoint;
  /**
   * Has the sound at the media server again where it was released ({@link TalkPath}); nothing where it is there.
   * @throws MediaServerError
   */
  anchor(): Promise<void>;
  play(sources: readonly string[], options: PlayOptions): Promise<PlayResult>;
  /** The same for what plays beside the verbs: it waits until no verb plays, and verbs until it has ended. */
  playInTurn(sources: readonly string[], options: PlayOptions): Promise<PlayResult>;
  /** Digits from RTP and from SIP INFO alike. */
  onDigit(listener: (digit: Digit) => void): () => void;
  /** The far end puts the call on hold, or takes it back. */
  onHold(listener: (change: HoldChange) => void): () => void;
  /**
   * A source that a customer named, ready for the media server: relative URLs resolved, forbidden ones refused.
   * @throws HookForbiddenError
   */
  resolveSource(url: string): Promise<string>;
  /**
   * Where a WebSocket server for audio is that a customer named.
   * @throws HookForbiddenError
   */
  resolveAudioServer(url: string): Promise<AudioServerAddress>;
}

/** What became of an action hook: the queue was replaced, the next verb follows, or the hook failed (and was reported). */
export type ActionResult = 'replaced' | 'next' | 'failed';

/** What a hook answered that somebody asked by {@link CallApplication.ask}. */
export interface AskedReply {
  verbs?: VerbSpec[];
  object?: Readonly<Record<string, unknown>>;
}

/** The call's way to its application. */
export interface CallApplication {
  /**
   * Posts an action hook with the call's common payload, `verb_id` and `extra`; an array of verbs as answer replaces the
   * queue. Does nothing without a hook or when the call is over. While the answer to a `gather` is awaited the caller hears what `fillerNoise` and
   * `actionHookDelayAction` say, its own or the session's.
   */
  action(
    spec: { verb?: string; id?: string; actionHook?: HookSpec },
    extra: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<ActionResult>;
  /** Posts the action hook of a call that is over; what is answered changes nothing any more. Never waited for. */
  inform(spec: { id?: string; actionHook?: HookSpec }, extra: Record<string, unknown>): void;
  /**
   * Asks any hook, with the call's common payload and `extra`; what is answered is the caller's to use.
   * @returns the verbs of the answer; `object` where it is a JSON object; undefined where the hook failed, which was reported
   */
  ask(
    hook: HookSpec,
    extra: Record<string, unknown>,
    signal: AbortSignal,
    type?: HookType,
  ): Promise<AskedReply | undefined>;
  /** The same for hooks whose answer does not matter, in order. Never waited for; goes out also when the call is over meanwhile. */
  tell(hook: HookSpec, extra: Record<string, unknown>, type?: HookType): void;
  /** The same, but not before `after` has resolved, which must; resolves when it is told. Never rejects. */
  tellAfter(hook: HookSpec, extra: Record<string, unknown>, after: Promise<void>): Promise<void>;
  /**
   * Asks a hook of a background task: an array of verbs as answer stops the verb that runs and replaces everything queued. Never rejects.
   */
  interrupt(hook: HookSpec, extra: Record<string, unknown>, signal: AbortSignal): Promise<ActionResult>;
  /** Tells what only WebSocket applications hear. */
  send(type: NoticeType, data: Record<string, unknown>): void;
  /** Whether the application is reached over a WebSocket: it can send commands and hears notices. */
  readonly isSocket: boolean;
  /** Gives the call to another application (message type `session:redirect`). `stopsCurrent`: the verb that runs ends when it has answered. */
  redirect(
    spec: { id?: string; actionHook: HookSpec | Hook },
    signal: AbortSignal,
    options?: { stopsCurrent?: boolean },
  ): Promise<ActionResult>;
}

/** What `verb:status` tells beside `starting` and `finished` (compat 3.2). */
export type VerbEvent =
  | 'start-playback'
  | 'stop-playback'
  | 'kill-playback'
  | 'synthesized-audio'
  | 'dtmf-bargein-detected'
  | 'speech-bargein-detected';

/** What WebSocket applications hear of verbs once `config.notifyEvents` asks for it. */
export interface CallEvents {
  status(spec: { verb?: string; id?: string }, event: VerbEvent, fields?: Record<string, unknown>): void;
}

/** How a list of nested verbs ended. `left`: by the verb `leave`. */
export type NestedOutcome = 'done' | 'left' | 'aborted';

/** Verbs inside a verb: what a wait hook or a whisper answers with. */
export interface NestedVerbs {
  /**
   * Runs verbs beside the call's queue, of which only the named kinds are run; others are reported and passed over. What their own
   * hooks answer does not replace the application. Never rejects but with MediaServerError.
   */
  run(verbs: readonly VerbSpec[], allowed: readonly VerbSpec['verb'][], signal: AbortSignal): Promise<NestedOutcome>;
}

/** Text to sound, with the session's voice unless the verb brings its own. */
export interface CallSpeech {
  /** The texts of a `say`, of which some may have been chosen at random. */
  textsOf(say: SayBody): string[];
  /** Starts synthesis; what it makes is handed out by {@link sources}. Never rejects. */
  prepare(say: SayBody): Promise<void>;
  /**
   * Playable sources of a text or list, in order. Call `release` when they have been played.
   * @throws SynthesisError
   */
  sources(say: SayBody, signal: AbortSignal): Promise<SpeechSources>;
  /**
   * The same for tracks (`dub`), in files of their own format. Nobody hears of their end: the files stay until the call is over.
   * @throws SynthesisError
   */
  trackSources(say: SayBody, signal: AbortSignal): Promise<string[]>;
}

/** Sound of a text or list, ready to be played. */
export interface SpeechSources {
  files: string[];
  /** Of each text that was synthesized. */
  spoken: { vendor: string; language: string; characters: number; ms: number; cached: boolean }[];
  release(): Promise<void>;
}

/** `say`, also as it stands inside another verb. */
export type SayBody = Omit<SaySpec, 'verb'>;

/** Somebody who listens to a call. */
export interface Hearing {
  /** `silence`: silence is heard meanwhile, else nothing. Never rejects, nor do the others. */
  pause(how: 'pause' | 'silence'): Promise<void>;
  resume(): Promise<void>;
  /** Ends it; from the call on nothing is told any more. */
  close(): Promise<void>;
}

/** Sound to text. */
export interface CallHearing {
  /**
   * Begins to listen, with the session's recognizer unless the verb brings its own. What comes of it, failures too, is told to `onEvent`
   * after this has returned.
   * @throws MediaServerError while the call has no media
   */
  listen(options: {
    /** Instead of the call's own. */
    endpoint?: MediaEndpoint;
    recognizer?: Partial<RecognizerSpec>;
    /** Wants results while the caller still speaks, whatever `recognizer.interim` says. */
    interim?: boolean;
    channels: EarChannels;
    onEvent(event: EarEvent): void;
  }): Hearing;
}

/** What waits behind the verb that runs. */
export interface CallQueue {
  /** Whether verbs wait. */
  hasMore(): boolean;
  /**
   * Ends the verb that runs and drops what waits, up to the first verb for which `keepAs` says as what it is kept.
   */
  interrupt(keepAs: (spec: VerbSpec) => VerbSpec | undefined): void;
  /** New verbs may come of `work`: until it has settled the call does not end for want of verbs. */
  expect(work: Promise<unknown>): void;
}

/** What became of a text message, in the words of its action hook (compat 1.3.22). */
export interface MessageResult {
  messageSid: string;
  /** `queued`: no carrier has answered yet. */
  messageStatus: 'success' | 'failure' | 'no carriers' | 'smpp configuration error' | 'system error' | 'queued';
  carrier?: string;
  carrierMessageId?: string;
  messageFailureReason?: string;
}

/** The call's way to send text messages. */
export interface CallMessages {
  /**
   * Sends one, and waits up to `waitMs` for what a carrier says. What cannot be sent is a result too; rejects only when the
   * signal aborts.
   */
  send(
    words: {
      from: string;
      to: string;
      text?: string;
      media: readonly string[];
      carrier?: string;
      accountSid?: string;
      messageSid?: string;
    },
    waitMs: number,
    signal: AbortSignal,
  ): Promise<MessageResult>;
}

/** The call's way to bots of other vendors. */
export interface CallBots {
  /** @throws HookConnectionError, HookTimeoutError, HookForbiddenError */
  readonly post: PostJson;
  /** Where a vendor is: where the operator says, else the usual place. */
  base(vendor: 'lex' | 'dialogflow', usual: string): string;
}

/** The call's SIP dialog: requests beside those of the call itself. */
export interface CallDialog {
  /** Host of the SIP server that the call's leg leads to; undefined while the call is not answered. */
  readonly peerHost: string | undefined;
  /**
   * Sends a request to the far end; resolves with its final response, whatever its status.
   *
   * @throws CallGoneError, NoResponseError; TypeError when too many are under way
   */
  request(request: LegRequest): Promise<LegReply>;
  /** Hears NOTIFYs of the far end, until the returned function is called. */
  onNotify(listener: (request: LegRequest) => void): () => void;
  /** Who is asked about INFO and MESSAGE of the far end. */
  setRequestHook(hook: HookSpec | undefined): void;
  /** Who is asked about REFER of the far end while no `dial` takes it. */
  setReferHook(hook: HookSpec | undefined): void;
}

/** Speech of text that a WebSocket application sends while it still grows (compat 1.5, 3.5). */
export interface CallSpeechStream {
  readonly isOpen: boolean;
  /** Speaks what was sent and what comes, with the session's voice or another; nothing where it is open. The application is told. */
  open(synthesizer?: SynthesizerSpec): void;
  /** Drops what waits, stops, and takes nothing more to speak until it is opened again. Never rejects. */
  close(): Promise<void>;
  /** The caller speaks while the stream is open: everything is dropped, and the application told (`user_interruption`). Never rejects. */
  interrupt(): Promise<void>;
  /** Drops what was sent and what is spoken, without a word to the application. Never rejects. */
  clear(): Promise<void>;
  /** Resolves when everything is spoken and nothing follows (flushed, or nothing came for a second), when the stream is closed, and when the signal aborts. */
  spoken(signal: AbortSignal): Promise<void>;
}

/** Finds out whether a human or a machine has answered. */
export interface CallMachines {
  /**
   * Begins to listen to a leg.
   * @throws MediaServerError
   */
  detect(order: AmdOrder): Promise<AmdTask>;
}

/** Everything a verb may use. */
export interface VerbContext {
  readonly call: CallControl;
  readonly media: CallMedia;
  readonly app: CallApplication;
  readonly speech: CallSpeech;
  readonly hearing: CallHearing;
  readonly machines: CallMachines;
  readonly queue: CallQueue;
  readonly stream: CallSpeechStream;
  readonly dial: CallDial;
  readonly dialog: CallDialog;
  readonly messages: CallMessages;
  readonly bots: CallBots;
  readonly defaults: SessionDefaults;
  readonly journal: Journal;
  /** Takes commands of live call control while a verb runs, or a background task. */
  readonly commands: CommandTaker;
  /** What lives across verbs. */
  readonly background: BackgroundTasks;
  readonly events: CallEvents;
  readonly nested: NestedVerbs;
  /** Conferences and queues of the account. */
  readonly rooms: CallRooms;
  readonly recorder: CallRecorder;
}
