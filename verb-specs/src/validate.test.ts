import t from 'tap';
import { ALIASES } from './aliases.js';
import { validate } from './validate.js';
import { describeErrors, type VerbError } from './verb-error.js';

const errorsOf = (document: unknown): VerbError[] => {
  const result = validate(document);
  return result.ok ? [] : result.errors;
};
const lines = (document: unknown): string[] => errorsOf(document).map(({ path, reason }) => `${path}: ${reason}`);
const verbsOf = (document: unknown): unknown => {
  const result = validate(document);
  return result.ok ? result.verbs : result.errors;
};

t.test('both forms of a verb come back in one', async (t) => {
  const expected = [{ verb: 'say', text: 'Hello.' }, { verb: 'hangup' }];
  t.strictSame(verbsOf([{ verb: 'say', text: 'Hello.' }, { hangup: {} }]), expected);
  t.strictSame(verbsOf([{ say: { text: 'Hello.' } }, { verb: 'hangup' }]), expected);
  t.strictSame(verbsOf([]), []);
});

t.test('an alias comes back as its verb, with the vendor that it stands for', async (t) => {
  for (const [name, alias] of ALIASES) {
    const properties = { url: 'wss://a', name: 'room', llmOptions: {}, vendor: 'openai' };
    const needed: Record<string, unknown> =
      alias.verb === 'listen'
        ? { url: properties.url }
        : alias.verb === 'conference'
          ? { name: properties.name }
          : { llmOptions: {}, ...(alias.vendor === undefined && { vendor: 'openai' }) };
    const vendor = alias.verb === 'llm' ? { vendor: alias.vendor ?? 'openai' } : {};
    const expected = [{ verb: alias.verb, ...needed, ...vendor }];
    t.strictSame(verbsOf([{ [name]: needed }]), expected);
    t.strictSame(verbsOf([{ verb: name, ...needed }]), expected);
  }
  t.strictSame(verbsOf([{ openai_s2s: { vendor: 'microsoft', llmOptions: {} } }]), [
    { verb: 'llm', vendor: 'microsoft', llmOptions: {} },
  ]);
  t.match(verbsOf([{ openai_s2s: { vendor: undefined, llmOptions: {} } }]), [{ vendor: 'openai' }]);
});

t.test('stream within dial, config and conference comes back as listen, unless listen is there', async (t) => {
  const url = 'wss://a';
  t.strictSame(verbsOf([{ config: { stream: { enable: true, url } } }]), [
    { verb: 'config', listen: { enable: true, url } },
  ]);
  t.match(verbsOf([{ conference: { name: 'a', stream: { url } } }]), [{ listen: { url } }]);
  const both = { target: [{ type: 'phone', number: '1' }], stream: { url: 'wss://b' }, listen: { url } };
  t.strictSame(verbsOf([{ dial: both }]), [{ verb: 'dial', target: both.target, listen: { url } }]);
  t.strictSame(lines([{ dial: { ...both, stream: {} } }]), ['$[0].dial.stream.url: is required']);
});

t.test('all errors are reported at once, each with path, verb, reason and allowed values', async (t) => {
  const document = [
    { verb: 'say', txt: 'Hello.' },
    { gather: { numDigits: 'abc', say: { text: 5 } } },
    { config: { record: { action: 'start' } } },
    { 'sip:refer': { headers: { 'X-A': {} } } },
    { verb: 'pause', length: 1 },
  ];
  t.strictSame(errorsOf(document), [
    { path: '$[0].text', verb: 'say', reason: 'is required' },
    { path: '$[0].txt', verb: 'say', reason: 'unknown property "txt"; did you mean "text"?' },
    { path: '$[1].gather.numDigits', verb: 'gather', reason: 'must be number, got "abc"' },
    { path: '$[1].gather.say.text', verb: 'gather', reason: 'must be string or list, got 5' },
    {
      path: '$[2].config.record.action',
      verb: 'config',
      reason:
        'must be one of startCallRecording, stopCallRecording, pauseCallRecording, resumeCallRecording; got "start"',
      allowed: ['startCallRecording', 'stopCallRecording', 'pauseCallRecording', 'resumeCallRecording'],
    },
    { path: "$[3]['sip:refer'].referTo", verb: 'sip:refer', reason: 'is required' },
    {
      path: "$[3]['sip:refer'].headers['X-A']",
      verb: 'sip:refer',
      reason: 'must be string or number or boolean, got an object',
    },
  ]);
  t.equal(
    describeErrors(errorsOf(document), 2),
    '$[0].text: is required; $[0].txt: unknown property "txt"; did you mean "text"?; and 5 more',
  );
  t.equal(describeErrors([{ path: '$', reason: 'is bad' }]), '$: is bad');
});

t.test('an unknown verb is named, with the nearest known one', async (t) => {
  t.strictSame(lines([{ sya: { text: 'a' } }, { verb: 'gahter' }, { verb: 'xyzzy' }, { sip_decline: 1 }]), [
    '$[0].sya: unknown verb "sya"; did you mean "say"?',
    '$[1].verb: unknown verb "gahter"; did you mean "gather"?',
    '$[2].verb: unknown verb "xyzzy"',
    '$[3].sip_decline: unknown verb "sip_decline"; did you mean "sip:decline"?',
  ]);
  t.match(errorsOf([{ verb: 'xyzzy' }])[0]?.allowed, ['agent', 'alert']);
});

t.test('what is not a list of verbs is named for what it is', async (t) => {
  t.strictSame(lines({ verb: 'say', text: 'a' }), ['$: must be a list of verbs, got an object']);
  for (const [document, words] of [
    [undefined, 'undefined'],
    [null, 'null'],
    ['say', '"say"'],
    [5, '5'],
    [true, 'true'],
    [() => 1, 'a function'],
  ] as const) {
    t.strictSame(lines(document), [`$: must be a list of verbs, got ${words}`]);
  }
  const form = 'must be {"verb": "<name>", …}, or {"<name>": {…}} with the name as only key';
  t.strictSame(lines([null, 'say', [], {}, { say: {}, id: 'a' }, { verb: 5 }, { say: 'Hello.' }, { hangup: null }]), [
    '$[0]: must be object, got null',
    '$[1]: must be object, got "say"',
    '$[2]: must be object, got a list',
    `$[3]: ${form}`,
    `$[4]: ${form}`,
    '$[5].verb: must be string, got 5',
    '$[6].say: must be object, got "Hello."',
    '$[7].hangup: must be object, got null',
  ]);
  t.strictSame(lines([{ say: { verb: 'say', text: 'a' } }]), ['$[0].say.verb: unknown property "verb"']);
  t.ok(validate([{ gather: { say: { verb: 'say', text: 'a' } } }]).ok, 'a nested verb may name itself');
  t.strictSame(lines([{ gather: { say: { verb: 'play', text: 'a' } } }]), [
    '$[0].gather.say.verb: must be "say", got "play"',
  ]);
});

t.test('what is undefined is skipped, and null counts as absent where an object may stand', async (t) => {
  const document = [
    {
      verb: 'gather',
      foo: undefined,
      timeout: undefined,
      actionHook: null,
      recognizer: null,
      say: { text: 'a', bar: undefined, synthesizer: null },
    },
    { hangup: { headers: { 'X-A': 'a', 'X-B': null } }, other: undefined },
  ];
  t.strictSame(verbsOf(document), [
    { verb: 'gather', say: { text: 'a' } },
    { verb: 'hangup', headers: { 'X-A': 'a' } },
  ]);
  t.ok('actionHook' in document[0]!, 'the document itself is not changed');
  t.strictSame(lines([{ verb: 'tag', data: null }]), ['$[0].data: is required']);
  t.strictSame(lines([{ verb: 'pause', length: null }]), ['$[0].length: must be number, got null']);
  t.strictSame(lines([{ verb: 'dial', target: [null] }]), ['$[0].target[0]: must be object, got null']);
});

t.test("null within the application's own data is kept", async (t) => {
  t.strictSame(verbsOf([{ verb: 'tag', data: { a: null, b: [null] }, actionHook: undefined }]), [
    { verb: 'tag', data: { a: null, b: [null] } },
  ]);
});

t.test('a number may be text only where jambonz lets it', async (t) => {
  t.ok(validate([{ play: { url: 'a', loop: '2', seekOffset: '8000', timeoutSecs: '10' } }]).ok);
  t.ok(validate([{ say: { text: 'a', loop: 'forever' } }, { config: { boostAudioSignal: '6 dB' } }]).ok);
  t.strictSame(lines([{ pause: { length: '1' } }]), ['$[0].pause.length: must be number, got "1"']);
});

t.test('dial and transfer name somebody to call', async (t) => {
  t.strictSame(lines([{ dial: { target: [] } }, { transfer: { mode: 'warm', target: [] } }]), [
    '$[0].dial.target: must have at least 1 element',
    '$[1].transfer.target: must have at least 1 element',
  ]);
});

t.test('negative lengths, counts and timeouts are refused', async (t) => {
  t.strictSame(
    lines([
      { verb: 'pause', length: -1 },
      { verb: 'gather', numDigits: -1, minDigits: -1, maxDigits: -1, timeout: -1, interDigitTimeout: -0.5 },
      { verb: 'play', url: 'https://a.invalid/a.wav', loop: -1 },
      { verb: 'say', text: 'a', loop: -2 },
      { verb: 'dial', target: [{ type: 'phone', number: '1' }], timeout: -1, timeLimit: -1 },
      { verb: 'config', bargeIn: { numDigits: -1 } },
    ]).sort(),
    [
      '$[0].length: must be >= 0, got -1',
      '$[1].interDigitTimeout: must be >= 0, got -0.5',
      '$[1].maxDigits: must be >= 0, got -1',
      '$[1].minDigits: must be >= 0, got -1',
      '$[1].numDigits: must be >= 0, got -1',
      '$[1].timeout: must be >= 0, got -1',
      '$[2].loop: must be >= 0, got -1',
      '$[3].loop: must be >= 0, got -2',
      '$[4].timeLimit: must be >= 0, got -1',
      '$[4].timeout: must be >= 0, got -1',
      '$[5].bargeIn.numDigits: must be >= 0, got -1',
    ],
  );
  t.strictSame(
    lines([
      { verb: 'pause', length: 0 },
      { verb: 'gather', timeout: 0 },
      { verb: 'say', text: 'a', loop: 'forever' },
      { verb: 'config', reset: 'recognizer' },
      { verb: 'config', reset: ['synthesizer', 'recognizer'] },
    ]),
    [],
  );
});

t.test('a hook may be a URL or an object, whose further properties are not looked at', async (t) => {
  t.ok(validate([{ redirect: { actionHook: { url: '/a', method: 'GET', webhook_sid: 'x' } } }]).ok);
  t.strictSame(lines([{ redirect: { actionHook: { method: 'PUT' } } }]), [
    '$[0].redirect.actionHook.url: is required',
    '$[0].redirect.actionHook.method: must be one of GET, POST; got "PUT"',
  ]);
});

t.test('what depends on another property is asked for', async (t) => {
  t.strictSame(lines([{ say: {} }]), ['$[0].say.text: is required']);
  t.ok(validate([{ say: { stream: true } }]).ok);
  t.strictSame(lines([{ say: { stream: false } }]), ['$[0].say.text: is required']);
  t.strictSame(lines([{ llm: { vendor: 'openai' } }]), ['$[0].llm.llmOptions: is required']);
  t.ok(validate([{ elevenlabs_s2s: { auth: { agent_id: 'a' } } }]).ok);
  t.strictSame(lines([{ fax: { action: 'send' } }]), ['$[0].fax.url: is required']);
  const target = ['phone', 'teams', 'sip', 'user'].map((type) => ({ type }));
  t.strictSame(lines([{ dial: { target } }]), [
    '$[0].dial.target[0].number: is required',
    '$[0].dial.target[1].number: is required',
    '$[0].dial.target[2].sipUri: is required',
    '$[0].dial.target[3].name: is required',
  ]);
  t.strictSame(lines([{ dial: { target: [] } }]), ['$[0].dial.target: must have at least 1 element']);
  t.strictSame(lines([{ 'sip:decline': { status: 200 } }]), ["$[0]['sip:decline'].status: must be >= 300, got 200"]);
  t.strictSame(lines([{ agent: { toolFiller: { type: 'audio' } } }]), ['$[0].agent.toolFiller.url: is required']);
  t.strictSame(lines([{ agent: { toolFiller: true } }]), ['$[0].agent.toolFiller: must be false, got true']);
  const disposition = { onBusy: 'voicemail' };
  t.strictSame(lines([{ transfer: { mode: 'blind', target: [{ type: 'user', name: 'a' }], disposition } }]), [
    '$[0].transfer.disposition.voicemailUrl: is required',
  ]);
});

t.test('verbs for a slow action hook are checked and brought into one form like any others', async (t) => {
  const gather = (delay: unknown) => [{ gather: { actionHookDelayAction: delay } }];
  t.strictSame(
    verbsOf(gather({ actions: [{ say: { text: 'a' } }], giveUpActions: [{ stream: { url: 'wss://a' } }] })),
    [
      {
        verb: 'gather',
        actionHookDelayAction: {
          actions: [{ verb: 'say', text: 'a' }],
          giveUpActions: [{ verb: 'listen', url: 'wss://a' }],
        },
      },
    ],
  );
  const within = '$[0].gather.actionHookDelayAction';
  t.strictSame(
    lines(gather({ actions: [{ say: { txt: 'a', text: 'b' } }, { pause: { length: 1 } }], giveUpActions: [5] })),
    [
      `${within}.actions[0].say.txt: unknown property "txt"; did you mean "text"?`,
      `${within}.actions[1]: must be one of say, play`,
      `${within}.giveUpActions[0]: must be object, got 5`,
    ],
  );
});

t.test('documents within documents end at a depth', async (t) => {
  let document: unknown[] = [{ verb: 'hangup' }];
  for (let i = 0; i < 12; i++) document = [{ verb: 'gather', actionHookDelayAction: { giveUpActions: document } }];
  t.match(lines(document), [/verbs stand within verbs more than 8 deep/]);
});

t.test('names that every object inherits are unknown like any other', async (t) => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    t.match(lines(JSON.parse(`[{"${name}":{}}]`)), [`unknown verb "${name}"`]);
    t.match(lines(JSON.parse(`[{"verb":"${name}"}]`)), [`unknown verb "${name}"`]);
    t.match(lines(JSON.parse(`[{"verb":"hangup","${name}":{"polluted":1}}]`)), [`unknown property "${name}"`]);
    t.match(lines(JSON.parse(`[{"say":{"text":"a","synthesizer":{"vendor":"v","${name}":{}}}}]`)), [
      `unknown property "${name}"`,
    ]);
  }
  t.equal(({} as Record<string, unknown>).polluted, undefined);
  const inherited = Object.create({ verb: 'hangup', text: 'a' }) as object;
  t.match(lines([inherited]), [/must be \{"verb"/]);
  t.strictSame(verbsOf([Object.assign(Object.create(null) as object, { verb: 'hangup' })]), [{ verb: 'hangup' }]);
});

t.test('a hook with a blank URL is none, as in jambonz; where one is needed it is missing', async (t) => {
  const play = { verb: 'play', url: 'a.wav' };
  for (const actionHook of ['', ' ', { url: '' }, { url: ' ', method: 'POST' }]) {
    t.strictSame(verbsOf([{ ...play, actionHook }]), [play]);
    t.strictSame(lines([{ verb: 'redirect', actionHook }]), ['$[0].actionHook: is required']);
  }
  const cleared = { verb: 'config', referHook: '', sipRequestWithinDialogHook: '' };
  t.strictSame(verbsOf([cleared]), [cleared], 'that takes back what was set');
});

t.test('objects that cannot be read are an error, not an exception', async (t) => {
  const throwing = {
    get verb(): string {
      throw new Error('no');
    },
  };
  t.strictSame(lines([throwing]), ['$: cannot be read: no']);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  t.match(lines([proxy]), [/cannot be read/]);
  const circular: Record<string, unknown> = { verb: 'tag' };
  circular.data = circular;
  t.match(lines([circular]), [/^\$\[0\]\.data\.data\.data.*…: objects and lists must be at most 100 deep$/]);
  t.strictSame(lines(new Array(2)), ['$[0]: must be object, got undefined', '$[1]: must be object, got undefined']);
});

t.test('documents as customers write them are valid', async (t) => {
  const documents = [
    [{ verb: 'gather', input: ['digits'], numDigits: 1, actionHook: '/choice', say: { text: 'Press 1.' } }],
    [{ verb: 'config', bargeIn: { enable: true, input: ['speech'], actionHook: '/b' }, notifyEvents: true }],
    [{ verb: 'dial', callerId: '1', answerOnBridge: true, target: [{ type: 'phone', number: '2', trunk: 'a' }] }],
    [{ verb: 'openai_s2s', auth: { apiKey: 'k' }, llmOptions: { response_create: {} }, actionHook: '/end' }],
    [{ verb: 'say', text: '<speak>Hi</speak>', synthesizer: { vendor: 'default', language: 'en-US' } }],
    [{ verb: 'listen', url: 'wss://a', mixType: 'stereo', wsAuth: { username: 'a', password: 'b' } }],
  ];
  for (const document of documents) t.ok(validate(document).ok, JSON.stringify(validate(document)));
});
