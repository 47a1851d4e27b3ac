import type { VerbSpec } from '@ringwire/verb-specs';

/**
 * What can be done to a live call from outside its verb list. Everything that controls calls (REST update, WebSocket
 * commands, shutdown, loss of an engine) becomes one of these, so that a session has one door.
 */
export type SessionCommand =
  /** Ends the call: BYE when it is answered, else a final response. `reason` goes to the timeline and, unless `headers` has one, X-Reason. */
  | { command: 'hangup'; reason: string; headers?: Record<string, string>; sipStatus?: number }
  /** Stops the verb that runs and replaces everything queued. */
  | { command: 'redirect'; verbs: VerbSpec[] };
