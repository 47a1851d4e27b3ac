import t from 'tap';
import { parseProfiles } from './profiles.js';

t.test('profiles are read, and an unknown one is the default', async (t) => {
  const result = parseProfiles('{"profiles":{"default":{"max-members":5},"loud":{"muted-sound":"m.wav"}}}');
  if (!result.ok) throw new Error(result.problems.join());
  t.equal(result.profiles.get('nothing')['max-members'], '5');
  t.same(result.profiles.get('loud'), { 'muted-sound': 'm.wav' });
  t.equal(result.profiles.controls('default').size, 12);
  t.equal(result.profiles.controls('none').size, 0);
});

t.test('every problem of a file of profiles is told with its place', async (t) => {
  const result = parseProfiles(
    JSON.stringify({
      profiles: { a: { 'no-such': 'x', 'pin-retries': 'many', 'muted-sound': 5, 'caller-controls': 'missing' }, b: [] },
      'caller-controls': { g: { 12: 'mute', 1: 'fly', 2: 'event' } },
      else: 1,
    }),
  );
  t.equal(result.ok, false);
  if (result.ok) return;
  for (const problem of [
    /^profiles\.a\.no-such: expected one of/,
    /^profiles\.a\.pin-retries: expected a whole number/,
    /^profiles\.a\.muted-sound: expected text/,
    /^profiles\.a\.caller-controls: there is no group missing/,
    /^profiles\.b: expected an object/,
    /^caller-controls\.g\.12: expected one key/,
    /^caller-controls\.g\.1: there is no action fly/,
    /^else: expected profiles or caller-controls/,
  ]) {
    t.ok(
      result.problems.some((text) => problem.test(text)),
      `${problem}`,
    );
  }
  t.equal(result.problems.length, 8);
  t.match(parseProfiles('{'), { ok: false, problems: [/^not JSON/] });
});
