import { RingwireError } from '../errors.js';

/** The control connection to the SIP server broke while something waited for it. */
export class LinkLostError extends RingwireError {
  readonly code = 'sip/link-lost';
}

/** A peer gave no final response in the time we had for it. */
export class NoResponseError extends RingwireError {
  readonly code = 'sip/no-response';
}

/** The SIP server would not send a request, for example because it no longer knows the dialog. */
export class RequestFailedError extends RingwireError {
  readonly code = 'sip/request-failed';
}
