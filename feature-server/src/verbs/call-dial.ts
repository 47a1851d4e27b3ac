import type { VerbSpec } from '@ringwire/verb-specs';
import type { MediaEndpoint } from '../media/media.js';
import type { AdultStart } from '../session/adulting.js';
import type { DialOutcome, DialTarget } from '../session/dialler.js';
import type { TalkPath } from '../session/talk-path.js';
import type { Talk, Telephone } from '../session/talks.js';
import type { TransferHandler, TransferOptions, VerbContext } from './verb.js';

/** How somebody is called. */
export interface DialOptions {
  /** Instead of the caller's number, and name. */
  callerId?: string;
  callerName?: string;
  /** Whether the caller's P-Asserted-Identity and Privacy go along. */
  forwardsIdentity: boolean;
  /** Time to ring. */
  answerMs: number;
  /** Names of the codecs to offer, in order; those of the media server where it lacks one. */
  codecs?: readonly string[];
  /** `customer_data` of the hooks of this leg. */
  tag?: Record<string, unknown>;
  /** A provisional response above 100; `sdp` is empty without one. */
  onProgress(status: number, sdp: string): void;
}

/** Somebody who is being called, or was. */
export interface DialledParty {
  readonly callSid: string;
  /** Call-ID of its leg to the outside, once the edge has told of it. */
  readonly outerCallId?: string | undefined;
  /** Answered, or why not. Never rejects. */
  readonly outcome: Promise<DialOutcome>;
  /** Resolves when an answered party is gone, whoever ended it. */
  readonly ended: Promise<void>;
  /** Whether {@link ended} has resolved, or is about to. An answered party may be gone before anybody heard of its answer. */
  readonly isEnded: boolean;
  /** Its own media; undefined until there is some. */
  readonly endpoint: MediaEndpoint | undefined;
  /**
   * Has its sound at the media server again where it was released; nothing where it is there, or over.
   * @throws MediaServerError
   */
  anchor(): Promise<void>;
  /** For verbs on the answered leg alone; undefined for who was not called by this call. */
  readonly verbs: LegVerbs | undefined;
  /** The telephone of a user of the account, once it has answered. */
  readonly telephone: Telephone | undefined;
  /** Lets the party, where it is a user of the account, transfer the caller, until undefined is given. */
  onTransfer(handler: TransferHandler | undefined, options?: TransferOptions): void;
  /**
   * Takes it from whom it hears and lets it hear another party instead.
   * @throws MediaServerError
   */
  join(other: DialledParty): Promise<void>;
  /** CANCEL or BYE, and gives the media back; never rejects. Further calls wait for the same end. */
  end(headers?: Record<string, string>): Promise<void>;
}

/** A leg that the call has placed, as a call of its own on which verbs run. */
export interface LegVerbs {
  /** Its own media, facts, timeline and commands; the application is that of the call. */
  readonly ctx: VerbContext;
  /**
   * Runs verbs, and what their hooks answer, until none is left; of other kinds than the named ones none is run, which is reported. Never rejects.
   */
  run(verbs: readonly VerbSpec[], allowed: readonly VerbSpec['verb'][], signal: AbortSignal): Promise<void>;
}

/** The call's way to others. */
export interface CallDial {
  call(target: DialTarget, options: DialOptions): DialledParty;
  /** Whether the media server leaves two who talk as soon as nothing needs it. */
  readonly releasesMedia: boolean;
  /** Which way the sound of the call and a party goes; undefined where it is not this call's to say. One at a time. */
  pathWith(party: DialledParty): TalkPath | undefined;
  /**
   * Lets caller and party hear each other; both must be answered.
   * @throws MediaServerError
   */
  bridge(party: DialledParty): Promise<void>;
  /**
   * Takes the two apart: each hears nothing, until they are bridged again.
   * @throws MediaServerError
   */
  unbridge(): Promise<void>;
  /**
   * The answered leg becomes a call of its own, with verbs or an application of its own; the two do not hear each other any more.
   * @returns false where it is no leg of this call, or gone
   * @throws MediaServerError
   */
  adult(party: DialledParty, start: AdultStart): Promise<boolean>;
  /** Whether a party is this call's business: it was called, or adopted, and not given away since. */
  owns(party: DialledParty): boolean;
  /** Another call ends this party from now on, not this one. */
  giveAway(party: DialledParty): void;
  /** This call ends a party from now on that another one gave away. */
  adopt(party: DialledParty): void;
  /** Ends a party that is this call's business; never rejects. */
  end(party: DialledParty): Promise<void>;
  /** Two parties that hear each other, or will, go on without this call, until one of them hangs up. */
  handOver(one: DialledParty, other: DialledParty): void;
  /** The caller's telephone where he is a user of the account. */
  readonly telephone: Telephone | undefined;
  /** The caller as a party of another call, which ends with the promise and may be ended. */
  asParty(life: { ended: Promise<void>; end(): void }): DialledParty;
  /** Lets other calls of this process find a talk. @returns what ends that */
  publish(talk: Talk): () => void;
  /** The talk in a call of this process that a target names; undefined where there is none. */
  findTalk(target: DialTarget): Talk | undefined;
}
