import t from 'tap';
import { admits, CIRCUIT_RULES, type Circuit, type CircuitEvent, HEALTHY, stepCircuit } from './circuit.js';

const play = (circuit: Circuit, ...events: CircuitEvent[]): Circuit =>
  events.reduce((state, event) => stepCircuit(state, event), circuit);
const failed = (atMs = 0): CircuitEvent => ({ type: 'attempt', failed: true, startedAtMs: atMs, atMs });
const good = (atMs = 0, startedAtMs = atMs): CircuitEvent => ({ type: 'attempt', failed: false, startedAtMs, atMs });
const asked = (atMs: number): CircuitEvent => ({ type: 'asked', atMs });
const { firstOutMs, oneCallOf, maxOutMs } = CIRCUIT_RULES;
const fiveFailures = Array.from({ length: 5 }, () => failed());

t.test(
  'circuit: four failures in a row and a success leave a gateway in; the fifth in a row takes it out',
  async (t) => {
    const four = fiveFailures.slice(1);
    t.equal(play(HEALTHY, ...four, good(), ...four).state, 'closed');
    t.match(play(HEALTHY, ...fiveFailures), {
      state: 'open',
      why: '5 attempts in a row failed',
      outUntilMs: firstOutMs,
    });
  },
);

t.test(
  'circuit: half of ten attempts of all processes failing takes it out; nine attempts are too few to tell',
  async (t) => {
    const window = (attempts: number, failures: number): CircuitEvent => ({
      type: 'window',
      attempts,
      failures,
      atMs: 7,
    });
    t.equal(play(HEALTHY, window(9, 9)).state, 'closed');
    t.equal(play(HEALTHY, window(10, 4)).state, 'closed');
    t.match(play(HEALTHY, window(10, 5)), { state: 'open', outUntilMs: 7 + firstOutMs });
  },
);

t.test('circuit: nothing goes to it while it is out; then one call of n, beginning with the first', async (t) => {
  const out = play(HEALTHY, ...fiveFailures);
  t.notOk(admits(play(out, asked(firstOutMs - 1))));
  let circuit = out;
  const admitted: number[] = [];
  for (let call = 0; call < 2 * oneCallOf + 1; call++) {
    circuit = stepCircuit(circuit, asked(firstOutMs));
    if (!admits(circuit)) continue;
    admitted.push(call);
    circuit = stepCircuit(circuit, { type: 'trial' });
  }
  t.equal(circuit.state, 'half-open');
  t.strictSame(admitted, [0, oneCallOf, 2 * oneCallOf]);
});

t.test('circuit: calls that others take use up no turn: the next that comes to it is tried', async (t) => {
  let circuit = play(HEALTHY, ...fiveFailures);
  for (let call = 0; call < 3 * oneCallOf; call++) circuit = stepCircuit(circuit, asked(firstOutMs));
  t.ok(admits(circuit));
  circuit = stepCircuit(circuit, { type: 'trial' });
  t.notOk(admits(circuit), 'a second one that comes at the same time is not');
});

t.test(
  'circuit: a success lets it back in with a new start, a failure takes it out for twice as long, up to a limit',
  async (t) => {
    const tried = play(HEALTHY, ...fiveFailures, asked(firstOutMs));
    t.same(play(tried, good(40_000)), { ...HEALTHY, countsFromMs: 40_000 });
    let circuit = play(tried, failed(firstOutMs));
    t.match(circuit, { state: 'open', outUntilMs: firstOutMs + 2 * firstOutMs, timesOut: 2 });
    for (let i = 0; i < 100; i++) circuit = play(circuit, asked(circuit.outUntilMs), failed(circuit.outUntilMs));
    const before = circuit.outUntilMs;
    t.equal(play(circuit, asked(before), failed(before)).outUntilMs, before + maxOutMs);
  },
);

t.test('circuit: OPTIONS take it out after two failures and bring back only what they took out', async (t) => {
  const ping = (isFailed: boolean): CircuitEvent => ({ type: 'ping', failed: isFailed, atMs: 0 });
  t.equal(play(HEALTHY, ping(true), ping(false), ping(true)).state, 'closed');
  const out = play(HEALTHY, ping(true), ping(true));
  t.equal(out.state, 'open');
  t.equal(play(out, ping(false)).state, 'half-open');
  t.equal(play(out, ping(false), ping(true)).state, 'open');
  t.equal(play(HEALTHY, ...fiveFailures, ping(false)).state, 'open', 'calls fail, though OPTIONS are answered');
});

t.test('circuit: what is out and does well where nothing else was left is in again at once', async (t) => {
  const out = play(HEALTHY, ...fiveFailures);
  t.equal(play(out, failed(1)), out);
  t.equal(play(out, good(1)).state, 'closed');
});

t.test('circuit: a call that began before the gateway was taken out does not bring it back', async (t) => {
  const out = play(HEALTHY, ...Array.from({ length: 5 }, () => failed(1_000)));
  t.equal(play(out, good(2_000, 999)).state, 'open');
  t.equal(play(out, good(2_000, 1_000)).state, 'closed');
  const tried = play(out, asked(out.outUntilMs));
  t.equal(play(tried, good(out.outUntilMs, 999)).state, 'half-open');
  t.equal(play(tried, good(out.outUntilMs + 1)).state, 'closed');
});
