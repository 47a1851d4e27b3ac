/** Somebody to call. */
export interface DialTarget {
  routing: 'phone' | 'sip';
  /** A number, or a SIP URI. */
  address: string;
  /** The carrier to use, by sid or name. */
  trunk?: string;
  /** Instead of the caller in From. */
  from?: { user?: string; host?: string };
  proxy?: string;
  /** The application's own headers. */
  headers: Readonly<Record<string, string>>;
}

/** What a leg that we place says of the call that it belongs to. */
export interface DialCaller {
  accountSid: string;
  applicationSid: string;
  from: string;
  displayName: string;
  /** Call-ID of the outer leg of the call that dials. */
  outerCallId?: string;
  /** Carrier of the inbound leg. */
  voipCarrierSid?: string;
  /** P-Asserted-Identity and Privacy of the caller. */
  identity: Readonly<Record<string, string>>;
}

/** What became of an INVITE. */
export type DialOutcome =
  | { ok: true; sdp: string; outerCallId: string | undefined }
  | { ok: false; status: number; reason: string };

/** A leg that we placed. */
export interface PlacedLeg {
  /** Never rejects. */
  readonly outcome: Promise<DialOutcome>;
  /** Answers re-INVITEs of the far end: its SDP to ours. */
  onModify(answer: (remoteSdp: string) => Promise<string>): void;
  /** Called once when the answered leg ends other than by {@link end}. */
  onEnd(listener: () => void): void;
  /** CANCEL or BYE, whatever it needs; never rejects and never hangs. */
  end(): Promise<void>;
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
    /** A provisional response above 100; `sdp` is empty without one. */
    onProgress(status: number, sdp: string): void;
  }): PlacedLeg;
}
