import t from 'tap';
import { DigitCollector, type DigitRules } from './digit-collector.js';

const collector = (rules: Partial<DigitRules>) => new DigitCollector({ finishOnKey: '', minDigits: 1, ...rules });

t.test('numDigits completes the input at exactly that many digits', (t) => {
  const digits = collector({ numDigits: 3, minDigits: 3, interDigitTimeoutMs: 500 });
  t.same(digits.digit('1'), { waitMs: undefined });
  t.same(digits.digit('2'), { waitMs: undefined }, 'no inter-digit time below the minimum');
  t.same(digits.digit('3'), { outcome: { reason: 'dtmfDetected', digits: '123' } });
  t.end();
});

t.test('maxDigits completes, and from minDigits on the caller has interDigitTimeout for the next one', (t) => {
  const digits = collector({ minDigits: 2, maxDigits: 4, interDigitTimeoutMs: 700 });
  t.same(digits.digit('1'), { waitMs: undefined });
  t.same(digits.digit('2'), { waitMs: 700 });
  t.same(digits.interDigitTimeout(), { reason: 'dtmfDetected', digits: '12' });
  t.end();
});

t.test('a finishing key ends the input, also an empty one, and any key of the set does', (t) => {
  t.same(collector({ finishOnKey: '#*' }).digit('*'), { outcome: { reason: 'dtmfDetected', digits: '' } });
  const digits = collector({ finishOnKey: '#' });
  digits.digit('7');
  t.same(digits.digit('#'), { outcome: { reason: 'dtmfDetected', digits: '7' } });
  t.end();
});

t.test('when time is up, enough digits count and too few are a timeout', (t) => {
  t.same(collector({}).timeout(), { reason: 'timeout' });
  const few = collector({ minDigits: 2 });
  few.digit('1');
  t.same(few.timeout(), { reason: 'timeout' });
  const enough = collector({ minDigits: 2 });
  enough.digit('1');
  enough.digit('2');
  t.same(enough.timeout(), { reason: 'dtmfDetected', digits: '12' });
  t.end();
});
