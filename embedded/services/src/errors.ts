import { RingwireError } from '@ringwire/common';

/** A program that a service needs is not on PATH. */
export class ProgramMissingError extends RingwireError {
  readonly code = 'services/program-missing';
}

/** A child process ended, or stayed silent for too long, before it was ready. Facts: `name`, `log`, `exitCode`, `signal`. */
export class ProcessStartError extends RingwireError {
  readonly code = 'services/start-failed';
}

/** A private database could not be set up; the message has the last lines of what the set-up said. */
export class DatabaseSetupError extends RingwireError {
  readonly code = 'services/database-setup';
}

/** No port that is free for all the protocols asked for was found. */
export class NoFreePortError extends RingwireError {
  readonly code = 'services/no-free-port';
  override readonly retryable = true;
}
