import t from 'tap';
import { showBody, showPayload, TIMELINE_BODY_BYTES, toWire } from './payload.js';

t.test('keys become snake_case at every depth, except what is the customer’s own', (t) => {
  t.same(
    toWire({
      callSid: 1,
      sttLatencyMS: 2,
      'X-Why': 3,
      list: [{ innerKey: 1 }],
      customerData: { ownKey: { deepKey: 1 } },
      sip: { headers: { 'Call-ID': 'x' } },
      env_vars: { apiUrl: 'u' },
      args: { someArg: 1 },
      gone: undefined,
      nothing: null,
    }),
    {
      call_sid: 1,
      stt_latency_ms: 2,
      x_why: 3,
      list: [{ inner_key: 1 }],
      customer_data: { ownKey: { deepKey: 1 } },
      sip: { headers: { 'Call-ID': 'x' } },
      env_vars: { apiUrl: 'u' },
      args: { someArg: 1 },
      nothing: null,
    },
  );
  t.end();
});

t.test('what is shown has no raw SIP, no environment and no secrets, also where it is cut', (t) => {
  const shown = showPayload({ sip: { raw: 'INVITE', method: 'INVITE' }, env_vars: { KEY: 'swordfish' } });
  t.equal(shown, '{"sip":{"method":"INVITE"},"env_vars":{"KEY":"***"}}');
  const body = JSON.stringify({ filler: 'x'.repeat(TIMELINE_BODY_BYTES - 28), password: 'swordfish-and-more' });
  t.notMatch(showBody(body), /swordfish/);
  t.match(showBody(body), /characters in all\)$/);
  t.end();
});
