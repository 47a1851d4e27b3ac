import t from 'tap';
import { failureOf } from './failure-reason.js';

t.test('a SIP cause of 500 to 599 is a failure, and its text says which', async (t) => {
  t.equal(failureOf('SIP;cause=503;text="application connection lost"'), 'application connection lost');
  t.equal(failureOf('sip ; cause=500'), 'SIP cause 500');
  t.equal(failureOf('Q.850;cause=41, SIP;cause=503;text="a, b; c"'), 'a, b; c');
  t.equal(failureOf('SIP;text="cause=200";cause=503'), 'cause=200');
});

t.test('other reasons and garbage are no failure', async (t) => {
  for (const reason of [
    undefined,
    '',
    'SIP;cause=200;text="Call completed elsewhere"',
    'SIP;cause=5030',
    'Q.850;cause=503',
    'Q.850;cause=16;text="SIP;cause=503"',
    'SIP',
    'SIP;cause=',
    ',,;;""',
  ]) {
    t.equal(failureOf(reason), null, String(reason));
  }
});
