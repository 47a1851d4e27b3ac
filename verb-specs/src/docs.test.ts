import { readFileSync } from 'node:fs';
import t from 'tap';
import { renderVerbReference } from './docs.js';
import { HOOK_PAYLOADS } from './hook-payloads.js';
import { VERB_SCHEMAS, type VerbName } from './schemas/index.js';
import { HOOKS_OF_VERBS } from './testing/hook-kinds.js';
import { callbackFields } from './testing/payload-faults.js';
import { isPublished, publishedVerbs } from './testing/published-samples.js';
import { validate } from './validate.js';
import { VERB_EXAMPLES } from './verb-examples.js';

t.test('docs/verbs.md is what the schemas say', async (t) => {
  const written = readFileSync(new URL('../../docs/verbs.md', import.meta.url), 'utf8');
  t.equal(written, renderVerbReference(), 'run: npm run docs -w verb-specs');
});

t.test('the reference has every verb, and every link in it leads somewhere', async (t) => {
  const text = renderVerbReference();
  const headings = [...text.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading!);
  for (const name of Object.keys(VERB_SCHEMAS)) t.ok(headings.includes(name), name);
  const anchors = new Set(
    headings.map((heading) =>
      heading
        .replace(/[^\w\- ]/g, '')
        .replace(/ /g, '-')
        .toLowerCase(),
    ),
  );
  const dead = [...text.matchAll(/\(#([^)]+)\)/g)].filter(([, anchor]) => !anchors.has(anchor!));
  t.strictSame(dead, []);
});

t.test('the example of each verb is valid, here and where the published schemas have the verb', async (t) => {
  const published = new Set(publishedVerbs());
  for (const [name, example] of Object.entries(VERB_EXAMPLES)) {
    const result = validate([example]);
    t.ok(result.ok, `${name}: ${JSON.stringify(result)}`);
    t.equal(example.verb, name);
    if (published.has(name)) t.ok(isPublished(name, example), `${name} as published`);
  }
});

t.test('the fields of each hook are those of its published schema', async (t) => {
  /** Vendors that are not configured have no events to tell. */
  const untold = new Set(['eventHook', 'toolHook']);
  for (const [verb, hooks] of Object.entries(HOOKS_OF_VERBS)) {
    for (const [hook, kind] of Object.entries(hooks)) {
      const known = HOOK_PAYLOADS[verb as VerbName]?.find((payload) => payload.hook === hook);
      const fields = callbackFields(kind);
      if (!Object.hasOwn(VERB_SCHEMAS, verb) || fields.length === 0) continue;
      if (!known && untold.has(hook)) continue;
      const told = Object.keys(known?.fields ?? {});
      t.strictSame(
        fields.filter((field) => !told.includes(field)),
        [],
        `${verb}.${hook} (${kind})`,
      );
    }
  }
});
