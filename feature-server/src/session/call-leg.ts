import type { Replaces } from '@ringwire/common/sip/replaces.js';
import type { MediaMove } from '@ringwire/common/sip/session-changes.js';

/** How the far end, or the SIP server, ended a leg. */
export type LegEnd =
  /** The caller gave up before an answer: CANCEL, with its `Reason`. */
  | { how: 'cancelled'; reasonHeader?: string }
  /** BYE, with its custom headers and its `Reason`. */
  | { how: 'bye'; headers: Record<string, string>; reasonHeader?: string }
  /** The SIP server is gone, and the leg with it. */
  | { how: 'lost'; reason: string };

/** A request within a leg's dialog, beside those that set it up, change or end it. */
export interface LegRequest {
  method: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
  /** What the edge is to do with the call (docs/interfaces.md): an INFO with this as its X-Reason, which applications cannot send. */
  order?: string;
}

/** What a request of ours was answered. */
export interface LegReply {
  status: number;
  reason: string;
  /** X-Reason of the answer. */
  why?: string;
}

/** Takes a request of the far end; the status that its sender gets, undefined where it is nobody's: 200 then. */
export type LegRequestHandler = (request: LegRequest) => number | undefined;

/** The far end asks to be replaced by a call to somebody else (REFER, RFC 3515). */
export interface ReferRequest {
  /** Refer-To, without its headers. */
  uri: string;
  /** The call with him whom the far end's partner is to talk with: an attended transfer (RFC 3891, RFC 5589 §7). */
  replaces?: Replaces;
  referredBy: string | undefined;
  /** As they came: `Refer-To`, `User-Agent` and others. */
  headers: Readonly<Record<string, string>>;
  /** Tells how the new call goes; a final status ends that. Never rejects. */
  notify(status: number, reason: string): Promise<void>;
}

/** From and To of a request of the far end, and all its headers as they came. */
export interface RequestParties {
  from: string;
  to: string;
  headers?: Readonly<Record<string, string>>;
}

/**
 * Answers a re-INVITE: new SDP of the far end to SDP of ours; `isReplaced`: somebody else is there from now on. `isAnswer`: it is what the ACK answers to
 * an offer of ours, which the far end had asked for; nothing is answered to that.
 */
export type ModifyHandler = (
  remoteSdp: string,
  isReplaced?: boolean,
  parties?: RequestParties,
  isAnswer?: boolean,
) => Promise<string>;

/** Takes a transfer in hand; the status that its sender gets, 202 when it is begun. */
export type ReferHandler = (refer: ReferRequest) => number;

/** What the far end says to an offer of ours. */
export interface ChangeReply {
  status: number;
  reason: string;
  /** Its SDP; empty where it refused. */
  sdp: string;
}

/** Offers and answers of an answered leg, and those that are ours to make (re-INVITE, RFC 3261 §14). */
export interface LegChanges {
  /** The SDP that the far end gave last. */
  readonly remoteSdp: string;
  /** Whether that was the answer to an offer of ours. */
  readonly isAnswer: boolean;
  /**
   * Offers; `move` tells the edge what for. 491 where another change is under way.
   * @throws CallGoneError, NoResponseError
   */
  offer(sdp: string, move: MediaMove): Promise<ChangeReply>;
  /**
   * Asks the far end for its offer, which `ack` answers, once; with nothing it is as if it had not been asked. Missing where it refused.
   * @throws CallGoneError, NoResponseError
   */
  askForOffer(move: MediaMove): Promise<ChangeReply & { ack?(sdp: string): void }>;
}

/** One SIP leg, as a session sees it. */
export interface CallLeg {
  /** SDP of the far end's offer; empty without one. */
  readonly remoteSdp: string;
  /** Undefined before it is answered. */
  readonly changes?: LegChanges | undefined;
  readonly isAnswered: boolean;
  /** 180; does nothing when the call was answered, refused or cancelled. */
  ring(): void;
  /** 183 with SDP. */
  earlyMedia(sdp: string): Promise<void>;
  /**
   * 200 with SDP.
   * @throws CallGoneError when the caller cancelled meanwhile
   */
  answer(sdp: string): Promise<void>;
  /** Final response to an unanswered call; does nothing when there was one. */
  reject(status: number, reason: string | undefined, headers: Record<string, string>): void;
  /** BYE; never rejects and never hangs. */
  hangup(headers: Record<string, string>): Promise<void>;
  /** Called once, when the leg ends other than by {@link reject} or {@link hangup}. */
  onEnd(listener: (end: LegEnd) => void): void;
  /** Digits that come by SIP INFO. */
  onDigit(listener: (key: string, durationMs: number | undefined) => void): void;
  /** Who answers re-INVITEs. */
  onModify(answer: ModifyHandler): void;
  /** Who takes transfers; nobody until this is called, or with undefined. */
  onRefer(handler: ReferHandler | undefined): void;
  /** Host of the SIP server that the leg leads to; undefined before it is answered. */
  readonly peerHost: string | undefined;
  /**
   * Sends a request within the call; resolves with its final response, whatever its status.
   *
   * @throws CallGoneError, NoResponseError, TypeError when too many are under way
   */
  request(request: LegRequest): Promise<LegReply>;
  /** Who takes INFO that is no key, MESSAGE and NOTIFY of the far end; nobody until this is called, or with undefined. */
  onRequest(handler: LegRequestHandler | undefined): void;
}
