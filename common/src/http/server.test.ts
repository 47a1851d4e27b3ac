import t from 'tap';
import { createMetrics } from '../metrics/metrics.js';
import { recordingLogger } from '../testing/logger.js';
import { HttpError } from './errors.js';
import { type HealthReport, startHttpServer } from './server.js';

const { logger, lines } = recordingLogger();
let health: () => Promise<HealthReport> = async () => ({ healthy: true, facts: { calls: 3 } });
const metrics = createMetrics({ name: 'test', instanceId: 'i1' });
metrics.counter({ name: 'ringwire_test_total', help: 'x', labelNames: ['kind'] }).inc({ kind: 'a' });
metrics.counter({ name: 'ringwire_test_total', help: 'x', labelNames: ['kind'] }).inc({ kind: 'a' });
let releaseSlow: () => void = () => {};
const server = await startHttpServer({
  host: '127.0.0.1',
  port: 0,
  metrics,
  logger,
  health: () => health(),
  routes: (app) => {
    app.post('/echo', (req, res) => void res.json(req.body));
    app.get('/refuse', async () => {
      throw new HttpError(422, 'no such thing');
    });
    app.get('/break', async () => {
      throw new Error('secret detail');
    });
    app.get('/slow', (_req, res) => {
      releaseSlow = () => void res.json({ done: true });
    });
  },
});
t.teardown(() => server.close());
const get = async (path: string) => {
  const response = await fetch(`${server.url}${path}`);
  return { status: response.status, body: (await response.json()) as unknown };
};
const post = async (body: string, type = 'application/json') => {
  const response = await fetch(`${server.url}/echo`, { method: 'POST', body, headers: { 'content-type': type } });
  return { status: response.status, body: (await response.json()) as unknown };
};

t.test('health is 200 with facts, and 503 when it is bad or cannot be told', async (t) => {
  t.strictSame(await get('/health'), { status: 200, body: { status: 'ok', calls: 3 } });
  health = async () => ({ healthy: false });
  t.strictSame(await get('/health'), { status: 503, body: { status: 'failing' } });
  health = async () => {
    throw new Error('away');
  };
  t.strictSame(await get('/health'), { status: 503, body: { status: 'failing', error: 'away' } });
});

t.test('metrics are in Prometheus’ text format with process and instance', async (t) => {
  const response = await fetch(`${server.url}/metrics`);
  t.match(response.headers.get('content-type'), /^text\/plain/);
  const text = await response.text();
  t.match(text, 'ringwire_test_total{kind="a",process="test",instance="i1"} 2');
  t.match(text, 'process_cpu_seconds_total');
});

t.test('errors are { msg }: what the client did wrong is told, what we did wrong is logged only', async (t) => {
  t.strictSame(await get('/refuse'), { status: 422, body: { msg: 'no such thing' } });
  t.strictSame(await get('/break'), { status: 500, body: { msg: 'internal error' } });
  t.match(lines, [{ msg: 'request failed', err: { message: 'secret detail' } }]);
  t.match(await get('/nothing'), { status: 404, body: { msg: String } });
  t.match(await post('{"a":'), { status: 400, body: { msg: /not valid JSON/ } });
  t.match(await post('{"a":1}', 'application/json; charset=nonsense'), { status: 415, body: { msg: String } });
  t.strictSame(await post('{"a":1}'), { status: 200, body: { a: 1 } });
});

t.test('closing lets a request under way finish and takes no new ones', async (t) => {
  const slow = get('/slow');
  await new Promise<void>((resolve) => {
    const look = () =>
      releaseSlow.length === 0 && String(releaseSlow).includes('done') ? resolve() : setImmediate(look);
    look();
  });
  const closed = server.close();
  await t.rejects(get('/health'));
  releaseSlow();
  t.match(await slow, { body: { done: true } });
  await closed;
});
