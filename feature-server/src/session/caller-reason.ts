import {
  HookConnectionError,
  HookForbiddenError,
  HookStatusError,
  HookTimeoutError,
  InvalidApplicationError,
  MediaServerError,
} from '../errors.js';

/**
 * Why a call fails, in words that may leave the platform (`X-Reason`): what a carrier or caller can act on, without addresses and
 * ports of the operator or its customers. The details are on the timeline and in the log.
 */
export function callerReason(error: unknown): string {
  if (error instanceof HookStatusError) return `webhook answered ${error.status}`;
  if (error instanceof HookTimeoutError) return 'webhook timed out';
  if (error instanceof HookConnectionError || error instanceof HookForbiddenError) {
    const { code, trouble = code } = error.facts;
    const why = typeof trouble === 'string' && error instanceof HookConnectionError ? ` (${trouble})` : '';
    return `webhook could not be reached${why}`;
  }
  if (error instanceof InvalidApplicationError) return error.message;
  if (error instanceof MediaServerError) return 'media server not available';
  return 'internal error';
}

/** Whether a failure is on the timeline already: those of hooks and their answers are told by whoever asks them. */
export function isReportedHookFailure(error: unknown): boolean {
  return (
    error instanceof HookStatusError ||
    error instanceof HookTimeoutError ||
    error instanceof HookConnectionError ||
    error instanceof HookForbiddenError ||
    error instanceof InvalidApplicationError
  );
}
