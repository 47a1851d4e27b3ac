import { readFileSync } from 'node:fs';
import t from 'tap';
import { renderVerbReference } from './docs.js';
import { VERB_SCHEMAS } from './schemas/index.js';

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
