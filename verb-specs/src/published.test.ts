import t from 'tap';
import { ALIASES } from './aliases.js';
import { VERB_SCHEMAS } from './schemas/index.js';
import { isPublished, publishedExamples, publishedSamples, publishedVerbs } from './testing/published-samples.js';
import { validate } from './validate.js';

/** What the published schemas allow and we refuse, with the reason. A gap that is closed has to leave this list. */
const REFUSED: readonly { what: RegExp; reason: string }[] = [
  { what: /^sip:decline\.status$/, reason: 'the sample is 1, which is no final status of SIP' },
  { what: /^rest:dial\.(call_hook|call_status_hook|referHook)$/, reason: 'a hook without URL leads nowhere' },
  {
    what: /^(room|conference|dial)\.(listen|stream)$|^(room|conference)\.record$|^config\.record$/,
    reason: 'the sample is {}: where the audio goes, or what is to be done, is required in compat 1.4',
  },
  {
    what: /^gather\.(say|play)$|^dub\.say$|^dial\.dub\[\]\.say$/,
    reason: 'the sample is {}: a prompt without text or URL says nothing',
  },
  {
    what: /\.actionHookDelayAction\.(actions|giveUpActions)\[\]$/,
    reason: 'the sample is {}: verbs within verbs are validated as verbs',
  },
];

const verbs = publishedVerbs();
const faultsOf = (document: unknown): string[] => {
  const result = validate([document]);
  return result.ok ? [] : result.errors.map(({ path, reason }) => `${path}: ${reason}`);
};

t.test('every verb of the published schema package is known', async (t) => {
  t.ok(verbs.length > 35, `${verbs.length} verbs`);
  t.strictSame(
    verbs.filter((name) => !Object.hasOwn(VERB_SCHEMAS, name) && !ALIASES.has(name)),
    [],
  );
});

t.test('every example of the published schemas is valid', async (t) => {
  let count = 0;
  for (const verb of verbs) {
    for (const example of publishedExamples(verb)) {
      count += 1;
      t.strictSame(faultsOf(example), [], `${verb}: ${JSON.stringify(example)}`);
    }
  }
  t.ok(count > 50, `${count} examples`);
});

t.test('every property of the published schemas, in every form it may have, is valid', async (t) => {
  let count = 0;
  const used = new Set<(typeof REFUSED)[number]>();
  const refused: string[] = [];
  for (const verb of verbs) {
    for (const { what, document } of publishedSamples(verb)) {
      count += 1;
      const faults = faultsOf(document);
      if (faults.length === 0) continue;
      const known = REFUSED.find((gap) => gap.what.test(`${verb}${what}`));
      if (known) used.add(known);
      else refused.push(`${verb}${what}: ${faults.join('; ')}`);
    }
  }
  t.ok(count > 1000, `${count} documents`);
  t.strictSame(refused, []);
  t.strictSame(
    REFUSED.filter((gap) => !used.has(gap)),
    [],
    'gaps that are none',
  );
});

t.test('id and _ may be put on every verb', async (t) => {
  for (const verb of verbs) {
    const [sample] = publishedSamples(verb);
    if (sample === undefined) continue;
    t.strictSame(faultsOf({ ...sample.document, id: 'my-id', _: { any: 'thing' } }), [], verb);
  }
});

t.test('the samples are documents that the package takes itself, and one property too many it does not', async (t) => {
  t.ok(isPublished('say', { verb: 'say', text: 'a' }));
  t.notOk(isPublished('say', { verb: 'say', text: 5 }));
});
