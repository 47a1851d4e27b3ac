import type { TableContext } from './client-tables.js';
import type { SipMessage } from './message.js';

export type ServerTimer = 'G' | 'H' | 'I' | 'J' | 'L';

type TimerEvent = { [T in ServerTimer]: { type: `timer${T}`; afterMs: number } }[ServerTimer];

/** Inputs of a server transaction; a timer event carries the interval it was armed with. */
export type ServerEvent =
  | { type: 'retransmission' }
  | { type: 'ack'; request: SipMessage }
  | { type: 'respondProvisional'; response: SipMessage }
  | { type: 'respondSuccess'; response: SipMessage }
  | { type: 'respondFailure'; response: SipMessage }
  | { type: 'transportError'; cause: Error }
  | TimerEvent;

/** What the runner has to do, in order. `send` makes the response the one that is resent. */
export type ServerEffect =
  | { do: 'send'; response: SipMessage }
  | { do: 'resend' }
  | { do: 'absorb' }
  | { do: 'arm'; timer: ServerTimer; ms: number }
  | { do: 'disarm'; timer: ServerTimer }
  | { do: 'passUpAck'; request: SipMessage }
  | { do: 'timeout'; timer: ServerTimer }
  | { do: 'transportError'; cause: Error };

export type ServerState = 'trying' | 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated';

type Cell<K extends ServerEvent['type']> = (
  event: Extract<ServerEvent, { type: K }>,
  context: TableContext,
) => [next: ServerState, ...effects: ServerEffect[]];
type Row = { [K in ServerEvent['type']]?: Cell<K> };
type InviteState = Exclude<ServerState, 'trying'>;
type NonInviteState = Exclude<ServerState, 'accepted' | 'confirmed'>;

const arm = (timer: ServerTimer, ms: number): ServerEffect => ({ do: 'arm', timer, ms });
const disarm = (timer: ServerTimer): ServerEffect => ({ do: 'disarm', timer });
const send = (response: SipMessage): ServerEffect => ({ do: 'send', response });
const resend: ServerEffect = { do: 'resend' };
const absorb: ServerEffect = { do: 'absorb' };
const linger = (c: TableContext, ms: number): number => (c.reliable ? 0 : ms);
const failed: Cell<'transportError'> = (e) => ['terminated', { do: 'transportError', cause: e.cause }];

/** INVITE server transaction: RFC 3261 §17.2.1 figure 7, as changed by RFC 6026 §7.1 (Accepted, Timer L). */
export const inviteServer: Record<InviteState, Row> = {
  proceeding: {
    retransmission: () => ['proceeding', absorb, resend],
    respondProvisional: (e) => ['proceeding', send(e.response)],
    respondSuccess: (e, c) => ['accepted', send(e.response), arm('L', c.timers.L)],
    respondFailure: (e, c) => [
      'completed',
      send(e.response),
      ...(c.reliable ? [] : [arm('G', c.timers.G)]),
      arm('H', c.timers.H),
    ],
    transportError: failed,
  },
  accepted: {
    // RFC 6026 §7.1: a repeated INVITE is absorbed; the core resends the 2xx until it sees the ACK.
    retransmission: () => ['accepted', absorb],
    respondSuccess: (e) => ['accepted', send(e.response)],
    ack: (e) => ['accepted', { do: 'passUpAck', request: e.request }],
    timerL: () => ['terminated'],
    transportError: (e) => ['accepted', { do: 'transportError', cause: e.cause }],
  },
  completed: {
    retransmission: () => ['completed', absorb, resend],
    timerG: (e, c) => ['completed', resend, arm('G', Math.min(2 * e.afterMs, c.timers.T2))],
    timerH: () => ['terminated', { do: 'timeout', timer: 'H' }],
    ack: (_e, c) => ['confirmed', disarm('G'), disarm('H'), arm('I', linger(c, c.timers.I))],
    transportError: failed,
  },
  confirmed: {
    ack: () => ['confirmed', absorb],
    retransmission: () => ['confirmed', absorb],
    timerI: () => ['terminated'],
  },
  terminated: {},
};

/** Non-INVITE server transaction: RFC 3261 §17.2.2 figure 8. */
export const nonInviteServer: Record<NonInviteState, Row> = {
  trying: {
    retransmission: () => ['trying', absorb],
    respondProvisional: (e) => ['proceeding', send(e.response)],
    respondSuccess: (e, c) => ['completed', send(e.response), arm('J', linger(c, c.timers.J))],
    respondFailure: (e, c) => ['completed', send(e.response), arm('J', linger(c, c.timers.J))],
    transportError: failed,
  },
  proceeding: {
    retransmission: () => ['proceeding', absorb, resend],
    respondProvisional: (e) => ['proceeding', send(e.response)],
    respondSuccess: (e, c) => ['completed', send(e.response), arm('J', linger(c, c.timers.J))],
    respondFailure: (e, c) => ['completed', send(e.response), arm('J', linger(c, c.timers.J))],
    transportError: failed,
  },
  completed: {
    retransmission: () => ['completed', absorb, resend],
    timerJ: () => ['terminated'],
    transportError: failed,
  },
  terminated: {},
};

/** One step of either table; an event without a cell changes nothing (`ignored`). */
export function stepServer(
  invite: boolean,
  state: ServerState,
  event: ServerEvent,
  context: TableContext,
): { state: ServerState; effects: ServerEffect[]; ignored: boolean } {
  const table: Partial<Record<ServerState, Row>> = invite ? inviteServer : nonInviteServer;
  const cell = table[state]?.[event.type] as Cell<ServerEvent['type']> | undefined;
  if (!cell) return { state, effects: [], ignored: true };
  const [next, ...effects] = cell(event as never, context);
  return { state: next, effects, ignored: false };
}
