/** What is done to a live call from outside, over REST as far as the feature server sees it, and what is said within its dialog. */
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { callAsEdge, updateCall } from '../testing/edge-agent.js';
import { startPlatform } from '../testing/platform-rig.js';

t.setTimeout(120_000);
const rig = await startPlatform(t, { HOLD_EVENTS: 'true' });
/** What callers hear while something is done to their calls. */
const LONG = { verb: 'play', url: 'silence_stream://60000' };
/** Waits until the timeline of a call has a line with this text. */
async function onTimeline(callSid: string, text: string): Promise<void> {
  const lines = () =>
    rig.sink.events.filter((event) => event.callSid === callSid).map(({ data }) => JSON.stringify(data));
  await until(`${text} on the timeline of ${callSid}`, () => lines().some((line) => line.includes(text)));
}

/** What the far end offers anew, without a direction. */
const OFFER = [
  ...['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
  ...['m=audio 40000 RTP/AVP 0', ''],
].join('\r\n');

let calls = 0;
const nextSid = (): string => `call-${++calls}`;

t.test('call_hook: the call gets a new application and status hook, and the verb that ran ends', async (t) => {
  const callSid = nextSid();
  rig.app.on('/hook', [LONG]);
  rig.app.on('/new', [{ verb: 'hangup', headers: { 'X-By': 'the new one' } }]);
  rig.app.on('/new-status', (response) => response.writeHead(204).end());
  const call = await rig.call({ headers: { 'X-Call-Sid': callSid } });
  await call.answered();
  t.match(await updateCall(rig, callSid, { call_hook: '/new', call_status_hook: '/new-status' }), { status: 202 });
  t.match((await call.finished).endHeaders, { 'x-by': 'the new one' });
  t.match((await rig.app.next('/new')).json, { call_sid: callSid, call_status: 'in-progress', direction: 'inbound' });
  t.match((await rig.app.next('/new-status')).json, { call_sid: callSid, call_status: 'completed' });
});

t.test('call_hook: a call whose verbs end meanwhile waits for its new application', async (t) => {
  const callSid = nextSid();
  let answer = (): void => {};
  rig.app.on('/hook', [{ verb: 'gather', input: ['digits'], numDigits: 1, timeout: 60 }]);
  rig.app.on('/slow', (response) => {
    answer = () => {
      const verbs = [{ verb: 'hangup', headers: { 'X-By': 'the slow one' } }];
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(verbs));
    };
  });
  const call = await rig.call({ headers: { 'X-Call-Sid': callSid } });
  await call.answered();
  await updateCall(rig, callSid, { call_hook: '/slow' });
  await rig.app.next('/slow');
  // The gather ends, and with it the old application.
  await call.sendDtmf('5');
  await onTimeline(callSid, 'no verbs left, the application may');
  answer();
  t.match((await call.finished).endHeaders, { 'x-by': 'the slow one' });
});

t.test(
  'call_status: completed ends an answered call, no-answer does not; a call that is over cannot be updated',
  async (t) => {
    const callSid = nextSid();
    rig.app.on('/hook', [LONG]);
    const call = await rig.call({ headers: { 'X-Call-Sid': callSid } });
    await call.answered();
    await onTimeline(callSid, '200 OK: answered');
    t.match(await updateCall(rig, callSid, { call_status: 'no-answer' }), {
      status: 422,
      body: { msg: 'the call is answered' },
    });
    t.match(await updateCall(rig, callSid, { call_status: 'completed' }, 'another-account'), { status: 422 });
    t.match(await updateCall(rig, callSid, { call_status: 'finished' }), {
      status: 400,
      body: { msg: /^call_status: must be one of completed, no-answer/ },
    });
    t.match(await updateCall(rig, callSid, { call_status: 'completed' }), { status: 202 });
    t.equal((await call.finished).endedBy, 'them');
    t.match(await updateCall(rig, callSid, { call_status: 'completed' }), {
      status: 422,
      body: { msg: 'the call is over' },
    });
  },
);

t.test('call_status: no-answer refuses a call that is not answered with 503; keys are not sent to it', async (t) => {
  const callSid = nextSid();
  rig.app.on('/hook', [{ verb: 'play', url: 'silence_stream://60000', earlyMedia: true }]);
  const call = await rig.call({ headers: { 'X-Call-Sid': callSid } });
  while (!call.responses.some(({ status }) => status === 183)) {
    await new Promise<void>((resolve) => call.once('provisional', () => resolve()));
  }
  t.match(await updateCall(rig, callSid, { call_status: 'completed' }), { status: 422 });
  t.match(await updateCall(rig, callSid, { mute_status: 'mute' }), {
    status: 422,
    body: { msg: 'the call is in no dial and no conference' },
  });
  t.match(await updateCall(rig, callSid, { dtmf: { digit: '1' } }), {
    status: 422,
    body: { msg: 'the call is not answered' },
  });
  t.match(await updateCall(rig, callSid, { call_status: 'no-answer' }), { status: 202 });
  t.equal((await call.finished).status, 503);
});

t.test('sip_request: goes to the far end, whose answer is told; headers of ours cannot be set', async (t) => {
  const callSid = nextSid();
  rig.app.on('/hook', [LONG]);
  const { dialog, requests } = await callAsEdge(t, rig, {
    callSid,
    answer: (method) => (method === 'INFO' ? 200 : 415),
  });
  const sipRequest = { method: 'info', content_type: 'application/json', content: '{"a":1}' };
  const headers = { 'X-Own': 'yes', 'X-Account-Sid': 'forged', 'X-Reason': 'mute' };
  const done = await updateCall(rig, callSid, { sip_request: { ...sipRequest, headers } });
  t.match(done, { status: 200, body: { status: 200, reason: 'OK' } });
  const info = await requests.take();
  t.equal(info.method, 'INFO');
  t.equal(info.bodyText, '{"a":1}');
  t.match([info.get('Content-Type'), info.get('X-Own')], ['application/json', 'yes']);
  t.notOk(info.has('X-Reason'), 'an edge would be told to mute');
  const refused = await updateCall(rig, callSid, {
    sip_request: { method: 'MESSAGE', content: 'hi', content_type: 'text/plain' },
  });
  t.match(refused, { status: 200, body: { status: 415 } });
  t.match(await updateCall(rig, callSid, { sip_request: { method: 'BYE' } }), {
    status: 400,
    body: { msg: /^sip_request\.method/ },
  });
  await dialog.bye();
});

t.test('dtmf, tag, boostAudioSignal, dub: are done to the leg of the call', async (t) => {
  const callSid = nextSid();
  rig.app.on('/hook', [LONG]);
  const call = await rig.call({ headers: { 'X-Call-Sid': callSid } });
  await call.answered();
  t.match(await updateCall(rig, callSid, { tag: { order: 7 } }), { status: 202 });
  t.match(await updateCall(rig, callSid, { boostAudioSignal: '-6 dB' }), { status: 202 });
  t.match(await updateCall(rig, callSid, { dub: { action: 'addTrack', track: 'music' } }), { status: 202 });
  t.match(await updateCall(rig, callSid, { dub: { action: 'removeTrack', track: 'other' } }), { status: 422 });
  const heard = new Promise<void>((resolve) => {
    call.on('dtmf', () => call.digits === '12#' && resolve());
  });
  t.match(await updateCall(rig, callSid, { dtmf: { digit: '12', duration: 100 } }), { status: 202 });
  t.match(await updateCall(rig, callSid, { dtmf: { digit: '#' } }), { status: 202 });
  await heard;
  await call.hangup();
  const last = async (): Promise<Record<string, unknown>> => {
    for (;;) {
      const { json } = await rig.app.next('/status');
      if (json.call_sid === callSid && json.call_status === 'completed') return json;
    }
  };
  t.match(await last(), { customer_data: { order: 7 } });
});

t.test('sip:request: the verb tells what the far end answered, or why there is no answer', async (t) => {
  const callSid = nextSid();
  rig.app.on('/hook', [
    { verb: 'answer' },
    { verb: 'sip:request', method: 'message', body: 'hello', headers: { 'X-Own': 1 }, actionHook: '/sent' },
    { verb: 'sip:request', method: 'UPDATE', actionHook: '/not-sent' },
  ]);
  for (const path of ['/sent', '/not-sent']) rig.app.on(path, {});
  const { requests } = await callAsEdge(t, rig, { callSid, answer: () => 202 });
  t.match((await rig.app.next('/sent')).json, { call_sid: callSid, result: 'success', sip_status: 202 });
  t.match((await rig.app.next('/not-sent')).json, { result: 'failed', err: "UPDATE is the call's own" });
  const message = await requests.take();
  t.match(
    [message.method, message.bodyText, message.get('Content-Type'), message.get('X-Own')],
    ['MESSAGE', 'hello\n', 'text/plain', '1'],
  );
});

t.test('sip:refer: a bare number is completed, NOTIFYs go to eventHook, the last one ends it', async (t) => {
  const callSid = nextSid();
  const refer = {
    verb: 'sip:refer',
    referTo: '+15085551212',
    referredByDisplayName: 'Jane',
    headers: { 'X-Own': 'a' },
  };
  rig.app.on('/hook', [{ verb: 'answer' }, { ...refer, eventHook: '/progress', actionHook: '/referred' }]);
  for (const path of ['/progress', '/referred']) rig.app.on(path, {});
  const { requests, notify } = await callAsEdge(t, rig, { callSid, answer: () => 202 });
  const sent = await requests.take();
  t.equal(sent.method, 'REFER');
  t.match(sent.get('Refer-To'), /^<sip:\+15085551212@127\.0\.0\.1>$/);
  t.match(sent.get('Referred-By'), /^"Jane" <sip:.*@127\.0\.0\.1>$/);
  t.match(sent.get('X-Own'), 'a');
  t.notOk(sent.has('X-Refer-To-Leave-Untouched'));
  await notify(100, 'Trying');
  await notify(180, 'Ringing');
  await notify(200, 'OK');
  for (const status of [100, 180, 200]) {
    t.match((await rig.app.next('/progress')).json, { event: 'transfer-status', call_status: status });
  }
  t.match((await rig.app.next('/referred')).json, { refer_status: 202, final_referred_call_status: 200 });
});

t.test('transfer blind: a REFER, whose last NOTIFY is the outcome', async (t) => {
  for (const [status, expected] of [
    [200, { transfer_result: 'bridged', transfer_reason: 'completed', sip_status: 200 }],
    [486, { transfer_result: 'returned', transfer_reason: 'busy', sip_status: 486 }],
  ] as const) {
    const callSid = nextSid();
    const target = [{ type: 'sip', sipUri: 'sip:alice@192.0.2.7:5080' }];
    rig.app.on('/hook', [{ verb: 'answer' }, { verb: 'transfer', mode: 'blind', target, actionHook: '/moved' }]);
    rig.app.on('/moved', {});
    const { requests, notify } = await callAsEdge(t, rig, { callSid, answer: () => 202 });
    t.match((await requests.take()).get('Refer-To'), '<sip:alice@192.0.2.7:5080>');
    await notify(status, 'the end');
    t.match((await rig.app.next('/moved')).json, expected);
  }
});

t.test('transfer: a live call is transferred, whatever it did, and its action hook hears how', async (t) => {
  const callSid = nextSid();
  rig.app.on('/hook', [{ verb: 'answer' }, LONG]);
  rig.app.on('/transferred', {});
  const { requests, notify } = await callAsEdge(t, rig, { callSid, answer: () => 202 });
  await onTimeline(callSid, '"verb":"play","spec"');
  const transfer = { mode: 'blind', target: [{ type: 'phone', number: '+15085551212' }], actionHook: '/transferred' };
  t.match(await updateCall(rig, callSid, { transfer }), { status: 202 });
  t.match((await requests.take()).get('Refer-To'), /^<sip:\+15085551212@/);
  await notify(200, 'OK');
  t.match((await rig.app.next('/transferred')).json, { call_sid: callSid, transfer_result: 'bridged' });
});

t.test('sip:refer: a whole URI goes as it is; who refuses is not waited for', async (t) => {
  const callSid = nextSid();
  rig.app.on('/hook', [
    { verb: 'answer' },
    {
      verb: 'sip:refer',
      referTo: 'sip:alice@192.0.2.7:5080',
      referredBy: 'sip:me@example.com',
      actionHook: '/referred',
    },
  ]);
  rig.app.on('/referred', {});
  const { requests } = await callAsEdge(t, rig, { callSid, answer: () => 603 });
  const sent = await requests.take();
  t.match([sent.get('Refer-To'), sent.get('Referred-By')], ['<sip:alice@192.0.2.7:5080>', '<sip:me@example.com>']);
  t.ok(sent.has('X-Refer-To-Leave-Untouched'));
  const { json } = await rig.app.next('/referred');
  t.match(json, { refer_status: 603 });
  t.notOk('final_referred_call_status' in json);
});

t.test('sipRequestWithinDialogHook: hears INFO and MESSAGE, and its verbs replace the application', async (t) => {
  const callSid = nextSid();
  rig.app.on('/hook', [{ verb: 'answer' }, { verb: 'config', sipRequestWithinDialogHook: '/within' }, LONG]);
  rig.app.on('/within', (response, { json }) => {
    const verbs = json.sip_method === 'MESSAGE' ? [{ verb: 'hangup', headers: { 'X-By': 'message' } }] : [];
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(verbs));
  });
  const { dialog } = await callAsEdge(t, rig, { callSid });
  await onTimeline(callSid, 'config done');
  const info = await dialog.info({ body: 'a body', contentType: 'text/plain' }, { 'X-Own': 'header' });
  t.equal(info?.status, 200);
  const { json } = await rig.app.next('/within');
  t.match(json, { call_sid: callSid, sip_method: 'INFO', sip_body: 'a body' });
  t.match(JSON.stringify(json.sip_headers), /header/);
  t.equal((await dialog.request('NOTIFY', undefined, { Event: 'talk' }))?.status, 501);
  const ended = new Promise<unknown>((resolve) => {
    dialog.once('bye', (bye) => resolve(bye.get('X-By')));
  });
  t.equal((await dialog.request('MESSAGE', { body: 'stop', contentType: 'text/plain' }))?.status, 202);
  t.equal(await ended, 'message');
});

t.test(
  'sipRequestWithinDialogHook: hears that the far end holds the call and takes it back, once each, and may replace the application then',
  async (t) => {
    const callSid = nextSid();
    rig.app.on('/hook', [{ verb: 'answer' }, { verb: 'config', sipRequestWithinDialogHook: '/held' }, LONG]);
    rig.app.on('/held', (response, { json }) => {
      const verbs = json.event === 'unhold' ? [{ verb: 'hangup', headers: { 'X-By': 'unhold' } }] : [];
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(verbs));
    });
    const { dialog } = await callAsEdge(t, rig, { callSid });
    await onTimeline(callSid, 'config done');
    const offer = (direction: string): string => `${OFFER}a=${direction}\r\n`;
    const held = { headers: { 'X-Why': 'lunch' } };
    t.match((await dialog.reinvite(offer('sendonly'), held)).bodyText, /^a=recvonly/m);
    t.match((await rig.app.next('/held')).json, {
      call_sid: callSid,
      sip_method: 'INVITE',
      event: 'hold',
      on_hold: true,
      siprec: false,
      sip_body: /a=sendonly/,
      sip_headers: { x_why: 'lunch' },
    });
    // Held still: that is no news.
    await dialog.reinvite(offer('inactive'));
    const ended = new Promise<unknown>((resolve) => {
      dialog.once('bye', (bye) => resolve(bye.get('X-By')));
    });
    await dialog.reinvite(offer('sendrecv'));
    t.match((await rig.app.next('/held')).json, { event: 'unhold', on_hold: false });
    t.equal(await ended, 'unhold');
  },
);

t.test(
  'referHook: hears REFER of the far end, and its verbs become the application; without one it is refused',
  async (t) => {
    const callSid = nextSid();
    rig.app.on('/hook', [{ verb: 'answer' }, { verb: 'config', referHook: '/transfer' }, LONG]);
    rig.app.on('/transfer', []);
    const { dialog, requests } = await callAsEdge(t, rig, { callSid });
    await onTimeline(callSid, 'config done');
    const headers = {
      'Refer-To': '<sip:+49301@example.com>',
      'Referred-By': '<sip:bob@example.com>',
      'X-Override-Number': '7',
    };
    t.equal((await dialog.request('REFER', undefined, headers))?.status, 202);
    t.match((await rig.app.next('/transfer')).json, {
      refer_details: {
        sip_refer_to: '<sip:+49301@example.com>',
        refer_to_user: '+49301',
        sip_referred_by: '<sip:bob@example.com>',
        referred_by_user: 'bob',
        x_override_number: '7',
        referring_call_sid: callSid,
      },
    });
    t.equal((await requests.take()).bodyText, 'SIP/2.0 100 Trying\r\n');
    t.equal(
      (await requests.take()).bodyText,
      'SIP/2.0 403 Forbidden\r\n',
      'an answer without verbs leaves all as it is',
    );
    rig.app.on('/transfer', [
      { verb: 'config', referHook: '' },
      { verb: 'pause', length: 60 },
    ]);
    t.equal((await dialog.request('REFER', undefined, headers))?.status, 202);
    await rig.app.next('/transfer');
    t.equal((await requests.take()).bodyText, 'SIP/2.0 100 Trying\r\n');
    t.equal((await requests.take()).bodyText, 'SIP/2.0 200 OK\r\n');
    await onTimeline(callSid, '"verb":"pause","spec"');
    t.equal((await dialog.request('REFER', undefined, headers))?.status, 501);
    await dialog.bye();
  },
);
