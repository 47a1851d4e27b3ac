/**
 * For tests: holds everything that a customer's application is sent against the JSON Schemas that jambonz publishes, and against
 * what is known of its payloads beyond them. A test's application server tells it what it answers, so that it knows of each path which
 * verb's hook it is, and what it receives.
 */
import { ALIASES } from '../aliases.js';
import { HOOKS_OF_VERBS, type HookKindName, KINDS_OF_MESSAGES, looksLike } from './hook-kinds.js';
import { payloadFaults } from './payload-faults.js';

export type { HookKindName } from './hook-kinds.js';

/** A message to an application. */
export interface SeenHook {
  /** Path, or whole URL, that it was sent to; for a WebSocket's message its `hook`. */
  hook?: string;
  /** Its type on a WebSocket; absent for HTTP. */
  type?: string;
  payload: unknown;
}

/** Longest that a payload is shown. */
const SHOWN_CHARACTERS = 600;

const pathOf = (hook: string): string => hook.replace(/^\w+:\/\/[^/]*/, '').split(/[?#]/)[0] || '/';
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Watches one application's traffic. */
export class PayloadCheck {
  readonly #kinds = new Map<string, Set<HookKindName>>();

  /** @param report hears of each message that is wrong, in a line that names the hook, its kind, the fields and the payload */
  constructor(private readonly report: (fault: string) => void) {}

  /** A path is a hook of a kind; of several kinds where it was named for several. */
  expect(hook: string, kind: HookKindName): void {
    const path = pathOf(hook);
    this.#kinds.set(path, (this.#kinds.get(path) ?? new Set()).add(kind));
  }

  /** Learns from verbs that the application answers (or sends) which paths are which hooks. Anything else is passed over. */
  learn(answer: unknown): void {
    if (!Array.isArray(answer)) return;
    for (const element of answer) {
      if (!isObject(element)) continue;
      if (typeof element.verb === 'string') this.#learnVerb(element.verb, element);
      else for (const [name, body] of Object.entries(element)) if (isObject(body)) this.#learnVerb(name, body);
    }
  }

  /** Judges a message; what is wrong is reported. Messages without a body (GET) are passed over. */
  see({ hook = '', type, payload }: SeenHook): void {
    if (!isObject(payload) || Object.keys(payload).length === 0) return;
    if (type === 'jambonz:error' || type === 'tts:tokens-result') return;
    // The published schemas are those of calls: of a message without one there is none.
    if (payload.call_sid === undefined && payload.message_sid !== undefined) return;
    const kinds = this.#kindsOf(hook, type, payload);
    const faults = kinds.map((kind) => payloadFaults(kind, payload));
    if (faults.some((found) => found.length === 0)) return;
    const shown = JSON.stringify(payload);
    const text = shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, SHOWN_CHARACTERS)}…` : shown;
    const reasons = kinds.map((kind, index) => `as ${kind}: ${faults[index]?.join('; ')}`);
    this.report(`payload as published: ${type ?? 'hook'} ${hook} ${reasons.join(', or ')} in ${text}`);
  }

  #kindsOf(hook: string, type: string | undefined, payload: Record<string, unknown>): HookKindName[] {
    const byType = type === undefined ? undefined : KINDS_OF_MESSAGES[type];
    if (byType !== undefined) return [byType];
    const looks = looksLike(payload);
    const expected = this.#kinds.get(pathOf(hook));
    // A call's first request and its status hooks may go to any path, whatever else that path is for.
    if (expected === undefined || looks === 'session-new') return [looks];
    return expected.has(looks) ? [looks] : [...expected];
  }

  #learnVerb(name: string, body: Record<string, unknown>): void {
    const verb = ALIASES.get(name)?.verb ?? name;
    for (const [key, value] of Object.entries(body)) {
      const kind = HOOKS_OF_VERBS[verb]?.[key];
      const url = typeof value === 'string' ? value : isObject(value) ? value.url : undefined;
      if (kind !== undefined && typeof url === 'string') this.expect(url, kind);
      else if (isObject(value)) this.#learnVerb(key, value);
      else if (Array.isArray(value)) this.learn(value);
    }
  }
}
