import type { DialogTags, Replaces } from '@ringwire/common/sip/replaces.js';
import type { LegChanges, LegReply, LegRequest, LegRequestHandler, ModifyHandler, ReferHandler } from './call-leg.js';

/** Somebody to call. */
export interface DialTarget {
  routing: 'phone' | 'sip' | 'user' | 'teams' | 'talk';
  /** A number (`phone`, `teams`), a SIP URI, or a user as `name@realm`; of a talk what people call it. */
  address: string;
  /** For `talk`: the dialog of a user's telephone whose place is to be taken, with whoever he talks to by it. */
  talk?: { replaces: Replaces; user: string };
  /** The carrier to use, by sid or name. */
  trunk?: string;
  /** Instead of the caller in From. */
  from?: { user?: string; host?: string };
  proxy?: string;
  /** For `sip`: who we are where the target challenges us. */
  auth?: { username: string; password: string };
  /** For `sip`: how media to it is encrypted. */
  srtp?: 'sdes' | 'dtls';
  /** For `user`: the user part of the Request-URI, instead of that of the device's contact. */
  overrideTo?: string;
  /** For `teams`: the tenant's domain, and whether the voicemail is called. */
  tenant?: string;
  vmail?: boolean;
  /** The application's own headers. */
  headers: Readonly<Record<string, string>>;
}

/** What a leg that we place says of the call that it belongs to. */
export interface DialCaller {
  accountSid: string;
  /** Empty for a call without application. */
  applicationSid: string;
  from: string;
  /** SIP realm of the account: that of users who are named without one. */
  realm?: string;
  displayName: string;
  /** Call-ID of the outer leg of the call that dials. */
  outerCallId?: string;
  /** Carrier of the inbound leg. */
  voipCarrierSid?: string;
  /** P-Asserted-Identity and Privacy of the caller. */
  identity: Readonly<Record<string, string>>;
}

/** What the edge tells of the far end that answered. */
export interface DialledUser {
  /** Tags of the dialog with it, beside `outerCallId`. */
  outerTags?: DialogTags;
  /** `name@realm` where it is a telephone of a user of the account. */
  user?: string;
  /** Whether this user may call other users without an application. */
  mayCallUsers?: boolean;
}

/** What became of an INVITE. */
export type DialOutcome =
  | ({
      ok: true;
      sdp: string;
      outerCallId: string | undefined;
      /** Sends a key by SIP, where the far end wants keys so; absent: they go with the media. */
      sendKey?(key: string, durationMs: number | undefined): void;
    } & DialledUser)
  | {
      ok: false;
      status: number;
      reason: string;
      /** `Reason` (RFC 3326) of the final response, where it had one. */
      reasonHeader?: string;
      /** Call-ID of the leg to the outside, where there was one. */
      outerCallId?: string;
    };

/** How an answered leg ended. */
export type PlacedLegEnd =
  | { how: 'bye'; headers: Record<string, string>; reasonHeader?: string }
  | { how: 'lost'; reason: string };

/** A leg that we placed. */
export interface PlacedLeg {
  /** Never rejects. */
  readonly outcome: Promise<DialOutcome>;
  /** Call-ID of the leg to the outside, once the edge has told of it. */
  readonly outerCallId?: string | undefined;
  /** Undefined before it is answered. */
  readonly changes?: LegChanges | undefined;
  /** Who answers re-INVITEs of the far end. */
  onModify(answer: ModifyHandler): void;
  /** Digits that come by SIP INFO. */
  onDigit(listener: (key: string, durationMs: number | undefined) => void): void;
  /** Who takes its transfers; nobody until this is called, or with undefined. */
  onRefer(handler: ReferHandler | undefined): void;
  /** Host of the edge's SIP server; undefined before it is answered. */
  readonly peerHost: string | undefined;
  /** Sends a request within the answered leg. @throws CallGoneError, NoResponseError, TypeError when too many are under way */
  request(request: LegRequest): Promise<LegReply>;
  /** Who takes INFO that is no key, MESSAGE and NOTIFY of the far end; nobody until this is called, or with undefined. */
  onRequest(handler: LegRequestHandler | undefined): void;
  /** Called once when the answered leg ends other than by {@link end}: by BYE with its custom headers, or with the SIP server. */
  onEnd(listener: (end: PlacedLegEnd) => void): void;
  /** CANCEL or BYE, whatever it needs; never rejects and never hangs. */
  end(headers?: Record<string, string>): Promise<void>;
}

/** Places legs through an edge. */
export interface Dialler {
  /** @param options.offer our SDP */
  place(options: {
    target: DialTarget;
    caller: DialCaller;
    callSid: string;
    offer: string;
    answerMs: number;
    /** Call-ID of the INVITE; made by the SIP server without it. */
    callId?: string;
    /** A provisional response above 100; `sdp` is empty without one. */
    onProgress(status: number, sdp: string): void;
  }): PlacedLeg;
}
