/** How much of the control port strangers and applications may take. */
export interface ControlLimits {
  /** A connection that has not authenticated by then is closed, in ms. */
  authenticateWithinMs: number;
  /** Connections to each listening port; more are refused. */
  connections: number;
  /** Connections that have not authenticated; for one more the oldest is closed. */
  strangers: number;
  /** Wrong secrets per source address before it is barred; one is forgiven a second. */
  failuresPerSource: number;
  /** How long the answer to a wrong secret waits, in ms. */
  refuseAfterMs: number;
  /** Name, connection, TLS and authentication of an application that we dial must be done by then, in ms. */
  dialWithinMs: number;
  /** Connections that we opened to applications, in all. */
  outbound: number;
  /** Of those, the ones that are not yet authenticated. */
  dialling: number;
}

export const DEFAULT_CONTROL_LIMITS: ControlLimits = {
  authenticateWithinMs: 10_000,
  connections: 1024,
  strangers: 128,
  failuresPerSource: 10,
  refuseAfterMs: 1000,
  // An INVITE waits meanwhile; drachtio-server allows 2 s for the connection and none for the rest.
  dialWithinMs: 4000,
  outbound: 8192,
  dialling: 1024,
};
