import t from 'tap';
import { MAX_RATES_PER_PREFIX, NEVER_SEC, RateTrie } from './rate-trie.js';
import { type RateRow, RateTrieBuilder, rateRow } from './rate-trie-builder.js';

const trieOf = (...rows: RateRow[]): RateTrie => {
  const builder = new RateTrieBuilder();
  for (const [index, row] of rows.entries()) t.same(builder.add(row, index + 1), { ok: true });
  return builder.build();
};
/** Repeatable numbers from 0 to less than 1. */
const seeded = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};

t.test('rates: the price of the longest prefix counts', async (t) => {
  const trie = trieOf(rateRow('1', 0.01), rateRow('1555', 0.02), rateRow('49', 0.03));
  t.match(trie.find('15551234', 0), { rateMicros: 20_000, prefixLength: 4 });
  t.match(trie.find('1556', 0), { rateMicros: 10_000, prefixLength: 1 });
  t.match(trie.find('1555', 0), { rateMicros: 20_000 });
  t.match(trie.find('155', 0), { rateMicros: 10_000 });
  t.equal(trie.find('4', 0), undefined);
  for (const nothing of ['', '2', 'alice', '+1555', '４９']) t.equal(trie.find(nothing, 0), undefined, nothing);
  t.match(trie.find('49x', 0), { rateMicros: 30_000 });
  t.equal(trieOf().find('1', 0), undefined);
});

t.test(
  'rates: a price counts from its first second to before its end; of several the one that began last',
  async (t) => {
    const trie = trieOf(
      rateRow('1', 0.01),
      rateRow('15', 0.05, 100, 200),
      rateRow('15', 0.07, 150),
      rateRow('15', 0.06, 120),
    );
    const at = (sec: number) => trie.find('155', sec)?.rateMicros;
    t.strictSame([0, 99, 100, 119, 120, 149, 150, 200, NEVER_SEC - 1].map(at), [
      ...[10_000, 10_000, 50_000, 50_000, 60_000, 60_000, 70_000, 70_000, 70_000],
    ]);
    const ending = trieOf(rateRow('1', 0.01), rateRow('15', 0.05, 100, 200));
    t.equal(ending.find('15', 200)?.rateMicros, 10_000, 'what has ended leaves the number to the shorter prefix');
  },
);

t.test('rates: a second price of the same prefix and date is refused, with the line of the first', async (t) => {
  const builder = new RateTrieBuilder();
  builder.add(rateRow('1', 0.01, 5), 2);
  t.same(builder.add(rateRow('1', 0.02, 5), 9), { ok: false, reason: 'duplicate', line: 2 });
  for (let date = 6; builder.size < MAX_RATES_PER_PREFIX; date++) builder.add(rateRow('1', 0.01, date), date);
  t.same(builder.add(rateRow('1', 0.01, 1), 99), { ok: false, reason: 'too-many-dates' });
  t.equal(builder.build().size, MAX_RATES_PER_PREFIX);
});

t.test('rates: 20,000 random prefixes give what a search through all of them gives, also from an image', async (t) => {
  const random = seeded(7);
  const digits = (most: number) =>
    Array.from({ length: 1 + Math.floor(random() * most) }, () => Math.floor(random() * 10)).join('');
  const rows = new Map<string, RateRow>();
  while (rows.size < 20_000) {
    const row = rateRow(digits(7), Math.floor(random() * 1000) / 1000);
    rows.set(row.prefix, row);
  }
  const builder = new RateTrieBuilder();
  for (const row of rows.values()) builder.add(row, 1);
  t.strictSame(
    [...builder.rows()],
    [...rows.values()].sort((a, b) => (a.prefix < b.prefix ? -1 : 1)),
  );
  const trie = builder.build();
  const copy = RateTrie.fromImage(trie.image.slice(0));
  for (let i = 0; i < 20_000; i++) {
    const number = digits(12);
    let expected: RateRow | undefined;
    for (let length = number.length; length > 0 && !expected; length--) expected = rows.get(number.slice(0, length));
    const found = trie.find(number, 1);
    if (found?.rateMicros !== expected?.rateMicros || found?.prefixLength !== expected?.prefix.length) t.fail(number);
    if (copy?.find(number, 1)?.rateMicros !== expected?.rateMicros) t.fail(`${number} from the image`);
  }
});

t.test('rates: an image that is cut short, too long, empty or of another format is not taken', async (t) => {
  const { image } = trieOf(rateRow('15', 1));
  t.ok(RateTrie.fromImage(image.slice(0)));
  t.equal(RateTrie.fromImage(image.slice(0, image.byteLength - 1)), undefined);
  t.equal(RateTrie.fromImage(new ArrayBuffer(image.byteLength)), undefined);
  t.equal(RateTrie.fromImage(new ArrayBuffer(3)), undefined);
  const other = image.slice(0);
  new Uint32Array(other, 0, 4)[1] = 999;
  t.equal(RateTrie.fromImage(other), undefined);
});
