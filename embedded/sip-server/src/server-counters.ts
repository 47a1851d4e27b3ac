/** What happened at the control port and in routing since the start. */
export class ServerCounters {
  controlConnections = 0;
  badControlFrames = 0;
  unknownCommands = 0;
  authenticationFailures = 0;
  unauthenticatedCommands = 0;
  slowControlClients = 0;
  /** Connections to the control port of sources that brought too many wrong secrets. */
  barredConnections = 0;
  /** Connections closed without authentication because there were too many of them. */
  strangersClosed = 0;
  /** TLS handshakes at the control port that failed. */
  tlsFailures = 0;
  /** Connections to applications that request-handlers asked for, and those that did not come about. */
  outboundDials = 0;
  outboundFailures = 0;
  /** Commands answered with NOK. */
  refusedCommands = 0;
  /** Requests answered 503 because no application takes the method. */
  unroutable = 0;
  /** Requests that ask for what nobody supports: answered 400, 406, 415 or 420. */
  refusedRequests = 0;
  /** Requests forwarded by the proxy, those inside dialogs too. */
  proxiedRequests = 0;
  handlerRequests = 0;
  handlerFailures = 0;
  /** Requests that the application did not answer in time. */
  unanswered = 0;
  /** Requests of peers inside dialogs that crossed another one: answered 491 or 500. */
  glares = 0;
  /** INVITEs whose reliable provisional response was never acknowledged by PRACK. */
  unacknowledgedProvisionals = 0;
  /** Reliable provisional responses of peers that were repeated or came out of order. */
  droppedProvisionals = 0;
  /** Session timers (RFC 4028): refreshes sent, and dialogs ended because one failed or did not come. */
  sessionRefreshes = 0;
  sessionsExpired = 0;
  clientsLost = 0;
  dialogsLost = 0;
}
