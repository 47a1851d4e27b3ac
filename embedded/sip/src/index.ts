export * from './address.js';
export { checkMessage, statusOfFault } from './check-message.js';
export type { ClientState } from './client-tables.js';
export { ClientTransaction, type ClientTransactionEvents } from './client-transaction.js';
export { SipCounters } from './counters.js';
export { endpointOfUri, nextHop, nextHopUri } from './destination.js';
export {
  type Content,
  Dialog,
  type DialogEnd,
  type DialogEvents,
  type ExtraHeaders,
  IncomingReinvite,
} from './dialog.js';
export { contactUri, DialogState, dialogKey, dialogKeyOfRequest } from './dialog-state.js';
export * from './errors.js';
export { newBranch, newCallId, newTag } from './ids.js';
export { type AnswerOptions, IncomingCall, type IncomingCallEvents } from './incoming-call.js';
export type { ListenOptions } from './listeners.js';
export { parseNetwork } from './listening-points.js';
export { type SipHeader, SipMessage, splitList } from './message.js';
export { OutgoingCall, type OutgoingCallEvents } from './outgoing-call.js';
export { DEFAULT_LIMITS, type ParseLimits, type ParseResult, parseMessage } from './parse-message.js';
export { reasonPhrase } from './reasons.js';
export {
  hasOptionTag,
  parseRAck,
  type RAck,
  type ReliableOptions,
  ReliableProvisionals,
  rseqOf,
} from './reliable-provisional.js';
export type { ResolverOptions } from './resolver.js';
export { createResponse } from './response.js';
export type { ServerState } from './server-tables.js';
export { ServerTransaction, type ServerTransactionEvents } from './server-transaction.js';
export { ShortLivedMap } from './short-lived-map.js';
export {
  DEFAULT_SOURCE_LIMITS,
  type LimitReason,
  type SourceLimitOptions,
  SourceLimits,
} from './source-limits.js';
export { type Framed, StreamFramer } from './stream-framer.js';
export { DEFAULT_TCP_LIMITS, type TcpLimits } from './tcp-transport.js';
export { makeTimers, type SipClock, type SipTimers, systemClock } from './timers.js';
export type { Certificate, TlsSettings } from './tls-settings.js';
export { TransactionLayer, type TransactionLayerEvents, type TransactionLayerOptions } from './transaction-layer.js';
export {
  bracketed,
  type CloseReason,
  defaultPort,
  type Endpoint,
  isReliable,
  isTransportName,
  type MessageSource,
  type TransportName,
  transportParam,
  unbracketed,
} from './transport.js';
export {
  createUserAgent,
  type InviteOptions,
  type RequestOptions,
  UserAgent,
  type UserAgentOptions,
} from './user-agent.js';
export { formatVia, parseCSeq, parseVia, type Via } from './via.js';
export type { WireTap } from './wire.js';
