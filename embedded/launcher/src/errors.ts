import { RingwireError } from '@ringwire/common';

/** Another launcher already runs on this data directory. Fact: `pid`. */
export class AlreadyRunningError extends RingwireError {
  readonly code = 'launcher/already-running';
}

/** The launcher was told to stop while it was starting. */
export class StartInterruptedError extends RingwireError {
  readonly code = 'launcher/interrupted';
}

/** A part of the platform could not be started. Fact: `part`. */
export class PartFailedError extends RingwireError {
  readonly code = 'launcher/part-failed';
}

/** The platform runs but cannot take a call. */
export class NotServingError extends RingwireError {
  readonly code = 'launcher/not-serving';
}

/** An existing service that the environment names cannot be used; the message has a line for each, with what to correct. */
export class ExistingServiceError extends RingwireError {
  readonly code = 'launcher/existing-service';
}
