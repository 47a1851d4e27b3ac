import type { DialSpec } from '@ringwire/verb-specs';
import t from 'tap';
import { CollectingSink, journalOver } from '../../testing/fakes.js';
import type { VerbContext } from '../verb.js';
import { targetsOf } from './targets.js';

function targets(spec: Omit<DialSpec, 'verb'>) {
  const sink = new CollectingSink();
  const ctx = { journal: journalOver(sink) } as unknown as VerbContext;
  return { called: targetsOf(ctx, { verb: 'dial', ...spec }).map(({ target }) => target), lines: sink.lines };
}

t.test('dial: fromHost is the host of From for each target that names none of its own', async (t) => {
  const { called } = targets({
    fromHost: 'pbx.example.org',
    target: [
      { type: 'phone', number: '1', from: { user: 'reception' } },
      { type: 'phone', number: '2', from: { host: 'own.example.org' } },
      { type: 'sip', sipUri: 'sip:a@example.com' },
    ],
  });
  t.strictSame(
    called.map(({ from }) => from),
    [{ user: 'reception', host: 'pbx.example.org' }, { host: 'own.example.org' }, { host: 'pbx.example.org' }],
  );
});

t.test('dial: a target that is named twice is called once; ten different ones are called', async (t) => {
  const numbered = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ type: 'phone', number: `${index}` }) as const);
  const both = { type: 'phone', number: '0' } as const;
  const { called, lines } = targets({ target: [both, ...numbered(10), both] });
  t.strictSame(
    called.map(({ address }) => address),
    numbered(10).map(({ number }) => number),
  );
  t.strictSame(lines, []);
  t.match(targets({ target: numbered(12) }), { called: { length: 10 }, lines: [/first 10 of 12/] });
});
