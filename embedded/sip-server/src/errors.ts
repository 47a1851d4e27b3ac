import { RingwireError } from '@ringwire/common/errors.js';

/** What an application asked for cannot be done; the message is what it is told. */
export class CommandError extends RingwireError {
  readonly code = 'sip-server/command';
}

/** A request that is not in the command line's language. */
export class ArgumentError extends RingwireError {
  readonly code = 'sip-server/argument';
}

/** An address that cannot be listened on; the message names the flag. */
export class ListenError extends RingwireError {
  readonly code = 'sip-server/listen';
}

/** The HTTP request-handler gave no usable instruction. */
export class RoutingError extends RingwireError {
  readonly code = 'sip-server/routing';
}

/** An application that a request-handler named could not be connected to. */
export class DialError extends RingwireError {
  readonly code = 'sip-server/dial';
}
