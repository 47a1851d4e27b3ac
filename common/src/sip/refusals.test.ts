import t from 'tap';
import type { EventSink, TimelineEntry } from '../events/types.js';
import { createMetrics } from '../metrics/metrics.js';
import { edgeMetrics } from './edge-metrics.js';
import { refusals } from './refusals.js';
import type { SipRequest } from './stack.js';

function rig() {
  const entries: { entry: TimelineEntry; callSid?: string; sipCallId?: string }[] = [];
  const sink: EventSink = {
    emit: (_type, data, about = {}) => void entries.push({ entry: data as TimelineEntry, ...about }),
  };
  const metrics = createMetrics({ name: 'edge', instanceId: 'e' });
  const clock = { now: 0 };
  const { tell } = refusals({
    sink,
    metrics,
    edgeMetrics: edgeMetrics(metrics, 'inbound', () => 0),
    now: () => clock.now,
  });
  const count = async (name: string): Promise<number | undefined> =>
    (await metrics.registry.getSingleMetric(name)?.get())?.values[0]?.value;
  return { entries, tell, clock, count };
}

const invite = (callId: string): SipRequest => {
  const headers: Record<string, string> = { 'Call-ID': callId };
  return {
    uri: `sip:${'9'.repeat(5_000)}@h\r\n`,
    protocol: 'udp',
    source_address: '192.0.2.7',
    source_port: 5062,
    get: (name: string) => headers[name],
  } as unknown as SipRequest;
};
const refused = { status: 403, cause: 'no carrier has a gateway for 192.0.2.7', metric: 'unknown-source' };

t.test('a refusal is one last timeline entry that names the cause, under the Call-ID', async (t) => {
  const { entries, tell } = rig();
  tell(invite('c1'), refused);
  tell(invite('x'.repeat(300)), { ...refused, callSid: 'given' });
  t.match(entries[0], {
    sipCallId: 'c1',
    callSid: /^[0-9a-f-]{36}$/,
    entry: {
      kind: 'call',
      level: 'error',
      text: /^INVITE from udp\/192.0.2.7:5062 to sip:9{124} refused with 403: no carrier has a gateway for 192.0.2.7$/,
      data: { final: true, sipStatus: 403 },
    },
  });
  t.equal(entries[1]?.callSid, 'given');
  t.equal(entries[1]?.sipCallId, undefined, 'an endless Call-ID is no key');
});

t.test('a flood of refusals is counted, but cannot fill the stream', async (t) => {
  const { entries, tell, clock, count } = rig();
  for (let i = 0; i < 500; i++) tell(invite(`c${i}`), refused);
  t.equal(entries.length, 20);
  t.equal(await count('ringwire_calls_rejected_total'), 500);
  t.equal(await count('ringwire_refusals_untold_total'), 480);
  clock.now += 100;
  for (let i = 0; i < 5; i++) tell(invite(`d${i}`), refused);
  t.equal(entries.length, 22);
});
