/** lex, dialogflow and rasa against servers that speak as much of the vendors' documented protocols as is used. */
import { createVerify, generateKeyPairSync } from 'node:crypto';
import t, { type Test } from 'tap';
import { AddressGuard } from '../app-client/address-guard.js';
import { HttpClient } from '../app-client/http-exchange.js';
import { SessionBots } from '../session/session-bots.js';
import { ApplicationServer } from '../testing/application-server.js';
import { makeSession, type SessionRig } from '../testing/session-rig.js';
import { rasaWith } from './rasa.js';
import { VERBS } from './registry.js';

interface BotRig extends SessionRig {
  bot: ApplicationServer;
  going: Promise<void>;
}

/** A call whose application answers the verb, over a server that plays the bot. */
async function talk(
  t: Test,
  verb: (bot: ApplicationServer) => Record<string, unknown>,
  rasaSilenceMs = 20_000,
): Promise<BotRig> {
  const bot = await ApplicationServer.start();
  t.teardown(() => bot.stop());
  const client = new HttpClient(new AddressGuard({ allowPrivate: true }));
  t.teardown(() => client.close());
  const bots = new SessionBots(client, { lex: bot.url, dialogflow: bot.url });
  const registry = { ...VERBS, rasa: rasaWith(rasaSilenceMs) };
  const hooks = { eventHook: '/event', actionHook: '/done' };
  const rig = await makeSession(t, [{ ...verb(bot), ...hooks }, { verb: 'hangup' }], { bots, registry });
  rig.app.on('/event', (response) => response.writeHead(204).end());
  rig.app.on('/done', []);
  const going = rig.run();
  return { ...rig, bot, going };
}

/** The next prompt is heard to its end. */
async function listen({ media }: BotRig): Promise<void> {
  (await media.endpoint.plays.take()).finish();
}

/** The next event of a name. */
async function event({ app }: BotRig, name: string): Promise<Record<string, unknown>> {
  for (;;) {
    const { json } = await app.next('/event');
    if (json.event === name) return json;
  }
}

const LEX = {
  verb: 'lex',
  botId: 'BOT',
  botAlias: 'ALIAS',
  region: 'us-east-1',
  credentials: { accessKeyId: 'AKID', secretAccessKey: 'secret' },
};
const LEX_PATH = '/bots/BOT/botAliases/ALIAS/botLocales/en_US/sessions/call-1/text';

t.test('lex: what is said goes to the bot, signed, and what it answers is heard', async (t) => {
  const rig = await talk(t, () => ({
    ...LEX,
    welcomeMessage: 'Welcome to our flower shop.',
    metadata: { customer: '4711' },
    intent: { name: 'OrderFlowers', slots: { Flower: 'roses' } },
  }));
  rig.bot.on(LEX_PATH, {
    messages: [
      { contentType: 'PlainText', content: 'How many roses?' },
      { contentType: 'ImageResponseCard', imageResponseCard: { title: 'Roses' } },
    ],
    sessionState: { intent: { name: 'OrderFlowers', state: 'InProgress' } },
  });
  await rig.recognizer.opened();
  await listen(rig);
  await event(rig, 'stop-play');
  t.match(rig.recognizer.orders[0]?.settings, { language: 'en-US' });
  rig.recognizer.hear('I want flowers');
  t.match((await event(rig, 'transcription')).data, { transcript: 'I want flowers' });
  const { json, headers } = await rig.bot.next(LEX_PATH);
  t.match(
    headers.authorization,
    /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/us-east-1\/lex\/aws4_request, SignedHeaders=/,
  );
  t.match(json, {
    text: 'I want flowers',
    sessionState: {
      intent: { name: 'OrderFlowers', slots: { Flower: { value: { interpretedValue: 'roses' } } } },
      sessionAttributes: { customer: '4711' },
    },
  });
  t.match((await event(rig, 'intent')).data, { session_state: { intent: { name: 'OrderFlowers' } } });
  t.match((await event(rig, 'response-text')).data, { text: 'How many roses?' });
  await listen(rig);
  await event(rig, 'stop-play');
  rig.recognizer.hear('twelve');
  t.same((await rig.bot.next(LEX_PATH)).json, { text: 'twelve' }, 'the state is told once');
  rig.leg.end({ how: 'bye', headers: {} });
  t.match((await rig.app.next('/done')).json, { lex_result: 'caller hungup' });
  await rig.going;
  t.equal(rig.recognizer.closed, 1);
});

t.test('lex: with barge-in speech ends the prompt and counts, without it does not', async (t) => {
  for (const bargein of [true, false]) {
    const rig = await talk(t, () => ({ ...LEX, bargein, welcomeMessage: 'Welcome to our flower shop.' }));
    rig.bot.on(LEX_PATH, { messages: [] });
    const prompt = await rig.media.endpoint.plays.take();
    await rig.recognizer.opened();
    rig.recognizer.hear('roses please');
    if (!bargein) {
      t.notOk(prompt.isStopped);
      prompt.finish();
      await event(rig, 'stop-play');
      rig.recognizer.hear('tulips');
    } else {
      await event(rig, 'play-interrupted');
      t.ok(prompt.isStopped);
    }
    t.match((await rig.bot.next(LEX_PATH)).json, { text: bargein ? 'roses please' : 'tulips' });
    rig.leg.end({ how: 'bye', headers: {} });
    await rig.going;
  }
});

t.test('lex: keys are told with passDtmf, and verbs that an event hook answers end the conversation', async (t) => {
  const rig = await talk(t, () => ({ ...LEX, passDtmf: true }));
  await rig.recognizer.opened();
  rig.app.on('/event', [{ verb: 'hangup' }]);
  for (const key of ['1', '2', '#']) rig.media.endpoint.press(key);
  t.match(await event(rig, 'dtmf'), { data: { digits: '12' } });
  t.match((await rig.app.next('/done')).json, { lex_result: 'redirect' });
  await rig.going;
});

t.test('lex: a bot that refuses, and a region that is none, end the verb with an alert', async (t) => {
  const refused = await talk(t, () => LEX);
  refused.bot.on(LEX_PATH, (response) => response.writeHead(403).end('{"message":"not authorized"}'));
  await refused.recognizer.opened();
  refused.recognizer.hear('hello');
  t.match((await refused.app.next('/done')).json, { lex_result: 'error' });
  await refused.going;
  t.match(refused.sink.alerts, [
    { alertType: 'llm-failure', message: /Lex answered with HTTP status 403.*not authorized/ },
  ]);
  const nowhere = await talk(t, () => ({ ...LEX, region: 'evil.example/#' }));
  t.match((await nowhere.app.next('/done')).json, { lex_result: 'error' });
  await nowhere.going;
  t.match(nowhere.sink.alerts, [{ message: /"evil.example\/#" is no region of AWS/ }]);
});

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const CREDENTIALS = {
  client_email: 'bot@example.iam.gserviceaccount.com',
  private_key: privateKey,
  private_key_id: 'k1',
};

/** The claims of a token, which must be signed by the service account. */
function claimsOf(t: Test, authorization: string | undefined): Record<string, unknown> {
  const [header = '', claims = '', signature = ''] = String(authorization).replace('Bearer ', '').split('.');
  const verified = createVerify('RSA-SHA256').update(`${header}.${claims}`).verify(publicKey, signature, 'base64url');
  t.ok(verified, 'the token is signed');
  return JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
}

t.test('dialogflow cx: the welcome event begins, what is said goes on, the agent ends it', async (t) => {
  const rig = await talk(t, () => ({
    verb: 'dialogflow',
    model: 'cx',
    project: 'p1',
    agent: 'a1',
    environment: 'draft',
    region: 'europe-west1',
    credentials: JSON.stringify(CREDENTIALS),
    lang: 'de-DE',
    welcomeEvent: 'WELCOME',
    welcomeEventParams: { name: 'Jane' },
  }));
  const path = '/v3/projects/p1/locations/europe-west1/agents/a1/environments/draft/sessions/call-1:detectIntent';
  rig.bot.on(path, (response, { json }) => {
    const isEvent = JSON.stringify(json).includes('WELCOME');
    const responseMessages = isEvent
      ? [{ text: { text: ['Guten Tag.'] } }]
      : [{ text: { text: ['Auf Wiederhören.'] } }, { endInteraction: {} }];
    const body = { queryResult: { responseMessages, match: { intent: { displayName: 'bye' } } } };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  const first = await rig.bot.next(path);
  t.match(first.json, {
    queryInput: { event: { event: 'WELCOME' }, languageCode: 'de-DE' },
    queryParams: { parameters: { name: 'Jane' } },
  });
  const claims = claimsOf(t, first.headers.authorization);
  t.match(claims, { iss: CREDENTIALS.client_email, aud: 'https://dialogflow.googleapis.com/' });
  await rig.recognizer.opened();
  await listen(rig);
  await event(rig, 'stop-play');
  rig.recognizer.hear('tschüss');
  t.match((await rig.bot.next(path)).json, { queryInput: { text: { text: 'tschüss' }, languageCode: 'de-DE' } });
  await listen(rig);
  t.match((await rig.app.next('/done')).json, { dialogflow_result: 'completed' });
  await rig.going;
});

t.test('dialogflow es: silence is an event, keys are text where that is asked for', async (t) => {
  const rig = await talk(t, () => ({
    verb: 'dialogflow',
    project: 'p1',
    credentials: CREDENTIALS,
    lang: 'en-US',
    noInputTimeout: 0.05,
    noInputEvent: 'SILENCE',
    passDtmfAsTextInput: true,
  }));
  const path = '/v2/projects/p1/agent/sessions/call-1:detectIntent';
  rig.bot.on(path, {
    queryResult: {
      intent: { displayName: 'ask' },
      fulfillmentText: 'Say it again.',
      fulfillmentMessages: [{ text: { text: ['Say it again.'] } }, { platform: 'SLACK', text: { text: ['no'] } }],
    },
  });
  t.match((await rig.bot.next(path)).json, { queryInput: { event: { name: 'SILENCE', languageCode: 'en-US' } } });
  await event(rig, 'no-input');
  const prompt = await rig.media.endpoint.plays.take();
  for (const key of ['4', '2', '#']) rig.media.endpoint.press(key);
  t.ok(prompt.isStopped, 'a key ends the prompt');
  t.match((await rig.bot.next(path)).json, { queryInput: { text: { text: '42', languageCode: 'en-US' } } });
  rig.leg.end({ how: 'bye', headers: {} });
  t.match((await rig.app.next('/done')).json, { dialogflow_result: 'caller hungup' });
  await rig.going;
});

t.test('dialogflow cx: the toolHook does what the agent asks for, and the agent goes on with it', async (t) => {
  const rig = await talk(t, () => ({
    ...{ verb: 'dialogflow', model: 'cx', project: 'p1', agent: 'a1', credentials: CREDENTIALS, lang: 'en-US' },
    queryInput: { text: 'Is my order there?' },
    toolHook: '/tool',
  }));
  const path = '/v3/projects/p1/locations/us-central1/agents/a1/sessions/call-1:detectIntent';
  const tool = 'projects/p1/locations/us-central1/agents/a1/tools/t1';
  const toolCall = { tool, action: 'find', inputParameters: { orderId: 7, deepName: { innerName: 1 } } };
  rig.bot.on(path, (response, { json }) => {
    const isAnswered = JSON.stringify(json).includes('toolCallResult');
    const responseMessages = isAnswered
      ? [{ text: { text: ['It is there.'] } }, { endInteraction: {} }]
      : [{ text: { text: ['One moment.'] } }, { toolCall }];
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ queryResult: { responseMessages } }));
  });
  rig.app.on('/tool', { outputParameters: { isThere: true } });
  await rig.bot.next(path);
  await listen(rig);
  const asked = (await rig.app.next('/tool')).json.tool_call;
  t.same(asked, { tool, action: 'find', input_parameters: { orderId: 7, deepName: { innerName: 1 } } });
  t.same((await rig.bot.next(path)).json, {
    queryInput: {
      toolCallResult: { tool, action: 'find', outputParameters: { isThere: true } },
      languageCode: 'en-US',
    },
  });
  await listen(rig);
  t.match((await rig.app.next('/done')).json, { dialogflow_result: 'completed' });
  await rig.going;
});

const CES_PATH = '/v1/projects/p1/locations/us/apps/app-1/sessions/call-1:runSession';
const CES = {
  ...{ verb: 'dialogflow', model: 'ces', project: 'p1', agent: 'app-1', credentials: CREDENTIALS, lang: 'en-US' },
  welcomeEvent: 'WELCOME',
  welcomeEventParams: { name: 'Jane' },
};
/** Answers each turn with the next of these outputs. */
function turns({ bot }: BotRig, ...outputs: object[][]): void {
  bot.on(CES_PATH, (response) => {
    const body = JSON.stringify({ outputs: outputs.shift() ?? [] });
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  });
}

t.test(
  'dialogflow ces: events, words and keys go to the application, its tools to the toolHook, it ends it',
  async (t) => {
    const rig = await talk(t, () => ({ ...CES, deployment: 'd1', toolHook: '/tool' }));
    const call = { id: 'call-7', displayName: 'find', tool: 'projects/p1/locations/us/apps/app-1/tools/t1' };
    turns(
      rig,
      [{ text: 'Welcome.' }, { turnCompleted: true }],
      [
        {
          toolCalls: {
            toolCalls: [
              { ...call, args: { orderId: 7 } },
              { ...call, id: 'call-8', args: {} },
            ],
          },
        },
      ],
      [{ text: 'It is there.' }],
      [{ text: 'Good bye.' }, { endSession: {} }],
    );
    let asked = 0;
    rig.app.on('/tool', (response) => {
      asked += 1;
      const answer = asked === 1 ? { outputParameters: { isThere: true } } : { error: 'no such order' };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    const session = 'projects/p1/locations/us/apps/app-1/sessions/call-1';
    const deployment = 'projects/p1/locations/us/apps/app-1/deployments/d1';
    const first = await rig.bot.next(CES_PATH);
    t.same(first.json, {
      config: { session, deployment },
      inputs: [{ event: { event: 'WELCOME', variables: { name: 'Jane' } } }],
    });
    t.match(claimsOf(t, first.headers.authorization), { aud: 'https://ces.googleapis.com/' });
    await rig.recognizer.opened();
    await listen(rig);
    await event(rig, 'stop-play');
    rig.recognizer.hear('where is it');
    t.match((await rig.bot.next(CES_PATH)).json, { inputs: [{ text: 'where is it' }] });
    t.match((await rig.app.next('/tool')).json, {
      tool_call: { id: 'call-7', display_name: 'find', args: { orderId: 7 } },
    });
    t.match((await rig.app.next('/tool')).json, { tool_call: { id: 'call-8' } });
    t.same(((await rig.bot.next(CES_PATH)).json.inputs as unknown[])[0], {
      toolResponses: {
        toolResponses: [
          { id: 'call-7', tool: call.tool, displayName: 'find', response: { isThere: true } },
          { id: 'call-8', tool: call.tool, displayName: 'find', response: { error: 'no such order' } },
        ],
      },
    });
    await listen(rig);
    await event(rig, 'stop-play');
    for (const key of ['4', '#']) rig.media.endpoint.press(key);
    t.match((await rig.bot.next(CES_PATH)).json, { inputs: [{ dtmf: '4' }] });
    await listen(rig);
    t.match((await rig.app.next('/done')).json, { dialogflow_result: 'completed' });
    await rig.going;
  },
);

t.test(
  'dialogflow ces: an agent whose tools nobody can run hears of it; one that asks for ever is ended',
  async (t) => {
    const rig = await talk(t, () => CES);
    rig.bot.on(CES_PATH, { outputs: [{ toolCalls: { toolCalls: [{ id: 'a', tool: 't', args: {} }] } }] });
    await rig.bot.next(CES_PATH);
    t.match((await rig.bot.next(CES_PATH)).json, {
      inputs: [{ toolResponses: { toolResponses: [{ id: 'a', response: { error: 'no toolHook is given' } }] } }],
    });
    t.match((await rig.app.next('/done')).json, { dialogflow_result: 'error' });
    await rig.going;
    t.match(rig.sink.alerts, [{ message: 'Dialogflow: the agent has asked for its tools 20 times on end' }]);
  },
);

t.test('dialogflow: credentials that cannot be used are named', async (t) => {
  const rig = await talk(t, () => ({
    verb: 'dialogflow',
    project: 'p',
    credentials: { client_email: 'a' },
    lang: 'en-US',
  }));
  t.match((await rig.app.next('/done')).json, { dialogflow_result: 'error' });
  await rig.going;
  t.match(rig.sink.alerts, [{ message: 'Dialogflow: credentials lack private_key' }]);
});

t.test('rasa: a caller who says nothing ends it', async (t) => {
  const rig = await talk(t, (bot) => ({ verb: 'rasa', url: `${bot.url}/webhook`, prompt: 'How can I help you?' }), 50);
  const prompt = await rig.media.endpoint.plays.take();
  await rig.recognizer.opened();
  rig.recognizer.hear('not heard during the prompt');
  prompt.finish();
  t.match((await rig.app.next('/done')).json, { rasa_result: 'timeout' });
  await rig.going;
  t.equal(rig.bot.requests.length, 0);
});

t.test('rasa: what is said is posted, and what the bot answers is heard', async (t) => {
  const rig = await talk(t, (bot) => ({ verb: 'rasa', url: `${bot.url}/webhook` }));
  rig.bot.on('/webhook', [{ recipient_id: 'call-1', text: 'With pleasure.' }, { image: 'x' }, { text: 'When?' }]);
  await rig.recognizer.opened();
  rig.recognizer.hear('I need a taxi');
  t.same((await rig.bot.next('/webhook')).json, { sender: 'call-1', message: 'I need a taxi' });
  t.match(await event(rig, 'userMessage'), { message: 'I need a taxi' });
  t.match(await event(rig, 'botMessage'), { message: 'With pleasure. When?' });
  await listen(rig);
  await listen(rig);
  rig.leg.end({ how: 'bye', headers: {} });
  t.match((await rig.app.next('/done')).json, { rasa_result: 'caller hungup' });
  await rig.going;
});

t.test('rasa: a bot that fails ends the verb as webhookError, and the call goes on', async (t) => {
  const rig = await talk(t, (bot) => ({ verb: 'rasa', url: `${bot.url}/webhook` }));
  rig.bot.on('/webhook', (response) => response.writeHead(200).end('<html>'));
  await rig.recognizer.opened();
  rig.recognizer.hear('hello');
  t.match((await rig.app.next('/done')).json, { rasa_result: 'webhookError' });
  await rig.going;
  t.match(rig.sink.alerts, [{ alertType: 'llm-failure', message: /Rasa answered what is not JSON/ }]);
});
