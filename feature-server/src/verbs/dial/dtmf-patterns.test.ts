import t from 'tap';
import { DtmfPatterns } from './dtmf-patterns.js';

/** What is caught when keys are pressed; a number in between is a pause, ms. */
function caught(patterns: string[], keys: (string | number)[]): (string | undefined)[] {
  let now = 0;
  const detector = new DtmfPatterns(patterns, () => now);
  const found: (string | undefined)[] = [];
  for (const one of keys) {
    if (typeof one === 'number') now += one;
    else for (const key of one) found.push(detector.press(key));
  }
  return found.filter((match) => match !== undefined);
}

t.test('a pattern is caught when its last key comes, whatever was pressed before', (t) => {
  t.same(caught(['*2'], ['1*2']), ['*2']);
  t.same(caught(['*2', '#'], ['*#*2']), ['#', '*2']);
  t.same(caught(['**'], ['****']), ['**', '**'], 'keys count once');
  t.same(caught(['*2'], ['*32']), []);
  t.end();
});

t.test('keys that are three seconds apart do not belong together', (t) => {
  t.same(caught(['*2'], ['*', 2_999, '2']), ['*2']);
  t.same(caught(['*2'], ['*', 3_000, '2']), []);
  t.end();
});

t.test('patterns have places for any digit, and for some', (t) => {
  t.same(caught(['*xx'], ['*17']), ['*17']);
  t.same(caught(['\\*\\d#'], ['*5#']), ['*5#']);
  t.same(caught(['*.'], ['*#*9']), ['*9']);
  t.same(caught(['[1-3*]0'], ['40*0']), ['*0']);
  t.end();
});

t.test('what is no pattern is named, and catches nothing', (t) => {
  const detector = new DtmfPatterns(['(a+)+$', '', '1{2}', '*'.repeat(65)]);
  t.same(detector.unreadable.length, 4);
  t.ok(detector.isEmpty);
  t.equal(detector.press('1'), undefined);
  t.end();
});
