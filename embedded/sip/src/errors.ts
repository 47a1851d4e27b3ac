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

/** The message could not be handed to the network, or the connection that took it is lost. */
export class SipTransportError extends SipError {
  readonly code = 'sip/transport';

  /** Says in plain words what failed below; the cause keeps the rest. */
  static of(cause: Error): SipTransportError {
    if (cause instanceof SipTransportError) return cause;
    return new SipTransportError(plainly(cause), { cause });
  }
}

/** OpenSSL's own text has numbers, functions and source files in it, and ends in a line break. */
function plainly({ message, reason, code, name }: NodeJS.ErrnoException & { reason?: string }): string {
  const [, routineFailed] = /\berror:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/i.exec(message) ?? [];
  if (routineFailed !== undefined) return `TLS: ${routineFailed}`;
  return message.replace(/\s+/g, ' ').trim() || (reason ?? code ?? name);
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
