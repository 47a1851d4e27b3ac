import { RingwireError } from '../errors.js';

/** rtpengine gave no answer in time: it is down, or the network to it is. */
export class RelayUnreachableError extends RingwireError {
  readonly code = 'media-relay/unreachable';
  override readonly retryable = true;
}

/** rtpengine answered that it will not do what was asked, for example because of an SDP that it cannot read. */
export class RelayRefusedError extends RingwireError {
  readonly code = 'media-relay/refused';
}
