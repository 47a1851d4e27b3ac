import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { ShortLivedMap } from './short-lived-map.js';

t.test('short-lived map: values are found until they are deleted or replaced', async (t) => {
  const map = new ShortLivedMap<string, number>();
  map.set('a', 1);
  map.set('b', 2);
  map.set('a', 3);
  t.same([...map.values()], [3, 2]);
  t.equal(map.get('a'), 3);
  t.equal(map.delete('a'), true);
  t.equal(map.delete('a'), false);
  t.notOk(map.has('a'));
  t.equal(map.size, 1);
  map.clear();
  t.equal(map.get('b'), undefined);
  t.equal(map.size, 0);
});

t.test('short-lived map: what is deleted while it is looked through is left out', async (t) => {
  const map = new ShortLivedMap<number, string>();
  for (let i = 0; i < 4; i++) map.set(i, `${i}`);
  const seen: string[] = [];
  for (const value of map.values()) {
    seen.push(value);
    map.delete(2);
  }
  t.same(seen, ['0', '1', '3']);
});

t.test('short-lived map: deleted values are gone with the next young collection, however old the map is', async (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (options?: { type: 'minor' }) => void;
  const heapBytes = (): number => {
    gc({ type: 'minor' });
    gc({ type: 'minor' });
    return process.memoryUsage().heapUsed;
  };
  const valueBytes = 8_000;
  const map = new ShortLivedMap<number, number[]>();
  const fill = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      map.set(i, new Array<number>(valueBytes / 8).fill(i));
      map.delete(i - 10);
    }
  };
  fill(0, 20);
  // Twice through a young collection is old. After that its tables are replaced, each with live values in it.
  const before = heapBytes();
  fill(20, 4_000);
  const grown = heapBytes() - before;
  t.ok(grown < 4_000 * valueBytes * 0.1, `${grown} bytes`);
});
