import t, { type Test } from 'tap';
import type { Responder } from './support/customer-application.js';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';

const HOOK_TIMEOUT_MS = 1_500;
const ringwire = await openPlatform(t, { HTTP_TIMEOUT_MS: String(HOOK_TIMEOUT_MS) });
const { application } = ringwire;

/** Resolves when an error on the timeline names the cause: the edge, which writes the last entry, may be heard before the feature server. */
async function errorNaming(sipCallId: string, cause: RegExp): Promise<void> {
  await eventually(
    `an error that names ${cause}`,
    () => ringwire.timeline(sipCallId),
    (entries) =>
      entries.some(({ level, text, data }) => level === 'error' && cause.test(`${text} ${JSON.stringify(data)}`)),
  );
}

/** A call whose application answers like this must end with 480, a reason, and a timeline that names the cause. */
async function expectRefusal(t: Test, answer: Responder, cause: RegExp): Promise<void> {
  const { number, status: statusHook } = await ringwire.line(answer);
  const call = await ringwire.call(number);
  const { status, endHeaders, sipCallId } = await call.finished;
  t.equal(status, 480);
  t.match(endHeaders['x-reason'], /\S/, 'X-Reason is there');
  await errorNaming(sipCallId, cause);
  const record = await ringwire.record(sipCallId);
  t.match(record, { answered: false, sip_status: 480, duration: 0 });
  const last = await application.request(({ path, body }) => path === statusHook && body.call_status === 'failed');
  t.equal(last.body.sip_status, 480);
  t.strictSame(application.statuses(statusHook), ['trying', 'failed']);
}

t.test('an unknown number is answered 404', async (t) => {
  const { status, sipCallId } = await (await ringwire.call('19995550000')).finished;
  t.equal(status, 404);
  const timeline = await ringwire.timeline(sipCallId);
  t.ok(
    timeline.some(({ level }) => level === 'error'),
    'its timeline says why',
  );
});

t.test('an unknown source is rejected and counted', async (t) => {
  const counted = async (): Promise<number> =>
    (await ringwire.metrics('sbc-inbound')).sum(/^ringwire_calls_rejected_total/) ?? 0;
  const before = await counted();
  const { status } = await (await ringwire.call('15550102', { localHost: '127.0.0.9' })).finished;
  t.ok(status >= 400 && status < 500, `answered ${status}`);
  await eventually('rejections counted', counted, (after) => after === before + 1);
});

t.test('the application answers 500', (t) => expectRefusal(t, () => ({ status: 500, text: 'oops' }), /500/));

t.test('the application does not answer in time', (t) => expectRefusal(t, () => 'never', /time|1500/i));

t.test('the application answers HTML', (t) =>
  expectRefusal(t, () => ({ text: '<html><body>Hello</body></html>', contentType: 'text/html' }), /html/i),
);

t.test('the application answers JSON that is none', (t) =>
  expectRefusal(t, () => ({ text: '[{"verb": "say"', contentType: 'application/json' }), /json/i),
);

t.test('the application answers an unknown verb', (t) => expectRefusal(t, () => [{ verb: 'dance' }], /dance/));

t.test('the application answers a verb with a wrong property', (t) =>
  expectRefusal(t, () => [{ verb: 'say', text: 'hi', volumen: 11 }], /volumen/),
);

t.test('the application answers an empty list', (t) => expectRefusal(t, () => [], /empty|no verbs/i));

t.test('nobody listens at the hook', async (t) => {
  const { number } = await ringwire.specialLine({ callHook: 'http://127.0.0.1:9/call' });
  const { status, sipCallId } = await (await ringwire.call(number)).finished;
  t.equal(status, 480);
  await errorNaming(sipCallId, /ECONNREFUSED|refused/i);
});

t.test('the next call works after all that', async (t) => {
  const { number } = await ringwire.line([{ verb: 'answer' }, { verb: 'hangup' }]);
  const { status } = await (await ringwire.call(number)).finished;
  t.equal(status, 200);
});
