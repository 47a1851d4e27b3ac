import type { VerbSpec } from '@ringwire/verb-specs';
import type { Application, Hook, HookReply } from '../app-client/application.js';
import { checkVerbs } from '../app-client/read-verbs.js';
import { InvalidApplicationError } from '../errors.js';
import type { Journal } from './journal.js';
import { namesOf } from './session-application.js';

/** Where a call's first verbs come from, in the order in which they are tried. */
export interface VerbSources {
  /** A document stored with the application; used instead of the call hook. */
  stored?: string;
  callHook?: Hook;
  /** Asked when the call hook fails. */
  fallbackHook?: Hook;
  /** A document of verbs that are run when the hooks fail. */
  fallbackStored?: string;
}

/** What {@link loadFirstVerbs} works with. */
export interface FirstVerbsOptions {
  sources: VerbSources;
  application: Application;
  payload: object;
  journal: Journal;
  signal: AbortSignal;
}

/**
 * The verbs that a call begins with: stored document, else call hook, else fallback hook, else fallback verbs.
 *
 * @throws the error of the first source that was tried, when none gave verbs
 */
export async function loadFirstVerbs(options: FirstVerbsOptions): Promise<VerbSpec[]> {
  const { sources, journal, signal } = options;
  try {
    if (sources.stored !== undefined) return readStored(sources.stored, 'stored application', journal);
    if (sources.callHook) return await ask(options, sources.callHook);
    const text = 'no configured application';
    journal.timeline.error('hook', text);
    throw new InvalidApplicationError(text);
  } catch (error) {
    if (signal.aborted) throw error;
    const fallback = await loadFallbackVerbs(options);
    if (fallback) return fallback;
    throw error;
  }
}

/**
 * The verbs that a call goes on with when its application has failed: fallback hook, else fallback verbs; undefined where there are none.
 *
 * @throws where the signal aborts
 */
export async function loadFallbackVerbs(options: FirstVerbsOptions): Promise<VerbSpec[] | undefined> {
  const { sources, journal, signal } = options;
  if (sources.fallbackHook) {
    journal.timeline.warn('hook', 'the fallback URL of the application is asked');
    try {
      return await ask(options, sources.fallbackHook);
    } catch (error) {
      // Reported by the application client; the stored verbs are next.
      if (signal.aborted) throw error;
    }
  }
  if (sources.fallbackStored === undefined) return undefined;
  journal.timeline.warn('hook', 'the fallback verbs of the application are run');
  try {
    return readStored(sources.fallbackStored, 'fallback verbs', journal);
  } catch {
    // Reported; the error that led here is what the call ends with.
    return undefined;
  }
}

async function ask(options: FirstVerbsOptions, hook: Hook): Promise<VerbSpec[]> {
  const { application, payload, journal, signal } = options;
  const reply: HookReply = await application.request('session:new', hook, payload, signal);
  if (reply.kind === 'verbs' && reply.verbs.length > 0) {
    journal.timeline.info('hook', `verbs: ${namesOf(reply.verbs)}`);
    return reply.verbs;
  }
  const because = reply.kind === 'nothing' ? reply.because : 'it is an empty array';
  const error = new InvalidApplicationError(`answer holds no verbs: ${because}`);
  report(journal, 'first answer of the application', error);
  throw error;
}

function readStored(document: string, what: string, journal: Journal): VerbSpec[] {
  try {
    const verbs = nonEmpty(checkVerbs(JSON.parse(document), document));
    journal.timeline.info('hook', `${what}: ${namesOf(verbs)}`);
    return verbs;
  } catch (error) {
    report(journal, what, error);
    throw error;
  }
}

function nonEmpty(verbs: VerbSpec[]): VerbSpec[] {
  if (verbs.length === 0) throw new InvalidApplicationError('it is an empty array');
  return verbs;
}

function report(journal: Journal, what: string, error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  const facts = error instanceof InvalidApplicationError ? error.facts : {};
  journal.timeline.error('hook', `${what}: ${text}`, { ...facts });
  journal.alert('invalid-app-payload', `${what} cannot be run: ${text}`);
}
