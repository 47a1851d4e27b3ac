import t from 'tap';
import { type ClientEvent, type ClientState, stepClient, type TableContext } from './client-tables.js';
import { SipMessage } from './message.js';
import { type ServerEvent, type ServerState, stepServer } from './server-tables.js';
import { makeTimers } from './timers.js';

/*
 * The figures of RFC 3261 §17 and RFC 6026 §7, arrow by arrow: a state, what happens, the state after it, and what is done,
 * over UDP and over a stream. An arm of a timer is written as its letter with its time in ms; `-` before a letter disarms.
 */

const timers = makeTimers();
const response = SipMessage.response(200, 'OK');
const cause = new Error('x');

type Row = [from: string, event: string, to: string, overUdp: string, overStream?: string];

const FIGURE_5: Row[] = [
  ['initial', 'start', 'calling', 'send A500 B32000', 'send B32000'],
  ['calling', 'timerA', 'calling', 'resend A1000'],
  ['calling', 'timerB', 'terminated', 'timeout'],
  ['calling', 'transportError', 'terminated', 'transportError'],
  ['calling', 'provisional', 'proceeding', '-A -B passUp'],
  ['calling', 'success', 'accepted', '-A -B passUp M32000'],
  ['calling', 'failure', 'completed', '-A -B ack passUp D32000', '-A -B ack passUp D0'],
  ['proceeding', 'provisional', 'proceeding', 'passUp'],
  ['proceeding', 'success', 'accepted', '-B passUp M32000'],
  ['proceeding', 'failure', 'completed', '-B ack passUp D32000', '-B ack passUp D0'],
  ['proceeding', 'cancelSent', 'proceeding', 'B32000'],
  ['completed', 'failure', 'completed', 'absorb ack'],
  ['completed', 'timerD', 'terminated', ''],
  ['accepted', 'success', 'accepted', 'passUp'],
  ['accepted', 'timerM', 'terminated', ''],
];

const FIGURE_6: Row[] = [
  ['initial', 'start', 'trying', 'send E500 F32000', 'send F32000'],
  ['trying', 'timerE', 'trying', 'resend E1000'],
  ['trying', 'timerF', 'terminated', 'timeout'],
  ['trying', 'transportError', 'terminated', 'transportError'],
  ['trying', 'provisional', 'proceeding', 'passUp'],
  ['trying', 'success', 'completed', '-E -F passUp K5000', '-E -F passUp K0'],
  ['trying', 'failure', 'completed', '-E -F passUp K5000', '-E -F passUp K0'],
  ['proceeding', 'timerE', 'proceeding', 'resend E4000'],
  ['proceeding', 'timerF', 'terminated', 'timeout'],
  ['proceeding', 'transportError', 'terminated', 'transportError'],
  ['proceeding', 'provisional', 'proceeding', 'passUp'],
  ['proceeding', 'success', 'completed', '-E -F passUp K5000', '-E -F passUp K0'],
  ['proceeding', 'failure', 'completed', '-E -F passUp K5000', '-E -F passUp K0'],
  ['completed', 'success', 'completed', 'absorb'],
  ['completed', 'timerK', 'terminated', ''],
];

const FIGURE_7: Row[] = [
  ['proceeding', 'retransmission', 'proceeding', 'absorb resend'],
  ['proceeding', 'respondProvisional', 'proceeding', 'send'],
  ['proceeding', 'respondSuccess', 'accepted', 'send L32000'],
  ['proceeding', 'respondFailure', 'completed', 'send G500 H32000', 'send H32000'],
  ['proceeding', 'transportError', 'terminated', 'transportError'],
  ['accepted', 'retransmission', 'accepted', 'absorb'],
  ['accepted', 'respondSuccess', 'accepted', 'send'],
  ['accepted', 'ack', 'accepted', 'passUpAck'],
  ['accepted', 'transportError', 'accepted', 'transportError'],
  ['accepted', 'timerL', 'terminated', ''],
  ['completed', 'retransmission', 'completed', 'absorb resend'],
  ['completed', 'timerG', 'completed', 'resend G1000'],
  ['completed', 'timerH', 'terminated', 'timeout'],
  ['completed', 'transportError', 'terminated', 'transportError'],
  ['completed', 'ack', 'confirmed', '-G -H I5000', '-G -H I0'],
  ['confirmed', 'ack', 'confirmed', 'absorb'],
  ['confirmed', 'timerI', 'terminated', ''],
];

const FIGURE_8: Row[] = [
  ['trying', 'retransmission', 'trying', 'absorb'],
  ['trying', 'respondProvisional', 'proceeding', 'send'],
  ['trying', 'respondSuccess', 'completed', 'send J32000', 'send J0'],
  ['trying', 'respondFailure', 'completed', 'send J32000', 'send J0'],
  ['proceeding', 'retransmission', 'proceeding', 'absorb resend'],
  ['proceeding', 'respondProvisional', 'proceeding', 'send'],
  ['proceeding', 'respondSuccess', 'completed', 'send J32000', 'send J0'],
  ['proceeding', 'respondFailure', 'completed', 'send J32000', 'send J0'],
  ['proceeding', 'transportError', 'terminated', 'transportError'],
  ['completed', 'retransmission', 'completed', 'absorb resend'],
  ['completed', 'transportError', 'terminated', 'transportError'],
  ['completed', 'timerJ', 'terminated', ''],
];

/** The effects in the notation of the rows; several of one kind of end are one word. */
function written(effects: ReadonlyArray<{ do: string; timer?: string; ms?: number }>): string {
  return effects
    .map((effect) => {
      if (effect.do === 'arm') return `${effect.timer}${effect.ms}`;
      return effect.do === 'disarm' ? `-${effect.timer}` : effect.do;
    })
    .join(' ');
}

function event(type: string): unknown {
  return { type, response, request: response, cause, afterMs: 500 };
}

const client = (invite: boolean) => (from: string, type: string, context: TableContext) =>
  stepClient(invite, from as ClientState, event(type) as ClientEvent, context);
const server = (invite: boolean) => (from: string, type: string, context: TableContext) =>
  stepServer(invite, from as ServerState, event(type) as ServerEvent, context);

for (const [figure, rows, step] of [
  ['figure 5, RFC 6026 §7.2: INVITE client', FIGURE_5, client(true)],
  ['figure 6: non-INVITE client', FIGURE_6, client(false)],
  ['figure 7, RFC 6026 §7.1: INVITE server', FIGURE_7, server(true)],
  ['figure 8: non-INVITE server', FIGURE_8, server(false)],
] as const) {
  for (const [from, what, to, overUdp, overStream = overUdp] of rows) {
    t.test(`RFC 3261 §17 ${figure}, ${from}: ${what} leads to ${to}`, async (t) => {
      for (const [reliable, effects] of [
        [false, overUdp],
        [true, overStream],
      ] as const) {
        const done = step(from, what, { timers, reliable });
        t.same([done.state, written(done.effects)], [to, effects], reliable ? 'over a stream' : 'over UDP');
      }
    });
  }

  t.test(`RFC 3261 §17 ${figure}: no other event changes anything but what says nothing`, async (t) => {
    const known = new Set(rows.map(([from, what]) => `${from} ${what}`));
    const states = new Set(rows.flatMap(([from, , to]) => [from, to]));
    const events = new Set(rows.map(([, what]) => what));
    for (const from of states) {
      for (const what of events) {
        if (known.has(`${from} ${what}`)) continue;
        const done = step(from, what, { timers, reliable: false });
        t.equal(done.state, KNOWN_EXTRAS.get(`${from} ${what}`) ?? from, `${from} ${what}`);
      }
    }
  });
}

/** Beyond the figures: a cancelled INVITE is given up (§9.1), and a server that has not answered hears of a broken transport. */
const KNOWN_EXTRAS = new Map([
  ['proceeding timerB', 'terminated'],
  ['trying transportError', 'terminated'],
  ['proceeding transportError', 'terminated'],
]);
