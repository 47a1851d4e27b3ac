import { RingwireError } from '@ringwire/common';

/** The customer's web server could not be reached at all: refused, reset, unknown host, forbidden address. */
export class HookConnectionError extends RingwireError {
  readonly code = 'hook/connection';
  override readonly retryable = true;
}

/** The web server was reached but sent no response headers, or not the whole body, in time. */
export class HookTimeoutError extends RingwireError {
  readonly code = 'hook/timeout';
}

/** The web server answered with a status that is not 200, 202 or 204. */
export class HookStatusError extends RingwireError {
  readonly code = 'hook/status';

  constructor(
    readonly status: number,
    facts: Readonly<Record<string, unknown>>,
  ) {
    super(`webhook answered with HTTP status ${status}`, facts);
  }
}

/** The hook points at an address that hooks may not reach, or is no URL that can be requested. */
export class HookForbiddenError extends RingwireError {
  readonly code = 'hook/forbidden';
}

/** The application answered, but not with verbs that can be run. `facts` has the body, JSON path and reason. */
export class InvalidApplicationError extends RingwireError {
  readonly code = 'hook/invalid-application';
}

/** The media server went away, or refused what was asked of it. */
export class MediaServerError extends RingwireError {
  readonly code = 'media/unavailable';
  override readonly retryable = true;
}

/** The media server could not find or read the file or URL that it should play. */
export class PlaybackNotFoundError extends RingwireError {
  readonly code = 'media/not-found';
}

/** A speech vendor failed, or took longer than its deadline. */
export class SynthesisError extends RingwireError {
  readonly code = 'speech/synthesis';
}

/** A speech vendor cannot listen. */
export class RecognitionError extends RingwireError {
  readonly code = 'speech/recognition';
}

/** A SIP operation on a call that is over, or that the SIP server refused. */
export class CallGoneError extends RingwireError {
  readonly code = 'call/gone';
}

/** The session of a call is just being changed (SIP 491): whoever wants to change it tries again. */
export class ChangePendingError extends RingwireError {
  readonly code = 'call/change-pending';
  override readonly retryable = true;
}

/** A bot (Lex, Dialogflow, Rasa) refused, or what an application says of it cannot be used. */
export class BotError extends RingwireError {
  readonly code = 'bot/failed';
}
