import t from 'tap';
import { parseJoinArguments } from './join-arguments.js';

t.test('a name may have a profile, a PIN and flags', async (t) => {
  const read = (text: string): unknown => {
    const found = parseJoinArguments(text);
    return found && [found.name, found.profile, found.pin, [...found.flags].join()];
  };
  t.same(read('room'), ['room', 'default', '', '']);
  t.same(read('room@wide'), ['room', 'wide', '', '']);
  t.same(read('room@wide+1234'), ['room', 'wide', '1234', '']);
  t.same(read('room@wide+1234+flags{mute|Deaf}'), ['room', 'wide', '1234', 'mute,deaf']);
  t.same(
    read('room++flags{endconf|mute|vmute}'),
    ['room', 'default', '', 'endconf,mute,vmute'],
    'as drachtio-fsmrf has it',
  );
  t.same(read('a@b@c'), ['a@b', 'c', '', '']);
  t.same(read('room+flags{mute'), ['room', 'default', '', 'mute']);
});

t.test('a name that would spoil lists is refused', async (t) => {
  for (const text of ['', '@x', '+1234', 'a\nb', 'a\u0000', 'x'.repeat(257)])
    t.equal(parseJoinArguments(text), undefined);
});
