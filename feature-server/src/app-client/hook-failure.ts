import { maskText } from '@ringwire/common';
import {
  HookConnectionError,
  HookForbiddenError,
  HookStatusError,
  HookTimeoutError,
  InvalidApplicationError,
} from '../errors.js';
import type { Journal } from '../session/journal.js';
import type { HookType } from './application.js';
import type { RetryPolicy } from './hook-url.js';

/** Whether an outcome is a failure after which the same may succeed in a moment. */
export function isWorthAnotherTry(outcome: unknown, retry: RetryPolicy): outcome is Error {
  if (outcome instanceof HookStatusError) return retry.status(outcome.status);
  if (outcome instanceof HookTimeoutError) return retry.timeout;
  if (outcome instanceof HookForbiddenError) return false;
  return outcome instanceof HookConnectionError && retry.connection;
}

/** Writes a failed hook on the timeline and into the log, and raises the alert that belongs to it. */
export function reportHookFailure(journal: Journal, type: HookType, url: string, error: unknown): void {
  const { timeline, log, alert } = journal;
  const shown = maskText(url);
  const facts = error instanceof Error && 'facts' in error ? (error.facts as Record<string, unknown>) : {};
  const text = error instanceof Error ? error.message : String(error);
  log.warn({ err: error, url: shown, hookType: type, ...facts }, 'webhook failed');
  timeline.error('hook', `${shown}: ${text}`, { type, ...facts });
  if (error instanceof InvalidApplicationError) {
    alert('invalid-app-payload', `answer of ${shown} cannot be run: ${text}`, JSON.stringify(facts).slice(0, 2000));
  } else if (error instanceof HookStatusError) {
    alert('webhook-failure', `${shown}: ${text}`, String(facts.answer ?? ''));
  } else {
    alert('webhook-connection-failure', `${shown}: ${text}`);
  }
}
