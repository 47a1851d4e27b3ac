import t from 'tap';
import { makeSession } from '../testing/session-rig.js';

const VERBS = {
  openai_s2s: { llmOptions: {} },
  gptlive_s2s: { llmOptions: {} },
  s2s: { vendor: 'ultravox', llmOptions: {} },
  agent: { llm: { vendor: 'openai' } },
  pipeline: { llm: { vendor: 'anthropic', llmOptions: {} } },
};

for (const [name, spec] of Object.entries(VERBS)) {
  t.test(`${name}: says everywhere that its vendor is not configured, and the call goes on`, async (t) => {
    const rig = await makeSession(t, [{ [name]: { ...spec, id: 'talk', actionHook: '/talked' } }, { verb: 'hangup' }]);
    const going = rig.run();
    rig.app.on('/talked', (response) => response.writeHead(204).end());
    const { json } = await rig.app.next('/talked');
    t.match(json, {
      verb_id: 'talk',
      completion_reason: 'connection failure',
      error: { code: 'vendor-not-configured', message: /vendor "\w+" is not configured/ },
    });
    await going;
    t.match(rig.sink.alerts, [{ alertType: 'no-llm', message: /is not configured/ }]);
    t.match(await rig.leg.actions.take('answer'), { sent: '200' });
    t.match(await rig.leg.actions.take('the next verb'), { sent: 'BYE' });
  });
}
