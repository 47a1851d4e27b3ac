import t from 'tap';
import { LIMITS, MAX_ERRORS } from './limits.js';
import { validate } from './validate.js';
import { compileValidators } from './validators.js';

compileValidators();

const lines = (document: unknown): string[] => {
  const result = validate(document);
  return result.ok ? [] : result.errors.map(({ path, reason }) => `${path}: ${reason}`);
};
const many = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

t.test('an answer of more than a thousand verbs is refused as a whole', async (t) => {
  t.ok(validate(many(1000, { verb: 'hangup' })).ok);
  t.strictSame(lines(many(10_000, { verb: 'nonsense' })), ['$: must have at most 1000 verbs, got 10000']);
});

t.test('verbs within verbs count too', async (t) => {
  const gather = { gather: { actionHookDelayAction: { actions: many(98, { say: { text: 'a' } }) } } };
  t.ok(validate(many(10, gather)).ok);
  t.match(lines(many(11, gather)), [
    /^\$\[10\]\.gather\.actionHookDelayAction\.actions: the document must have at most 1000 verbs/,
  ]);
});

t.test('a text, a list, a depth and a number of values beyond bounds are named with their path', async (t) => {
  t.strictSame(lines([{ say: { text: 'x'.repeat(200_001) } }]), [
    '$[0].say.text: must have at most 200000 characters, got 200001',
  ]);
  t.strictSame(lines([{ tag: { data: { list: many(5001, 1) } } }]), [
    '$[0].tag.data.list: must have at most 5000 elements, got 5001',
  ]);
  t.strictSame(lines(many(20, { tag: { data: { list: many(4999, 1) } } })), [
    '$[3].tag.data.list[4986]: the document must have at most 20000 values',
  ]);
  const [name] = lines([{ tag: { data: { ['k'.repeat(300_000)]: 1 } } }]);
  t.match(name, /^\$\[0\]\.tag\.data\['k+…'\]: its name must have at most 200000 characters, got 300000$/);
  let deep: unknown = 1;
  for (let i = 0; i < 200_000; i++) deep = { deep };
  t.match(lines([{ tag: { data: deep } }]), [
    /^\$\[0\]\.tag\.data\.deep.*…: objects and lists must be at most 100 deep$/,
  ]);
  t.match(lines([{ say: { text: deep } }]), [/at most 100 deep/]);
  let document: unknown[] = [{ verb: 'hangup' }];
  for (let i = 0; i < 100_000; i++) document = [{ verb: 'gather', actionHookDelayAction: { giveUpActions: document } }];
  t.match(lines(document), [/at most 100 deep/]);
});

t.test("an application's own data may be anything within these bounds", async (t) => {
  let deep: unknown = 1;
  for (let i = 0; i < LIMITS.depth - 4; i++) deep = { deep };
  t.strictSame(lines([{ tag: { data: { deep, text: 'x'.repeat(200_000), list: many(5000, null) } } }]), []);
});

t.test('what an application wrote is not repeated at length', async (t) => {
  const long = 'x'.repeat(100_000);
  const result = validate([{ say: { text: 'a', [long]: 1 } }, { [long]: {} }]);
  t.notOk(result.ok);
  for (const { path, reason } of result.ok ? [] : result.errors) t.ok(path.length < 200 && reason.length < 200);
});

t.test('of a document with thousands of faults the first hundred are told', async (t) => {
  const result = validate(many(1000, { verb: 'pause' }));
  t.notOk(result.ok);
  const errors = result.ok ? [] : result.errors;
  t.equal(errors.length, MAX_ERRORS + 1);
  t.strictSame(errors.at(-1), { path: '$', reason: 'has 900 more errors' });
});

t.test('no document within bounds takes long to judge', async (t) => {
  const keys = (count: number, value: unknown): Record<string, unknown> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, value]));
  const documents: Record<string, unknown> = {
    'unknown properties': [{ verb: 'say', text: 'a', ...keys(19_000, 1) }],
    'nulls that stand for nothing': [{ verb: 'hangup', headers: keys(19_000, null) }],
    'wrong headers': [{ verb: 'hangup', headers: keys(19_000, []) }],
    'wrong targets': [{ dial: { target: many(3500, { type: 'x', a: 1, b: 2, c: 3 }) } }],
    'unknown verbs': many(1000, keys(1, {})),
    'long unknown verbs': many(1000, { verb: 'gather'.repeat(6) }),
    'sound verbs': many(1000, { gather: { input: ['digits'], say: { text: 'a' }, actionHook: '/a' } }),
    'verbs beyond count': many(10_000, { verb: 'say', text: 'a' }),
  };
  for (const [name, document] of Object.entries(documents)) {
    const before = process.cpuUsage();
    validate(document);
    const { user, system } = process.cpuUsage(before);
    t.comment(`${name}: ${Math.round((user + system) / 1000)} ms`);
    // Processor time, and a bound far above it: a cost that grows with the square of the size takes minutes.
    t.ok(user + system < 5_000_000, name);
  }
});
