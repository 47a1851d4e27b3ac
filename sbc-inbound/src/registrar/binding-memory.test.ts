import type { StoredBinding } from '@ringwire/common';
import t from 'tap';
import { bindingMemory } from './binding-memory.js';

const flow = (port: number) => ({ edge: '127.0.0.1:5060', transport: 'tcp' as const, address: '192.0.2.1', port });
/** A user of a realm with devices at these ports; each takes 1,000 bytes. */
const user = (name: string, realm: string, ...ports: number[]) => {
  const aor = { user: name, realm };
  const bindings = ports.map(
    (port): StoredBinding => ({
      aor,
      id: `${port}`,
      value: 'x'.repeat(600 - `${port}`.length),
      expiresAt: port,
      flow: flow(port),
    }),
  );
  return [aor, bindings] as const;
};
const namesOf = (memory: ReturnType<typeof bindingMemory>): string[] =>
  memory
    .all()
    .map(({ aor }) => `${aor.user}@${aor.realm}`)
    .sort();

t.test('bindings in memory: one realm has no more than its share, who registered longest ago goes', async (t) => {
  const memory = bindingMemory({ maxBytes: 10_000, maxRealmBytes: 3_000 });
  for (const name of ['a', 'b', 'c']) memory.set(...user(name, 'one', 1));
  memory.set(...user('a', 'one', 2));
  memory.set(...user('d', 'one', 1));
  memory.set(...user('e', 'two', 1));
  t.same(namesOf(memory), ['a@one', 'c@one', 'd@one', 'e@two']);
  memory.set(...user('much', 'two', 1, 2, 3, 4));
  t.same([memory.size, memory.bytes], [4, 4_000], 'what is more than a share is not kept at all');
});

t.test('bindings in memory: when it is full, the realm that has most gives way', async (t) => {
  const memory = bindingMemory({ maxBytes: 4_000, maxRealmBytes: 4_000 });
  for (const name of ['a', 'b', 'c']) memory.set(...user(name, 'one', 1));
  memory.set(...user('a', 'two', 1));
  memory.set(...user('a', 'three', 1));
  t.same(namesOf(memory), ['a@three', 'a@two', 'b@one', 'c@one']);
});

t.test('bindings in memory: a lost connection takes its own along; what is over is forgotten', async (t) => {
  const memory = bindingMemory({ maxBytes: 10_000, maxRealmBytes: 10_000 });
  const [alice, both] = user('alice', 'one', 1, 2);
  memory.set(alice, both);
  memory.forgetFlow(alice, flow(3));
  t.equal(memory.get(alice), both);
  memory.forgetFlow(alice, flow(1));
  t.same(memory.get(alice), [both[1]]);
  memory.prune(1);
  t.equal(memory.size, 1);
  memory.prune(2);
  t.same([memory.size, memory.bytes], [0, 0]);
  memory.set(alice, both);
  memory.set(alice, []);
  t.same([memory.size, memory.bytes], [0, 0]);
});
