import { SipMessage } from '@ringwire/sip';
import t from 'tap';
import { bestOf, type Failure, forwardedFailure } from './best-response.js';
import { destinationUri, parseTimeout } from './plan.js';

const failure = (status: number): Failure => ({ status, response: SipMessage.response(status, 'x') });
const nobody = (status: number): Failure => ({ status, response: undefined });

for (const [statuses, best] of [
  [[404, 603, 302], 603],
  [[404, 302, 500], 302],
  [[500, 486, 404], 486],
  [[404, 401], 401],
  [[480, 484, 407], 484],
  [[503, 500], 500],
  [[503], 503],
] as const) {
  t.test(`best response: of ${statuses.join(', ')} it is ${best} (RFC 3261 §16.7 step 6)`, async (t) => {
    t.equal(bestOf(statuses.map(failure), false)?.status, best);
  });
}

t.test('best response: what somebody sent is better than a time-out; nothing at all is none', async (t) => {
  t.equal(bestOf([nobody(408), failure(486)], false)?.status, 486);
  t.equal(bestOf([failure(503), nobody(408)], false)?.status, 408);
  t.equal(bestOf([], false), undefined);
});

t.test('best response: a caller that gave up hears so', async (t) => {
  t.equal(bestOf([failure(401), failure(487)], true)?.status, 487);
});

t.test('best response: Vias in one line lose their first one only', async (t) => {
  const response = SipMessage.response(486, 'Busy').add('Via', 'SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2');
  t.equal(forwardedFailure(response, [])?.get('Via'), 'SIP/2.0/UDP b;branch=2');
  t.equal(forwardedFailure(SipMessage.response(486, 'Busy').add('Via', 'SIP/2.0/UDP a;branch=1'), []), undefined);
});

t.test('proxy command: time-outs and destinations as drachtio-srf writes them', async (t) => {
  t.same(['2s', '1500ms', '', '5', '2 s', '-1s'].map(parseTimeout), [
    2000,
    1500,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  t.equal(destinationUri('sip:sips:a@b.example'), 'sips:a@b.example');
  t.equal(destinationUri('10.0.0.1:5070'), 'sip:10.0.0.1:5070');
  t.equal(destinationUri('<sip:a@b;transport=tcp>'), 'sip:a@b;transport=tcp');
});
