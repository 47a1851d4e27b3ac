import type { MediaRelay, Side } from '../media-relay/media-relay.js';
import type { SiprecSettings } from '../siprec/call-recording.js';
import type { BridgedCall } from './bridged-call.js';
import type { CallJournal } from './call-journal.js';
import type { FeatureServerWatch } from './feature-server-watch.js';
import type { SipLink } from './link.js';
import type { LiveCalls } from './live-calls.js';
import type { Orphans } from './orphans.js';
import type { LegFailure, LegTarget } from './place-leg.js';
import type { ReferRules } from './refer.js';
import type { SipHeaders, SipMessageView, SipRequest, SipResponse } from './stack.js';
import type { SetupObserver } from './two-leg-setup.js';

/** What all bridged calls of one process share. */
export interface BridgedCallContext {
  link: SipLink;
  relay: MediaRelay;
  orphans: Orphans;
  calls: LiveCalls<BridgedCall>;
  /** Whether both ends of a call may talk with each other past the relay, where a feature server asks for that. */
  allowsBypass: boolean;
  keepaliveMs: number;
  /** How often the far end of a call is asked whether it is there; 0: never. */
  farKeepaliveMs: number;
  answerMs: number;
  /** From the {@link FeatureServerWatch}. */
  onGone: FeatureServerWatch['onGone'];
  /** The living feature server at `ip:port`. */
  featureServerAt: FeatureServerWatch['at'];
  /** Tells the other feature servers that this one may have died. */
  suspect(featureServer: string): void;
  siprec: SiprecSettings;
}

/** One call to connect: everything that the two edges decide differently. */
export interface BridgedCallPlan {
  /** Ends the count of the INVITE (`LiveCalls.enter`): from then on the call itself is counted. */
  counted?: () => void;
  request: SipRequest;
  response: SipResponse;
  /** From `watchCancel`, called when the INVITE came in. */
  abandoned: AbortSignal;
  journal: CallJournal;
  /** The caller's SDP; empty without one. */
  offer: string;
  callerTag: string;
  /** Our tag in the caller's dialog, where somebody must know it before the answer; made up without it. */
  localTag?: string;
  nextTarget(failure?: LegFailure): LegTarget | null | Promise<LegTarget | null>;
  /** What responses to the caller carry besides what the far end sent in this one (or in the INVITE with which it picked the call up). */
  responseHeaders?(message: SipMessageView): SipHeaders;
  /** Is told of the set-up too, and tells of failed attempts itself. */
  observer?: SetupObserver;
  /** The side on which a feature server is: it may die without a BYE, and what it says of a failure is believed. */
  watchedSide: Side;
  /** The instance id of that feature server; asked once the call is answered. */
  watched?(target: LegTarget): string | undefined;
  /** The status that the caller gets for a failure, where it is not the usual one. */
  outwardStatus?(failure: LegFailure): number | undefined;
  /** What the far end is called on the timeline. */
  farEnd: string;
  /** Whether another telephone may take the call while it rings. */
  mayBePickedUp?: boolean;
  /** How transfers by the feature server are done. */
  refer?: ReferRules;
  /** The URI of who is called, where that is not the Request-URI of the outer leg: a user's is not that of his device. */
  calledUri?(): string | undefined;
}
