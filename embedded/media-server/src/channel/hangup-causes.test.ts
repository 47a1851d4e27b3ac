import t from 'tap';
import { causeOfReason, causeOfSipStatus, hangupCauseOf, q850Of, reasonOf, sipStatusOf } from './hangup-causes.js';

t.test('a hangup cause is known by name in any case and by number; another name is NORMAL_CLEARING', async (t) => {
  t.same(hangupCauseOf('user_busy'), { name: 'USER_BUSY', code: 17 });
  t.same(hangupCauseOf('17'), { name: 'USER_BUSY', code: 17 });
  t.same(hangupCauseOf('804'), { name: 'MEDIA_TIMEOUT', code: 804 });
  t.same(hangupCauseOf('4242'), { name: 'UNKNOWN', code: 4242 });
  t.same(hangupCauseOf('constructor'), { name: 'NORMAL_CLEARING', code: 16 });
  t.same(hangupCauseOf(''), { name: 'NORMAL_CLEARING', code: 16 });
});

t.test("a cause of FreeSWITCH's own is Q.850's NORMAL_CLEARING, and is named as one of SIP in a Reason", async (t) => {
  t.equal(q850Of(hangupCauseOf('MEDIA_TIMEOUT')), 16);
  t.equal(q850Of(hangupCauseOf('INTERWORKING')), 127);
  t.equal(reasonOf(hangupCauseOf('USER_BUSY')), 'Q.850;cause=17;text="USER_BUSY"');
  t.equal(reasonOf(hangupCauseOf('MEDIA_TIMEOUT')), 'SIP;cause=804;text="MEDIA_TIMEOUT"');
  t.equal(reasonOf(hangupCauseOf('LOSE_RACE')), 'SIP;cause=200;text="Call completed elsewhere"');
});

t.test('causes become SIP statuses and SIP statuses causes', async (t) => {
  for (const [cause, status] of Object.entries({
    UNALLOCATED_NUMBER: 404,
    USER_BUSY: 486,
    NO_ANSWER: 480,
    CALL_REJECTED: 603,
    NORMAL_TEMPORARY_FAILURE: 503,
    RECOVERY_ON_TIMER_EXPIRE: 504,
    NORMAL_CLEARING: 480,
    '4242': 480,
  })) {
    t.equal(sipStatusOf(hangupCauseOf(cause)), status, cause);
  }
  for (const [status, cause] of Object.entries({
    200: 'NORMAL_CLEARING',
    403: 'CALL_REJECTED',
    404: 'UNALLOCATED_NUMBER',
    408: 'RECOVERY_ON_TIMER_EXPIRE',
    480: 'NO_USER_RESPONSE',
    486: 'USER_BUSY',
    487: 'ORIGINATOR_CANCEL',
    503: 'NORMAL_TEMPORARY_FAILURE',
    699: 'NORMAL_UNSPECIFIED',
  })) {
    t.equal(causeOfSipStatus(Number(status)).name, cause, status);
  }
});

t.test('a Reason header counts by its number of Q.850', async (t) => {
  t.same(causeOfReason('Q.850;cause=17;text="Busy"'), { name: 'USER_BUSY', code: 17 });
  t.same(causeOfReason('q.850 ; text="x" ; cause = 31'), { name: 'NORMAL_UNSPECIFIED', code: 31 });
  t.equal(causeOfReason('SIP;cause=200;text="Call completed elsewhere"'), undefined);
  t.equal(causeOfReason('Q.850'), undefined);
  t.equal(causeOfReason(undefined), undefined);
});
