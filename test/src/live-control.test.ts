/** Live call control through the API server, as a customer has it. */
import t from 'tap';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';

t.setTimeout(300_000);
const ringwire = await openPlatform(t);
const { application, instance } = ringwire;
const CALLS = `/v1/Accounts/${instance.accountSid}/Calls`;

/** A request to the REST API with its status, whatever that is. */
async function rest(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(new URL(path, instance.api.url), {
    method,
    headers: { authorization: `Bearer ${instance.api.key}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

t.test('a live call is listed, changed and redirected over REST, and listed no more when it is over', async (t) => {
  const line = await ringwire.line([{ verb: 'play', url: 'silence_stream://60000' }]);
  const call = await ringwire.call(line.number);
  await call.answered();
  const { body: first } = await application.request(line.call);
  const sid = String(first.call_sid);
  const path = `${CALLS}/${sid}`;
  const seen = await eventually(
    'the call in the list',
    async () => (await rest('GET', `${CALLS}?direction=inbound`)).body as Record<string, unknown>[],
    (calls) => calls.some((one) => one.call_sid === sid && one.call_status === 'in-progress'),
  );
  t.match(
    seen.find((one) => one.call_sid === sid),
    { direction: 'inbound', to: line.number, sip_status: 200, duration: Number },
  );
  t.match(await rest('GET', path), { status: 200, body: { call_sid: sid } });
  t.match(await rest('PUT', path, { tag: { order: 7 } }), { status: 202 });
  t.match(await rest('PUT', path, { call_status: 'no-answer' }), {
    status: 422,
    body: { msg: 'the call is answered' },
  });
  t.match(await rest('PUT', path, { colour: 'blue' }), { status: 400, body: { msg: /^colour: unknown field/ } });
  t.match(await rest('PUT', path, { sip_request: { method: 'INFO', content_type: 'text/plain', content: 'hi' } }), {
    status: 200,
    body: { status: 200 },
  });
  const keys = new Promise<void>((resolve) => {
    call.on('dtmf', () => call.digits === '42' && resolve());
  });
  t.match(await rest('POST', path, { dtmf: { digit: '42' } }), { status: 202 });
  await keys;
  application.answer(line.action, [{ verb: 'hangup' }]);
  t.match(await rest('PUT', path, { call_hook: line.action }), { status: 202 });
  t.match((await application.request(line.action)).body, { call_sid: sid, customer_data: { order: 7 } });
  t.equal((await call.finished).endedBy, 'them');
  await eventually(
    'the call is gone',
    () => rest('PUT', path, { call_status: 'completed' }),
    ({ status }) => status === 404 || status === 422,
  );
  t.match(
    await eventually(
      'no call',
      () => rest('GET', path),
      ({ status }) => status === 404,
    ),
    { status: 404 },
  );
  t.match(await rest('PUT', `${CALLS}/00000000-0000-4000-8000-000000000000`, { mute_status: 'mute' }), { status: 404 });
});

t.test('call_status completed ends a call, wherever the request lands; rooms are listed', async (t) => {
  const line = await ringwire.line([{ verb: 'pause', length: 60 }, { verb: 'hangup' }]);
  application.answer(line.call, [{ verb: 'answer' }, { verb: 'pause', length: 60 }]);
  const call = await ringwire.call(line.number);
  await call.answered();
  const { body } = await application.request(line.call);
  t.match(await rest('PUT', `${CALLS}/${String(body.call_sid)}`, { call_status: 'completed' }), { status: 202 });
  t.equal((await call.finished).endedBy, 'them');
  const account = `/v1/Accounts/${instance.accountSid}`;
  t.match(await rest('GET', `${account}/Conferences`), { status: 200, body: [] });
  t.match(await rest('GET', `${account}/Queues`), { status: 200, body: [] });
});
