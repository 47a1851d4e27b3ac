import t from 'tap';
import { createMetrics } from './metrics.js';

t.test('metrics: numbers kept elsewhere are counters where their name says total, else gauges', async (t) => {
  const metrics = createMetrics({ name: 'test', instanceId: 'one' });
  const kept = { calls: 3, live: 2, udp: 5 };
  metrics.number({ name: 'calls_total', help: 'Calls', read: () => kept.calls });
  metrics.number({ name: 'calls_live', help: 'Live calls', read: () => kept.live });
  metrics.total({
    name: 'messages_total',
    help: 'Messages',
    labelNames: ['transport'],
    collect() {
      this.set({ transport: 'udp' }, kept.udp);
    },
  });
  await metrics.registry.metrics();
  kept.calls = 4;
  kept.udp = 7;
  const text = await metrics.registry.metrics();
  t.match(text, /# TYPE calls_total counter\ncalls_total\{process="test",instance="one"\} 4\n/);
  t.match(text, /# TYPE calls_live gauge\ncalls_live\{[^}]*\} 2\n/);
  t.match(text, /# TYPE messages_total counter\nmessages_total\{transport="udp",[^}]*\} 7\n/);
});
