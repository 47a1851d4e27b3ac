import t from 'tap';
import { mediaServerPlan, type Ports, platformPlans, WANTED_PORTS } from './process-plan.js';

const address = { host: '127.0.0.1', port: 1 };
const sipServer = { ...address, secret: 'secret', sip: address };

t.test('hooks, recordings and media may be on the machine itself, and not elsewhere in its network', async (t) => {
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
  const allowed = plans.filter(({ env }) => env?.HOOK_ALLOW_PRIVATE === 'loopback').map(({ name }) => name);
  t.same(allowed, ['sbc-inbound', 'feature-server', 'api-server']);
  t.match(
    plans.find(({ name }) => name === 'sbc-outbound'),
    { env: { MESSAGE_ALLOW_PRIVATE: 'loopback' } },
  );
  const stored = plans.filter(({ env }) => env?.RECORDINGS_ALLOW_PRIVATE === 'loopback').map(({ name }) => name);
  t.same(stored, ['feature-server', 'api-server']);
  const media = mediaServerPlan({
    sip: address,
    esl: address,
    password: 'p',
    httpPort: 1,
    rtp: { first: 1, last: 2 },
  });
  t.match(media.args?.join(' '), '--fetch-private loopback');
});
