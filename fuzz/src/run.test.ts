import { createHash } from 'node:crypto';
import t from 'tap';
import { makeInput } from './mutate.js';
import { parseFuzzOptions } from './options.js';
import { Random } from './random.js';
import { formatSummary, runSipFuzz } from './run.js';
import { loadSeeds } from './seeds.js';

const INPUTS = 5000;
const SEED = 3261;

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

t.test(`fuzz: ${INPUTS} inputs (seed ${SEED}) crash neither parser nor framer nor live transactions`, async (t) => {
  const summary = await runSipFuzz({ inputs: INPUTS, seed: SEED });
  t.equal(summary.inputs, INPUTS);
  t.same(summary.crashes, [], formatSummary(summary));
  t.equal(summary.unhandledRejections, 0);
  t.ok(summary.ok, formatSummary(summary));
});

t.test('fuzz: the same seed gives the same inputs, another seed others', async (t) => {
  const seeds = loadSeeds();
  const inputs = (seed: number): string[] =>
    Array.from({ length: 200 }, (_, n) => digest(makeInput(Random.of(seed, n), seeds)));
  t.same(inputs(7), inputs(7));
  t.notSame(inputs(7), inputs(8));
  t.ok(new Set(inputs(7)).size > 180);
});

t.test('fuzz: the command line is read, and a wrong one refused with a reason', async (t) => {
  t.same(parseFuzzOptions(['sip', '--inputs', '10', '--seed', '2']), {
    target: 'sip',
    inputs: 10,
    seed: 2,
    only: undefined,
  });
  t.match(parseFuzzOptions(['media', '--files', '10']), { target: 'media', packets: 1_000_000, files: 10 });
  t.throws(() => parseFuzzOptions(['rtp']), { message: /sip or media/ });
  t.throws(() => parseFuzzOptions(['sip', '--files', '1']), { message: /sip has no --files/ });
  t.throws(() => parseFuzzOptions(['sip', '--inputs', 'many']), { message: /whole number/ });
  t.throws(() => parseFuzzOptions(['sip', '--speed']), { message: /speed/ });
});
