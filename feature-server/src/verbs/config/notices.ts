import type { ConfigPart } from './part.js';

/** What WebSocket applications are told. */
export const notices: ConfigPart = {
  properties: ['notifyEvents'],
  apply({ defaults }, { notifyEvents }) {
    // Once on it stays on (compat 1.3.6).
    if (notifyEvents) defaults.notifiesEvents = true;
  },
};
