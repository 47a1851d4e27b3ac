import { readFileSync } from 'node:fs';
import t from 'tap';

const DOCUMENT = new URL('../../../docs/sip-conformance.md', import.meta.url);
const LINK = /\[([^\]]+)\]\((\.\.\/[^)]+\.test\.ts)\)/g;

/** An entry of the document: its text on one line. */
function entriesOf(document: string): string[] {
  return document
    .split(/\n(?=- |#|\n)/)
    .filter((block) => block.startsWith('- '))
    .map((block) => block.replace(/\s+/g, ' '));
}

/** Whether a test file has a test of this title; a placeholder in either stands for anything. */
function hasTest(source: string, title: string): boolean {
  const titles = source.matchAll(/\btest\(\s*(['"`])((?:\\.|(?!\1).)+)\1/g);
  for (const [, , written = ''] of titles) {
    const plain = written.replace(/\\(.)/g, '$1');
    if (plain === title) return true;
    const parts = plain.split(/\$\{[^}]*\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    // A title that is nothing but a placeholder says nothing.
    if (parts.length > 1 && parts.join('').trim() !== '' && new RegExp(`^${parts.join('.+')}$`).test(title))
      return true;
  }
  return false;
}

t.test('docs/sip-conformance.md: every entry names a test that exists, or says that it does not hold', async (t) => {
  const entries = entriesOf(readFileSync(DOCUMENT, 'utf8'));
  t.ok(entries.length > 20);
  const sources = new Map<string, string>();
  const sourceOf = (path: string): string => {
    if (!sources.has(path)) sources.set(path, readFileSync(new URL(path, DOCUMENT), 'utf8'));
    return sources.get(path) ?? '';
  };
  const bad: string[] = [];
  for (const entry of entries) {
    const links = [...entry.matchAll(LINK)];
    const excused = entry.includes('✗') || entry.includes('the same test');
    if (links.length === 0 && !excused) bad.push(`names no test: ${entry}`);
    for (const [, title = '', path = ''] of links) {
      if (!hasTest(sourceOf(path), title)) bad.push(`no such test in ${path}: ${title}`);
    }
  }
  t.same(bad, []);
});

t.test('docs/sip-conformance.md: a title that no test has is found out', async (t) => {
  const source = `t.test('a: b', f); t.test(\n  \`c \${x} d\`, f); t.test('e (not drachtio)', g, f)`;
  t.same(
    ['a: b', 'c 1 d', `c \${x} d`, 'e (not drachtio)', 'a: c', 'c d', 'e'].map((title) => hasTest(source, title)),
    [true, true, true, true, false, false, false],
  );
});
