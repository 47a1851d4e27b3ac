import { randomUUID } from 'node:crypto';
import { createMetrics, Secret, signInternal, startHttpServer, UPDATE_CALL_PATH } from '@ringwire/common';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import t from 'tap';
import { type UpdatableCall, updateCallRoute } from './update-call-route.js';

const SECRET = new Secret('key material');
const MUTE = { mute_status: 'mute' };

t.test(
  'each call takes so many updates at once and so many a second; more get 429 and when to come again',
  async (t) => {
    let nowMs = 0;
    let done = 0;
    const call = (): UpdatableCall => ({
      accountSid: 'account',
      journal: { timeline: { info: () => {} } } as unknown as UpdatableCall['journal'],
      execute: async () => {
        done += 1;
        return { ok: true };
      },
    });
    const calls = new Map([
      ['a', call()],
      ['b', call()],
    ]);
    const server = await startHttpServer({
      ...{ host: '127.0.0.1', port: 0, logger: silentLogger() },
      metrics: createMetrics({ name: 'test', instanceId: 'test' }),
      health: async () => ({ healthy: true }),
      routes: (app) =>
        updateCallRoute(app, {
          encryptionSecret: SECRET,
          find: (callSid) => calls.get(callSid),
          rate: { capacity: 3, perSecond: 2, now: () => nowMs },
        }),
    });
    t.teardown(() => server.close());
    const update = async (callSid: string, body: object = MUTE, accountSid = 'account') => {
      const order = { orderId: randomUUID(), callSid, accountSid, body };
      const response = await fetch(`${server.url}${UPDATE_CALL_PATH}`, {
        method: 'POST',
        ...signInternal(SECRET, UPDATE_CALL_PATH, order),
      });
      return { status: response.status, again: response.headers.get('retry-after'), text: await response.text() };
    };
    t.match(await update('a', {}), { status: 400 }, 'what cannot be read counts, too');
    for (let i = 0; i < 2; i++) t.match(await update('a'), { status: 202 });
    t.match(await update('a'), { status: 429, again: '1', text: /2 a second are taken, and 3 at once/ });
    t.equal(done, 2);
    t.match(await update('a', MUTE, 'another'), { status: 422 }, 'who has no such call hears nothing of it');
    t.match(await update('b'), { status: 202 }, 'another call has a rate of its own');
    nowMs = 500;
    t.match(await update('a'), { status: 202 });
    t.match(await update('a'), { status: 429 });
  },
);
