import t from 'tap';
import { type Ports, platformPlans, WANTED_PORTS } from './process-plan.js';

const address = { host: '127.0.0.1', port: 1 };
const sipServer = { ...address, secret: 'secret', sip: address };

t.test('hooks of every process may be on the machine itself', async (t) => {
  const ports = Object.fromEntries(Object.keys(WANTED_PORTS).map((name) => [name, 1])) as Ports;
  const plans = platformPlans(
    {
      mysql: { ...address, user: 'u', password: 'p', database: 'd' },
      redis: address,
      edge: sipServer,
      core: sipServer,
      freeswitch: { ...address, password: 'ClueCon' },
    },
    { ports, encryptionSecret: 'secret', ttsCacheDir: '/tmp', recordingsDir: '/tmp/recordings', sipCaptures: {} },
  );
  const allowed = plans.filter(({ env }) => env?.HOOK_ALLOW_PRIVATE === 'true').map(({ name }) => name);
  t.same(allowed, ['sbc-inbound', 'feature-server']);
});
