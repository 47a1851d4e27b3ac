import { execFileSync } from 'node:child_process';
import t from 'tap';
import { formatTime } from './format-time.js';

const LETTERS = [...'CDrRTeaAbBcdHIjmMpSUwWxXyYzZ%'];

t.test('times are written as C writes them, in every field that FreeSWITCH takes', (t) => {
  // First days, last days, leap days, midnights and noons; weeks that begin on either day.
  for (const seconds of [
    0, 86_399, 951_782_400, 1_104_537_600, 1_230_768_000, 1_709_208_000, 1_798_761_599, 1_732_233_600,
  ]) {
    const time = new Date(seconds * 1000);
    const format = LETTERS.map((letter) => `%${letter}`).join('\n');
    const written = execFileSync('date', ['-d', `@${seconds}`, `+${format}`], { env: { ...process.env, LC_ALL: 'C' } });
    const wanted = written.toString().split('\n');
    LETTERS.forEach((letter, i) => {
      t.equal(formatTime(`%${letter}`, time), wanted[i], `%${letter} of ${seconds}`);
    });
  }
  t.equal(formatTime('%F', new Date()), '', 'no other field');
  t.equal(formatTime('%', new Date()), '');
  t.equal(formatTime('x'.repeat(80), new Date()), '', 'no more room than in FreeSWITCH');
  t.end();
});
