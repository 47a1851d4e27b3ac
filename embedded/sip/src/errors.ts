/** Base of the errors of this package; `code` is stable and meant for matching, the message for people. */
export abstract class SipError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Why a message was refused by the parser or by the checks that every message passes. */
export type SipParseReason =
  | 'empty'
  | 'too-large'
  | 'not-sip'
  | 'bad-start-line'
  | 'bad-version'
  | 'bad-header'
  | 'too-many-headers'
  | 'truncated'
  | 'bad-content-length'
  | 'missing-header'
  | 'repeated-header'
  | 'bad-via'
  | 'bad-from'
  | 'bad-to'
  | 'bad-cseq'
  | 'bad-call-id'
  | 'bad-uri'
  | 'bad-scheme'
  | 'bad-contact'
  | 'unknown-method'
  | 'bad-max-forwards';

/** A message that cannot be understood. It is a value of {@link parseMessage}, which does not throw. */
export class SipParseError extends SipError {
  readonly code = 'sip/parse';

  constructor(
    readonly reason: SipParseReason,
    detail: string,
  ) {
    super(`${reason}: ${detail}`);
  }
}

/** No answer came in time: RFC 3261 timers B, F, H, or 64*T1 without ACK. */
export class TransactionTimeoutError extends SipError {
  readonly code = 'sip/transaction-timeout';

  constructor(
    readonly timer: string,
    readonly method: string,
  ) {
    super(`${method}: timer ${timer} fired`);
  }
}

/** The message could not be handed to the network. */
export class SipTransportError extends SipError {
  readonly code = 'sip/transport';
}

/** The operation does not fit the present state of a transaction, call or dialog. */
export class SipStateError extends SipError {
  readonly code = 'sip/invalid-state';
}

/** An INVITE was answered with 300 to 699, was cancelled, or got no answer (`status` 408 or 503, `response` undefined). */
export class InviteFailedError extends SipError {
  readonly code = 'sip/invite-failed';

  constructor(
    readonly status: number,
    readonly reason: string,
    readonly response?: unknown,
    options?: ErrorOptions,
  ) {
    super(`${status} ${reason}`, options);
  }
}
