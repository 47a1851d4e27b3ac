import type { SipMessage } from './message.js';
import type { SipTimers } from './timers.js';

/** What a table may look at besides the event. */
export interface TableContext {
  timers: SipTimers;
  /** TCP: nothing is retransmitted and nothing lingers for repeats. */
  reliable: boolean;
}

export type ClientTimer = 'A' | 'B' | 'D' | 'E' | 'F' | 'K' | 'M';

type TimerEvent = { [T in ClientTimer]: { type: `timer${T}`; afterMs: number } }[ClientTimer];

/** Inputs of a client transaction; a timer event carries the interval it was armed with. */
export type ClientEvent =
  | { type: 'start' }
  | { type: 'provisional'; response: SipMessage }
  | { type: 'success'; response: SipMessage }
  | { type: 'failure'; response: SipMessage }
  | { type: 'cancelSent' }
  | { type: 'transportError'; cause: Error }
  | TimerEvent;

/** What the runner has to do, in order. */
export type ClientEffect =
  | { do: 'send' }
  | { do: 'resend' }
  | { do: 'ack'; response: SipMessage }
  | { do: 'arm'; timer: ClientTimer; ms: number }
  | { do: 'disarm'; timer: ClientTimer }
  | { do: 'passUp'; response: SipMessage }
  | { do: 'absorb' }
  | { do: 'timeout'; timer: ClientTimer }
  | { do: 'transportError'; cause: Error };

export type ClientState = 'initial' | 'calling' | 'trying' | 'proceeding' | 'accepted' | 'completed' | 'terminated';

type Cell<K extends ClientEvent['type']> = (
  event: Extract<ClientEvent, { type: K }>,
  context: TableContext,
) => [next: ClientState, ...effects: ClientEffect[]];
type Row = { [K in ClientEvent['type']]?: Cell<K> };
type InviteState = Exclude<ClientState, 'trying'>;
type NonInviteState = Exclude<ClientState, 'calling' | 'accepted'>;

const arm = (timer: ClientTimer, ms: number): ClientEffect => ({ do: 'arm', timer, ms });
const disarm = (timer: ClientTimer): ClientEffect => ({ do: 'disarm', timer });
const passUp = (response: SipMessage): ClientEffect => ({ do: 'passUp', response });
const ack = (response: SipMessage): ClientEffect => ({ do: 'ack', response });
const failed: Cell<'transportError'> = (e) => ['terminated', { do: 'transportError', cause: e.cause }];
const unlessReliable = (c: TableContext, ...effects: ClientEffect[]): ClientEffect[] => (c.reliable ? [] : effects);
const linger = (c: TableContext, ms: number): number => (c.reliable ? 0 : ms);

/** INVITE client transaction: RFC 3261 §17.1.1.2 figure 5, as changed by RFC 6026 §7.2 (Accepted, Timer M). */
export const inviteClient: Record<InviteState, Row> = {
  initial: {
    start: (_e, c) => ['calling', { do: 'send' }, ...unlessReliable(c, arm('A', c.timers.A)), arm('B', c.timers.B)],
  },
  calling: {
    timerA: (e) => ['calling', { do: 'resend' }, arm('A', 2 * e.afterMs)],
    timerB: () => ['terminated', { do: 'timeout', timer: 'B' }],
    provisional: (e) => ['proceeding', disarm('A'), disarm('B'), passUp(e.response)],
    success: (e, c) => ['accepted', disarm('A'), disarm('B'), passUp(e.response), arm('M', c.timers.M)],
    failure: (e, c) => [
      'completed',
      disarm('A'),
      disarm('B'),
      ack(e.response),
      passUp(e.response),
      arm('D', linger(c, c.timers.D)),
    ],
    transportError: failed,
  },
  proceeding: {
    provisional: (e) => ['proceeding', passUp(e.response)],
    success: (e, c) => ['accepted', disarm('B'), passUp(e.response), arm('M', c.timers.M)],
    failure: (e, c) => ['completed', disarm('B'), ack(e.response), passUp(e.response), arm('D', linger(c, c.timers.D))],
    // §9.1: a cancelled INVITE without final response is given up after 64*T1.
    cancelSent: (_e, c) => ['proceeding', arm('B', 64 * c.timers.T1)],
    timerB: () => ['terminated', { do: 'timeout', timer: 'B' }],
    transportError: failed,
  },
  accepted: {
    success: (e) => ['accepted', passUp(e.response)],
    timerM: () => ['terminated'],
  },
  completed: {
    failure: (e) => ['completed', { do: 'absorb' }, ack(e.response)],
    timerD: () => ['terminated'],
    transportError: () => ['completed'],
  },
  terminated: {},
};

/** Non-INVITE client transaction: RFC 3261 §17.1.2.2 figure 6. */
export const nonInviteClient: Record<NonInviteState, Row> = {
  initial: {
    start: (_e, c) => ['trying', { do: 'send' }, ...unlessReliable(c, arm('E', c.timers.E)), arm('F', c.timers.F)],
  },
  trying: {
    timerE: (e, c) => ['trying', { do: 'resend' }, arm('E', Math.min(2 * e.afterMs, c.timers.T2))],
    timerF: () => ['terminated', { do: 'timeout', timer: 'F' }],
    provisional: (e) => ['proceeding', passUp(e.response)],
    success: (e, c) => ['completed', disarm('E'), disarm('F'), passUp(e.response), arm('K', linger(c, c.timers.K))],
    failure: (e, c) => ['completed', disarm('E'), disarm('F'), passUp(e.response), arm('K', linger(c, c.timers.K))],
    transportError: failed,
  },
  proceeding: {
    timerE: (_e, c) => ['proceeding', { do: 'resend' }, arm('E', c.timers.T2)],
    timerF: () => ['terminated', { do: 'timeout', timer: 'F' }],
    provisional: (e) => ['proceeding', passUp(e.response)],
    success: (e, c) => ['completed', disarm('E'), disarm('F'), passUp(e.response), arm('K', linger(c, c.timers.K))],
    failure: (e, c) => ['completed', disarm('E'), disarm('F'), passUp(e.response), arm('K', linger(c, c.timers.K))],
    transportError: failed,
  },
  completed: {
    provisional: () => ['completed', { do: 'absorb' }],
    success: () => ['completed', { do: 'absorb' }],
    failure: () => ['completed', { do: 'absorb' }],
    timerK: () => ['terminated'],
  },
  terminated: {},
};

/** One step of either table; an event without a cell changes nothing (`ignored`). */
export function stepClient(
  invite: boolean,
  state: ClientState,
  event: ClientEvent,
  context: TableContext,
): { state: ClientState; effects: ClientEffect[]; ignored: boolean } {
  const table: Partial<Record<ClientState, Row>> = invite ? inviteClient : nonInviteClient;
  const cell = table[state]?.[event.type] as Cell<ClientEvent['type']> | undefined;
  if (!cell) return { state, effects: [], ignored: true };
  const [next, ...effects] = cell(event as never, context);
  return { state: next, effects, ignored: false };
}
