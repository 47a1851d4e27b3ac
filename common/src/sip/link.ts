import { setMaxListeners } from 'node:events';
import type { SipStack } from './stack.js';

/** The control connection to our SIP server, watched: when it breaks, every dialog on it is out of our hands. */
export interface SipLink {
  readonly stack: SipStack;
  /** Whether requests can be sent now. */
  readonly up: boolean;
  /** Aborts when the connection that exists now is lost; every connection has its own. */
  readonly lost: AbortSignal;
  /** Called each time the connection is back after a loss. */
  onRestored(listener: () => void): void;
}

/** Every call listens to its connection: the default limit of listeners would take that for a leak. */
function newConnection(): AbortController {
  const connection = new AbortController();
  setMaxListeners(0, connection.signal);
  return connection;
}

/**
 * Watches a connected drachtio-srf. Requests that wait for an answer when the connection breaks never get one from
 * drachtio-srf: what waits must also wait for {@link SipLink.lost}.
 */
export function watchLink(stack: SipStack): SipLink {
  let up = true;
  let connection = newConnection();
  const listeners: (() => void)[] = [];
  stack.on('lost', () => {
    up = false;
    connection.abort();
  });
  stack.on('restored', () => {
    up = true;
    connection = newConnection();
    for (const listener of listeners) listener();
  });
  return {
    stack,
    get up() {
      return up;
    },
    get lost() {
      return connection.signal;
    },
    onRestored: (listener) => void listeners.push(listener),
  };
}
