import type { LegFailure } from '@ringwire/common/sip/place-leg.js';
import t from 'tap';
import { judge, q850Cause } from './failover.js';

const fresh = { isRinging: false, hasEarlyMedia: false };
const refused = (status: number, headers: Record<string, string> = {}): LegFailure => ({
  kind: 'refused',
  status,
  reason: '',
  headers,
});
const of = (kind: LegFailure['kind']): LegFailure => ({ kind, status: 408, reason: '', headers: {} });

t.test('a Q.850 cause that only the callee can have caused decides, whatever the status', async (t) => {
  t.match(judge(refused(503, { Reason: 'Q.850;cause=17;text="busy"' }), fresh), { next: false, why: /busy.*cause 17/ });
  t.match(judge(refused(404, { reason: 'SIP;cause=404, Q.850;cause=1' }), fresh), { next: false });
  t.match(judge(refused(404, { Reason: 'Q.850;cause=3' }), fresh), { next: true });
  t.equal(q850Cause({ Reason: 'SIP;cause=486' }), null);
  t.equal(q850Cause({ Reason: 'Q.850 ; text="a, b; cause=1" ; cause=34' }), 34);
});

t.test('whoever rang or was heard is not called again over another gateway', async (t) => {
  for (const failure of [refused(503), refused(480), refused(408), of('silent'), of('unanswered')]) {
    t.match(judge(failure, { isRinging: true, hasEarlyMedia: false }), { next: false });
    t.match(judge(failure, { isRinging: false, hasEarlyMedia: true }), { next: false });
  }
});

t.test('an answer that cannot be used decides, also against the list of a carrier', async (t) => {
  t.match(judge(of('unusable'), fresh, ['5xx', '408']), { next: false, why: 'the callee has answered' });
});

t.test("silence and gateways that cannot be reached lead on, the caller's own end does not", async (t) => {
  t.match(judge(of('silent'), fresh), { next: true });
  t.match(judge(of('unsent'), fresh), { next: true });
  t.match(judge(of('gone'), fresh), { next: true });
  t.match(judge(of('unanswered'), fresh), { next: false });
  t.match(judge(of('abandoned'), fresh), { next: false });
  t.match(judge(of('lost'), fresh), { next: false });
});

t.test("a carrier's own list replaces ours, except for 486, 487 and 6xx", async (t) => {
  const list = ['404', '486', '603', '6xx', '5xx'];
  t.same(
    [404, 500, 403, 486, 487, 603, 600].map((status) => judge(refused(status), fresh, list).next),
    [true, true, false, false, false, false, false],
  );
});
