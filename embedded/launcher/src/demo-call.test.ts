import t from 'tap';
import { type DemoOutcome, faultsOf, promptIsOver } from './demo-call.js';

const hook = (data: Record<string, unknown>) => ({
  at_ms: 1,
  offset_ms: 1,
  kind: 'hook',
  level: 'info',
  text: 'POST',
  data,
});

function outcome(changes: { result?: object; entries?: DemoOutcome['entries']; record?: DemoOutcome['record'] } = {}) {
  const result = {
    answeredAt: 100,
    invitedAt: 0,
    endedAt: 9_000,
    firstSoundMs: 60,
    endedBy: 'them',
    status: 200,
    reason: 'OK',
    endHeaders: {},
    ...changes.result,
  } as unknown as DemoOutcome['result'];
  const entries = changes.entries ?? [hook({ request: { digits: '1' } })];
  const record = 'record' in changes ? changes.record : { sip_callid: 'x', answered: true };
  return { result, entries, ...(record === undefined ? {} : { record }) };
}

t.test('a demo call that went as it should has no fault', async (t) => {
  t.same(faultsOf(outcome()), []);
  t.same(faultsOf(outcome({ entries: [hook({ body: '{"digits":"1"}' })] })), [], 'a body may be text');
});

t.test('each thing that is not as it should be with the demo call is named', async (t) => {
  const unanswered = {
    answeredAt: null,
    endedBy: 'refused',
    status: 404,
    reason: 'Not Found',
    endHeaders: { 'x-reason': 'unknown number' },
  };
  t.same(faultsOf(outcome({ result: unanswered })), ['it was not answered: refused, 404 Not Found (unknown number)']);
  t.same(faultsOf(outcome({ result: { firstSoundMs: null } })), ['nothing was heard']);
  t.match(faultsOf(outcome({ entries: [hook({ request: { digits: '2' } })] })), [/no action hook with the digit 1/]);
  t.match(faultsOf(outcome({ result: { endedBy: 'us' } })), [/did not end it/]);
  t.match(faultsOf(outcome({ record: undefined })), [/no call record/]);
  t.match(faultsOf(outcome({ record: { sip_callid: 'x', answered: false } })), [/does not say that it was answered/]);
  const error = { ...hook({ digits: '1' }), level: 'error', text: 'hook failed' };
  t.same(faultsOf(outcome({ entries: [error] })), ['its timeline has: hook failed']);
});

t.test('the prompt is over when a long silence follows sound', async (t) => {
  const second = 8_000;
  const heard = (soundMs: number, silenceMs: number) =>
    Int16Array.from({ length: (soundMs + silenceMs) * 8 }, (_, i) => (i < soundMs * 8 ? 4_000 : 0));
  t.notOk(promptIsOver(new Int16Array(second)), 'nothing but silence');
  t.notOk(promptIsOver(heard(1_000, 300)), 'a pause between sentences');
  t.ok(promptIsOver(heard(1_000, 1_000)));
});
