import t from 'tap';
import { type CallEvent, type CallStatus, isFinal, step } from './call-status.js';

const walk = (...events: CallEvent[]): CallStatus[] => {
  const seen: CallStatus[] = ['trying'];
  for (const event of events) {
    const next = step(seen.at(-1) ?? 'trying', event);
    if (next) seen.push(next.status);
  }
  return seen;
};

t.test('an answered call goes trying, early-media, in-progress, completed', (t) => {
  t.same(walk({ type: 'earlyMedia' }, { type: 'answered' }, { type: 'ended' }), [
    'trying',
    'early-media',
    'in-progress',
    'completed',
  ]);
  t.end();
});

t.test('completed is reached once, whoever hangs up again', (t) => {
  t.same(walk({ type: 'answered' }, { type: 'ended' }, { type: 'ended' }, { type: 'abandoned' }), [
    'trying',
    'in-progress',
    'completed',
  ]);
  t.end();
});

t.test('a call that is not answered is failed, no-answer or busy and stays so', (t) => {
  t.same(walk({ type: 'refused', sipStatus: 480, sipReason: 'x' }, { type: 'answered' }), ['trying', 'failed']);
  t.same(walk({ type: 'earlyMedia' }, { type: 'abandoned' }, { type: 'ended' }), [
    'trying',
    'early-media',
    'no-answer',
  ]);
  t.same(walk({ type: 'ringing' }, { type: 'farEndBusy', sipStatus: 486, sipReason: 'Busy Here' }), [
    'trying',
    'ringing',
    'busy',
  ]);
  t.end();
});

t.test('an answered call cannot be refused or abandoned any more', (t) => {
  t.equal(step('in-progress', { type: 'abandoned' }), undefined);
  t.equal(step('in-progress', { type: 'refused', sipStatus: 486, sipReason: 'x' }), undefined);
  t.end();
});

t.test('only the last statuses are final', (t) => {
  const all: CallStatus[] = [
    'trying',
    'ringing',
    'early-media',
    'in-progress',
    'completed',
    'failed',
    'busy',
    'no-answer',
  ];
  t.same(all.filter(isFinal), ['completed', 'failed', 'busy', 'no-answer']);
  t.end();
});
