import t from 'tap';
import { PayloadCheck } from './payload-check.js';
import { PAYLOAD_EXCEPTIONS, payloadFaults } from './payload-faults.js';

const COMMON = {
  call_sid: 'c',
  direction: 'inbound',
  from: '1',
  to: '2',
  call_id: 'i',
  account_sid: 'a',
  trace_id: 't',
  sip_status: 200,
  sip_reason: 'OK',
  call_status: 'in-progress',
  fs_sip_address: '127.0.0.1:5060',
};

/** A check and what it has reported. */
function watch(): { check: PayloadCheck; faults: string[] } {
  const faults: string[] = [];
  return { check: new PayloadCheck((fault) => faults.push(fault)), faults };
}

t.test(
  'a payload that lacks a field, or has it of another type, is reported with its hook and the field',
  async (t) => {
    const { check, faults } = watch();
    const { call_sid: _, ...anonymous } = COMMON;
    check.see({ hook: '/status', payload: anonymous });
    check.see({ hook: '/status', payload: { ...COMMON, sip_status: '200' } });
    check.see({ hook: '/status', payload: { ...COMMON, call_status: 'over' } });
    check.see({ hook: '/status', payload: { ...COMMON, call_status: 'completed', call_termination_by: 'caller' } });
    check.see({ hook: '/status', payload: COMMON });
    t.equal(faults.length, 4);
    t.match(faults[0], /hook \/status as call-status: call_sid is missing in \{/);
    t.match(faults[1], /sip_status must be integer, got "200"/);
    t.match(faults[2], /call_status must be equal to one of the allowed values .*"no-answer".*, got "over"/);
    t.match(faults[3], /duration is missing, which goes with call_status completed/);
  },
);

t.test('the verbs that an application answers tell which path is which hook', async (t) => {
  const { check, faults } = watch();
  check.learn([
    { verb: 'gather', actionHook: 'http://127.0.0.1:1/menu?x=1', partialResultHook: { url: '/partial' } },
    { dial: { target: [], actionHook: '/dialled', stream: { url: 'wss://a', actionHook: '/listened' } } },
    { config: { bargeIn: { actionHook: '/barge' }, amd: { actionHook: '/amd' } } },
    { s2s: { actionHook: '/llm' } },
  ]);
  for (const hook of ['/menu', '/partial', '/dialled', '/listened', '/barge', '/amd', '/llm']) {
    check.see({ hook, payload: COMMON });
  }
  t.match(
    faults.map((fault) => / as ([\w-]+): (\w+) is missing/.exec(fault)?.slice(1)),
    [
      ['gather', 'reason'],
      ['gather-partial', 'speech'],
      ['dial', 'dial_call_status'],
      ['listen', 'dial_call_duration'],
      ['gather', 'reason'],
      ['amd', 'type'],
      ['llm', 'completion_reason'],
    ],
  );
  faults.length = 0;
  check.see({ hook: '/menu', payload: { ...COMMON, reason: 'dtmfDetected', digits: '1' } });
  check.see({ hook: '/dialled', payload: { ...COMMON, dial_call_status: 'busy', dial_sip_status: 486 } });
  check.see({ hook: '/menu', payload: { ...COMMON, reason: 'dtmfDetected' } });
  t.match(faults, [/digits is missing, which goes with reason dtmfDetected/]);
});

t.test('a path that is the hook of several verbs gets what one of them sends', async (t) => {
  const { check, faults } = watch();
  check.expect('/next', 'play');
  check.expect('/next', 'enqueue');
  check.see({ hook: '/next', payload: { ...COMMON, queue_sid: 'q', queue_time: 1, queue_result: 'leave' } });
  check.see({ hook: '/next', payload: { ...COMMON, reason: 'playFailed', status: 'fail' } });
  t.strictSame(faults, []);
  check.see({ hook: '/next', payload: { ...COMMON, queue_sid: 'q', queue_time: 1.5, queue_result: 'leave' } });
  check.see({ hook: '/next', payload: COMMON });
  t.match(faults, [/as enqueue: queue_time must be integer/, /as play: .*, or as enqueue: queue_sid/]);
});

t.test('the type of a socket message says what it is', async (t) => {
  const { check, faults } = watch();
  check.see({ type: 'verb:status', payload: { event: 'starting', name: 'say' } });
  check.see({ type: 'call:status', payload: COMMON });
  t.strictSame(faults, []);
  check.see({ type: 'verb:status', payload: { event: 'begun', name: 'say' } });
  check.see({ type: 'session:new', payload: COMMON });
  check.see({ type: 'tts:streaming-event', payload: { event_type: 'stream_open', extra: 1 } });
  t.equal(faults.length, 3);
  t.match(faults[1], /session:new .*defaults is missing/);
});

t.test('each exception is one: the schema alone would refuse what it accepts', async (t) => {
  for (const { kind, field, accepts, reason } of PAYLOAD_EXCEPTIONS) {
    t.ok(reason.length > 20);
    const value = [5, 'queued', 'say-start'].find(accepts);
    t.notMatch(payloadFaults(kind, { ...COMMON, [field]: value }).join(), field);
    t.match(payloadFaults(kind, { ...COMMON, [field]: {} }).join(), field);
  }
});
