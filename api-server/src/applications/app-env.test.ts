import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { startTestApi, type TestApi } from '../testing/api.js';

t.setTimeout(200_000);
let api: TestApi;
t.before(async () => {
  api = await startTestApi({ workers: false, allowPrivateHooks: 'loopback' });
  t.teardown(() => api.stop());
});

/** What `envVarsMiddleware` of the published SDK answers. */
const SCHEMA = {
  API_KEY: { type: 'string', description: 'your key', required: true, obscure: true },
  LANGUAGE: { type: 'string', description: 'language', default: 'en-US', enum: ['en-US', 'de-DE'] },
  RETRIES: { type: 'number', description: 'attempts', required: true, default: 3 },
  IS_OPEN: { type: 'boolean', description: 'whether anybody is there' },
  PROMPT: { type: 'string', description: 'prompt', uiHint: 'textarea' },
};

/** An application's web server. @returns `host:port` */
async function application(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answering = (t: Test, status: number, body: string, type = 'application/json'): Promise<string> =>
  application(t, (_req, res) => res.writeHead(status, { 'content-type': type }).end(body));

const ask = (url: string) => api.account('GET', `/v1/AppEnv?url=${encodeURIComponent(url)}`);

t.test('AppEnv: an application is asked with OPTIONS, unsigned, for the environment that it wants', async (t) => {
  const seen: unknown[] = [];
  const host = await application(t, (req, res) => {
    const { accept, 'jambonz-signature': signature } = req.headers;
    seen.push({ method: req.method, url: req.url, accept, signature });
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(SCHEMA));
  });
  for (const scheme of ['http', 'ws'])
    t.strictSame(await ask(`${scheme}://${host}/hook?a=1`), { status: 200, body: SCHEMA });
  const asked = { method: 'OPTIONS', url: '/hook?a=1', accept: 'application/json', signature: undefined };
  t.strictSame(seen, [asked, asked]);
});

t.test('AppEnv: an application without a schema has none: no answer, another status, no JSON', async (t) => {
  const hosts = [
    await answering(t, 404, '{}'),
    await answering(t, 200, 'GET,HEAD', 'text/html'),
    await application(t, (req) => req.socket.destroy()),
    '127.0.0.1:9',
  ];
  for (const host of hosts) t.strictSame(await ask(`http://${host}/`), { status: 204, body: undefined });
});

t.test('AppEnv: what is no schema, and where nobody may ask, is told with 400', async (t) => {
  const refused = async (url: string, msg: RegExp | string) => t.match(await ask(url), { status: 400, body: { msg } });
  const faults: [unknown, RegExp][] = [
    [[], /^url: .*it is no object/],
    [{}, /not 1 to 100 variables/],
    [{ 'a b': SCHEMA.API_KEY }, /a b: is no name/],
    [{ A: 'x' }, /A: must be an object/],
    [{ A: { type: 'object', description: '' } }, /A: type must be one of string, number, boolean/],
    [{ A: { type: 'string' } }, /A: description must be a text/],
    [{ A: { type: 'string', description: '', enum: 'x' } }, /A: enum must be a list/],
    [{ A: { type: 'string', description: '', required: 1 } }, /A: required must be/],
    [{ A: { type: 'string', description: '', default: [] } }, /A: default must be/],
  ];
  for (const [schema, msg] of faults) await refused(`http://${await answering(t, 200, JSON.stringify(schema))}/`, msg);
  await refused('http://169.254.169.254/latest', 'url: is at a private address');
  await refused('ftp://example.com/', /^url: must be/);
  t.match(await api.account('GET', '/v1/AppEnv'), { status: 400, body: { msg: /^url: / } });
});

t.test('env_vars of an application are held against its schema, where it has one', async (t) => {
  const variable = { type: 'string', description: 'a name that every object has' };
  const host = await answering(t, 200, JSON.stringify({ ...SCHEMA, constructor: variable }));
  const call_hook = { url: `ws://${host}/` };
  const good = { API_KEY: 'k', IS_OPEN: true, OLD: 'kept' };
  const post = (name: string, env_vars: object) =>
    api.account('POST', '/v1/Applications', { name, call_hook, env_vars });
  const made = await post('with a schema', good);
  t.equal(made.status, 201);
  const path = `/v1/Applications/${(made.body as { sid: string }).sid}`;
  for (const [change, msg] of [
    [{ API_KEY: undefined }, /^env_vars.API_KEY: is required: your key/],
    [{ RETRIES: '3' }, /^env_vars.RETRIES: must be a number/],
    [{ IS_OPEN: 'yes' }, /^env_vars.IS_OPEN: must be a boolean/],
    [{ LANGUAGE: 'fr' }, /^env_vars.LANGUAGE: must be one of "en-US", "de-DE"/],
  ] as const) {
    t.match(await post('another', { ...good, ...change }), { status: 400, body: { msg } });
    t.match(await api.account('PUT', path, { env_vars: { ...good, ...change } }), { status: 400, body: { msg } });
  }
  t.equal((await api.account('PUT', path, { env_vars: { ...good, RETRIES: 5 } })).status, 204);
  t.match((await api.account('GET', path)).body, { env_vars: { ...good, RETRIES: 5 } });
  const elsewhere = { call_hook: { url: `http://${await answering(t, 404, '')}/` }, env_vars: { ANY: 1 } };
  t.equal((await api.account('PUT', path, elsewhere)).status, 204, 'the new hook has no schema');
  const hidden = { call_hook: { url: 'http://10.0.0.1/' }, env_vars: { ANY: 1 } };
  t.equal((await api.account('PUT', path, hidden)).status, 204, 'nor one where nobody may ask');
});

t.test('a vendor of speech without a voice has no voice of another vendor', async (t) => {
  const call_hook = { url: 'https://example.com/' };
  const voiceOf = async (sid: string) =>
    ((await api.account('GET', `/v1/Applications/${sid}`)).body as Record<string, unknown>).speech_synthesis_voice;
  const make = async (name: string, more: object) =>
    ((await api.account('POST', '/v1/Applications', { name, call_hook, ...more })).body as { sid: string }).sid;
  const espeak = await make('espeak', { speech_synthesis_vendor: 'espeak', speech_synthesis_language: 'en-US' });
  t.equal(await voiceOf(espeak), null);
  const google = await make('google', {});
  t.equal(await voiceOf(google), 'en-US-Standard-C', "jambonz' defaults");
  const change = (body: object) => api.account('PUT', `/v1/Applications/${google}`, body);
  await change({ speech_synthesis_vendor: 'google' });
  t.equal(await voiceOf(google), 'en-US-Standard-C', 'the same vendor');
  await change({ speech_synthesis_vendor: 'espeak' });
  t.equal(await voiceOf(google), null);
  await change({ speech_synthesis_vendor: 'polly', speech_synthesis_voice: 'Joanna' });
  t.equal(await voiceOf(google), 'Joanna');
});
