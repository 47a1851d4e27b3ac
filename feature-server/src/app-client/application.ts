import type { HookSpec, VerbSpec } from '@ringwire/verb-specs';
import type { Journal } from '../session/journal.js';

/** Where and how the customer's server is asked, as it stands in the database or in a verb. */
export interface Hook {
  /** Absolute, or relative to the application's base URL. */
  url: string;
  /** `WS`: over a WebSocket, whatever the URL's scheme. @defaultValue POST */
  method?: 'GET' | 'POST' | 'WS';
  username?: string;
  password?: string;
}

/** jambonz's types of what is asked. Over HTTP they only appear on the timeline; over a WebSocket they are sent. */
export type HookType =
  | 'session:new'
  | 'session:redirect'
  | 'session:adulting'
  | 'verb:hook'
  | 'dial:confirm'
  | 'queue:status'
  | 'call:status'
  | 'llm:event'
  | 'llm:tool-call';

/** What a WebSocket application is told without being asked (compat 3.2); an HTTP application has no place for it. */
export type NoticeType = 'verb:status' | 'tts:tokens-result' | 'tts:streaming-event' | 'jambonz:error';

/** What an application sends by itself (compat 3.5), as it came: to be read by `control/read-command.ts`. */
export interface ApplicationCommand {
  command: string;
  data?: unknown;
  /** `redirect`: behind what is queued instead of in its place. */
  queueCommand?: boolean;
  /** The leg that it is for; absent: the call of the session. */
  callSid?: string;
  toolCallId?: string;
}

/**
 * How a WebSocket application ended: `closed` by itself with code 1000, after which it is not told anything; `lost` when it cannot
 * be had again, or broke the protocol.
 */
export type ApplicationEnd = { how: 'closed' } | { how: 'lost'; reason: string };

/** What the application answered. */
export type HookReply =
  | { kind: 'verbs'; verbs: VerbSpec[]; status: number }
  /**
   * Nothing to run: an empty body, an object, or a content type that is not JSON (named in `because`). `isMeant` when the answer
   * says no more than "go on": nothing at all, or `{}`. `object` is the answer where it is a JSON object.
   */
  | { kind: 'nothing'; because: string; isMeant: boolean; status: number; object?: Readonly<Record<string, unknown>> };

/**
 * The customer's application, however it is reached. A WebSocket application implements the same interface.
 *
 * Every step is written to the call's timeline and the log by the implementation; alerts are raised by it too, so that
 * a caller only decides how the call goes on.
 */
export interface Application {
  /**
   * Asks what to do next. `payload` has camelCase keys.
   * @throws HookConnectionError, HookTimeoutError, HookStatusError, HookForbiddenError, InvalidApplicationError
   */
  request(type: HookType, hook: Hook, payload: object, signal?: AbortSignal): Promise<HookReply>;

  /**
   * Tells the application the call's status; the answer does not matter. Never rejects: failures are logged and alerted.
   * Without a hook only WebSocket applications hear of it.
   */
  notify(hook: Hook | undefined, payload: object): Promise<void>;

  /** Tells what only WebSocket applications hear; nothing elsewhere. Never fails. `data` has camelCase keys. */
  send(type: NoticeType, data: object): void;

  /** Calls back for each command that the application sends; HTTP applications send none. */
  onCommand(listener: (command: ApplicationCommand) => void): void;

  /** Calls back once when the application will not say anything any more, other than by {@link close}. HTTP applications never end. */
  onEnd(listener: (end: ApplicationEnd) => void): void;

  /** Whether the call goes on without verbs, waiting for a command of the application. */
  readonly staysOpen: boolean;

  /** The URL that relative URLs are resolved against; follows `redirect` to another host. */
  readonly baseUrl: string;

  /** Where it is by now, with the credentials that go there. */
  readonly hook?: Hook;

  /** What a WebSocket application was told when its session began: told again with `session:reconnect`. */
  readonly opening?: object | undefined;

  /** The session goes on with it, whatever it answered to its first request: from now on its end is told. */
  begin?(): void;

  /** Of a session that another process has begun: tells a WebSocket application at once that it goes on here, so that it can send commands. */
  resume?(): void;

  /** Makes the host of an absolute URL the base for what comes. */
  rebase(url: string): void;

  /**
   * The application of a leg of this call that goes on by itself: over a socket of its own, to be told `session:adulting` by
   * a request to the URL '', or over HTTP as before. The leg's session closes it.
   */
  adult?(leg: { callSid: string; journal: Journal }): Application;

  /** Ends connections that belong to this call only. */
  close(): void;
}

/** A verb's hook as a {@link Hook}. */
export function toHook(spec: HookSpec | Hook): Hook {
  if (typeof spec === 'string') return { url: spec };
  const basicAuth = 'basicAuth' in spec ? spec.basicAuth : undefined;
  const username = spec.username ?? basicAuth?.username;
  const password = spec.password ?? basicAuth?.password;
  return {
    url: spec.url,
    ...(spec.method && { method: spec.method }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  };
}

/** A {@link Hook} as verbs name one; it is the other way round. */
export function toSpec({ method, ...hook }: Hook): HookSpec {
  return { ...hook, ...(method !== undefined && method !== 'WS' && { method }) };
}
