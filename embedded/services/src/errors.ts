import { RingwireError } from '@ringwire/common';

/** A program that a service needs is not on PATH. */
export class ProgramMissingError extends RingwireError {
  readonly code = 'services/program-missing';
}

/** A child process ended, or stayed silent for too long, before it was ready. Facts: `name`, `log`, `exitCode`, `signal`. */
export class ProcessStartError extends RingwireError {
  readonly code = 'services/start-failed';
}

/** No port that is free for all the protocols asked for was found. */
export class NoFreePortError extends RingwireError {
  readonly code = 'services/no-free-port';
  override readonly retryable = true;
}
