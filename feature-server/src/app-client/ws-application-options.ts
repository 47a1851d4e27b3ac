import type { Journal } from '../session/journal.js';
import type { AddressGuard } from './address-guard.js';
import type { Hook, HookType } from './application.js';
import { DEFAULT_SOCKET_LIMITS, type SocketLimits } from './socket-connection.js';

/** Bounds of a conversation over sockets, on top of those of each connection. */
export interface ConversationLimits extends SocketLimits {
  /** How long an application may take to acknowledge a message, ms (jambonz: 5 000). */
  ackTimeoutMs: number;
  /** How long a message waits for a lost connection, ms; then it has failed. */
  holdMs: number;
}

/** Defaults of {@link ConversationLimits}; a message is held longer than five attempts to connect again take. */
export const DEFAULT_CONVERSATION_LIMITS: ConversationLimits = {
  ...DEFAULT_SOCKET_LIMITS,
  ackTimeoutMs: 5_000,
  holdMs: 15_000,
};

/** What a WebSocket application is, and what it shares with us. */
export interface WebSocketApplicationOptions {
  /** Its URL, with credentials for the handshake. */
  hook: Hook;
  /** What a relative URL is resolved against. */
  base?: string;
  callSid: string;
  journal: Journal;
  /** 32 hexadecimal digits; goes out as `b3`. */
  traceId: string;
  guard: AddressGuard;
  limits: ConversationLimits;
  /** Of a session that is begun already: with what. */
  opening?: object;
  /** Whether somebody else can take over: then it is given up after a few attempts to connect again, instead of never. */
  hasFallback?: boolean;
  /** Called once per finished request, for metrics. */
  onExchange?: (type: HookType, outcome: string, ms: number) => void;
}
