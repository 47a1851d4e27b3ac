import t from 'tap';
import { FakeClock } from './fake-clock.js';
import { InvalidNames } from './invalid-names.js';

const HOUR_MS = 3_600_000;

function make() {
  const clock = new FakeClock();
  return { clock, names: new InvalidNames(clock) };
}

t.test('names: before anybody proved anything, the connection that said it first has it, then the next', async (t) => {
  const { names } = make();
  names.say('A.invalid', 1);
  names.say('a.invalid', 2);
  t.equal(names.find('a.INVALID'), 1);
  names.forget(1);
  t.equal(names.find('a.invalid'), 2);
  names.forget(2);
  t.equal(names.find('a.invalid'), undefined);
  t.equal(names.size, 0);
});

t.test('names: the newest connection that proved to be the same has it; when it goes, the one before', async (t) => {
  const { names } = make();
  names.prove('a.invalid', 1, 'alice@h');
  names.say('a.invalid', 2);
  t.equal(names.find('a.invalid'), 1, 'to say it is not enough');
  names.prove('a.invalid', 2, 'alice@h');
  names.prove('a.invalid', 3, 'alice@h');
  t.equal(names.find('a.invalid'), 3);
  names.forget(3);
  t.equal(names.find('a.invalid'), 2);
  names.prove('a.invalid', 1, 'alice@h');
  t.equal(names.find('a.invalid'), 1);
});

t.test('names: who proves to be somebody else does not get it, not even when its owner is away', async (t) => {
  const { names, clock } = make();
  names.prove('a.invalid', 1, 'alice@h');
  names.prove('a.invalid', 2, 'mallory@h');
  names.say('a.invalid', 3);
  t.equal(names.find('a.invalid'), 1);
  names.forget(1);
  t.equal(names.find('a.invalid'), undefined);
  names.forget(2);
  names.forget(3);
  clock.advance(HOUR_MS / 2);
  names.prove('a.invalid', 4, 'mallory@h');
  t.equal(names.find('a.invalid'), undefined);
  names.prove('a.invalid', 5, 'alice@h');
  t.equal(names.find('a.invalid'), 5);
});

t.test('names: a name that nobody had for an hour is free', async (t) => {
  const { names, clock } = make();
  names.prove('a.invalid', 1, 'alice@h');
  names.forget(1);
  clock.advance(HOUR_MS + 1);
  names.prove('a.invalid', 2, 'bob@h');
  t.equal(names.find('a.invalid'), 2);
});

t.test('names: several accounts on one connection share it, each may come back', async (t) => {
  const { names } = make();
  names.prove('a.invalid', 1, 'alice@h');
  names.prove('a.invalid', 1, 'bob@h');
  names.prove('a.invalid', 2, 'carol@h');
  names.prove('a.invalid', 2, 'bob@h');
  t.equal(names.find('a.invalid'), 2);
  names.prove('a.invalid', 1, 'dave@h');
  t.equal(names.find('a.invalid'), 2, 'another account does not bring it back');
  names.prove('a.invalid', 1, 'alice@h');
  t.equal(names.find('a.invalid'), 1);
});

t.test('names: a connection has four, and 4096 that nobody has are remembered', async (t) => {
  const { names } = make();
  for (let i = 0; i < 10; i++) names.prove(`${i}.invalid`, 1, 'alice@h');
  t.equal(names.size, 4);
  names.forget(1);
  for (let i = 0; i < 10_000; i++) {
    names.prove(`other${i}.invalid`, i + 2, 'mallory@h');
    names.forget(i + 2);
  }
  t.equal(names.size, 4096);
});
