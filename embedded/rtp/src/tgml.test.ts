import t, { type Test } from 'tap';
import { findSilences, goertzel, rms, toneShare } from './analysis.js';
import { parseTgml, parseToneStream } from './tgml.js';
import { dtmfFrequencies } from './tone.js';
import { ToneGenerator } from './tone-generator.js';

/** What a description sounds like, up to two seconds. */
function play(description: string, rateHz = 8000): Int16Array {
  const out = new Int16Array(rateHz * 2);
  return out.slice(0, new ToneGenerator(parseToneStream(description), rateHz).read(out, out.length));
}

/** Level of a stretch in dBm0: a sine that just fits into 16 bits has +3.14. */
function levelDbm0(pcm: Int16Array, start: number, end: number): number {
  return 20 * Math.log10((rms(pcm, start, end) * Math.SQRT2) / 32_767) + 3.15;
}

function near(t: Test, found: number, wanted: number, tolerance: number, what = ''): void {
  t.ok(Math.abs(found - wanted) <= tolerance, `${what} ${found.toFixed(2)}, not ${wanted}`);
}

t.test('%(on,off,f…) sounds frequencies together, then is silent', (t) => {
  const out = play('v=-10;%(200,100,440,480);loops=2');
  t.equal(out.length, 2 * 2400);
  // Each has half the amplitude of one alone.
  const alone = 32_767 * 10 ** (-13.15 / 20);
  near(t, goertzel(out, 440, 8000, 0, 1600), alone / 2, alone * 0.03, '440 Hz');
  near(t, goertzel(out, 480, 8000, 0, 1600), alone / 2, alone * 0.03, '480 Hz');
  t.equal(findSilences(out, 780, 2).length, 2);
  t.equal(play('%( 100 , 50 , 350.5 , 440 )%(50,0,600)').length, 1600);
  t.end();
});

t.test('v= is the level in dBm0, −7 without, and what is beyond −63 to 0 is not obeyed', (t) => {
  near(t, levelDbm0(play('%(500,0,1000)'), 100, 3900), -7, 0.1);
  for (const level of [0, -3, -20, -40]) near(t, levelDbm0(play(`v=${level};%(500,0,1000)`), 100, 3900), level, 0.3);
  near(t, levelDbm0(play('v=5;%(500,0,1000)'), 100, 3900), -7, 0.1);
  near(t, levelDbm0(play('v=-70;%(500,0,1000)'), 100, 3900), -7, 0.1);
  t.ok(toneShare(play('v=0;%(500,0,1004)'), 1004, 8000, 100, 3900) > 0.9999, 'a clean sine');
  t.end();
});

t.test('>= and <= make softer and louder step by step, += says by how much', (t) => {
  const softer = play('v=-10;>=100;+=6;%(400,0,1000)');
  for (const step of [0, 1, 2, 3]) {
    near(t, levelDbm0(softer, step * 800 + 100, step * 800 + 700), -10 - 6 * step, 0.2, `step ${step}`);
  }
  const louder = play('v=-30;<=100;+=10;%(400,0,1000)');
  near(t, levelDbm0(louder, 2500, 3100), 0, 0.2);
  const byOne = play('v=-10;>=50;%(200,0,1000)%(200,0,1000)');
  near(t, levelDbm0(byOne, 1300, 1550), -13, 0.2, '1 dB without +=');
  near(t, levelDbm0(byOne, 1700, 1950), -10, 0.2, 'each tone begins anew');
  const floor = play('v=-60;>=10;%(200,0,1000)');
  t.ok(rms(floor, 1400, 1600) > 1, 'not below −63');
  t.end();
});

t.test('digits are DTMF, with lengths of their own or those of d= and w=', (t) => {
  const out = play('5');
  t.equal(out.length, 2500, '250 ms, then 62.5 ms of silence');
  t.ok(goertzel(out, 770, 8000, 0, 2000) > 4000 && goertzel(out, 1336, 8000, 0, 2000) > 4000);
  const all = play('d=40;w=10;123 456 789*0#ABCD');
  t.equal(all.length, 16 * 400);
  [...'123456789*0#ABCD'].forEach((digit, i) => {
    const [low, high] = dtmfFrequencies(digit)!;
    const level = (hz: number): number => goertzel(all, hz, 8000, i * 400, i * 400 + 320);
    t.ok(level(low) > 3500 && level(high) > 3500, digit);
  });
  t.equal(play('5(100,50)5').length, 1200 + 2500);
  t.equal(play('abcdxyz!?').length, 0, 'small letters are no digits');
  t.end();
});

t.test('l= repeats the next tone, L= the script, loops= all of it', (t) => {
  t.equal(play('l=3;%(10,0,400);%(5,0,800)').length, 3 * 80 + 40);
  t.equal(play('L=3;%(10,0,400);%(5,0,800)').length, 3 * 120);
  t.equal(play('%(10,0,400);L=2;%(5,0,800);loops=3').length, 6 * 120);
  t.equal(play('%(10,0,400);LOOPS=2').length, 160);
  t.equal(play('%(10,0,400);loops=0').length, 80);
  t.equal(play('%(10,0,400);loops=-1').length, 16_000, 'for ever');
  const louder = play('%(100,0,1000);v=-20;L=2');
  near(t, levelDbm0(louder, 0, 800), -7, 0.3);
  near(t, levelDbm0(louder, 800, 1600), -20, 0.3, 'what was set holds for the next run');
  t.end();
});

t.test('r= is the rate that a script was written for', (t) => {
  const out = play('r=16000;%(100,0,1000)');
  t.equal(out.length, 1600, 'twice as long');
  t.ok(toneShare(out, 500) > 0.99, 'and half as high');
  const wide = play('%(100,0,5000)', 16_000);
  t.equal(wide.length, 1600);
  t.ok(toneShare(wide, 5000, 16_000) > 0.99, 'without it the rate is that of the call');
  t.end();
});

t.test('lines are scripts of their own, with what was set before', (t) => {
  const out = play('v=-20;L=2;%(10,0,400)\r\n\n%(100,0,400)\n');
  t.equal(out.length, 160 + 800);
  near(t, levelDbm0(out, 200, 900), -20, 0.3);
  t.end();
});

t.test('mistakes are passed over as in FreeSWITCH: a tone without frequencies ends its script', (t) => {
  for (const [text, samples] of [
    ['', 0],
    [';; ;', 0],
    ['x=3;%(10,0,400)', 80],
    ['%(10,0,400);%(10,0);%(10,0,400)', 80],
    ['%(10,0,400);5(10);%(10,0,400)', 80],
    ['%(10,0,0)', 0],
    ['%(0,0,400)', 0],
    ['%(10,10,-5)', 80],
    ['%(10,0,400', 80],
    ['%(10,0,nonsense)', 0],
    ['r=0;%(10,10,400)', 0],
    ['r=-8000;%(10,10,400)', 0],
  ] as const) {
    t.equal(play(text).length, samples, JSON.stringify(text));
  }
  t.end();
});

t.test('hostile descriptions take neither time nor memory', (t) => {
  const started = performance.now();
  const heap = process.memoryUsage().heapUsed;
  for (const text of [
    '%(0,0,400);loops=-1',
    'l=-1;%(0,0,400)',
    'L=2147483647;%(0,0,400)',
    `${'v=-7;'.repeat(999)}%(0,0,1);loops=-1`,
    '%(2147483647,2147483647,400,1e308,NaN,Infinity);loops=2147483647',
    'l=99999999999999999999;%(1,0,400)',
    `%(1000,0,${'400,'.repeat(100_000)}400)`,
    'r=1000;%(1,0,1);loops=-1',
    '>=0;+=0.0001;%(100000,0,400)',
    '>=-5;+=-1e9;%(1000,0,400)',
    'd=-1;w=-1;123;loops=-1',
    '('.repeat(60_000),
  ]) {
    t.ok(play(text).length <= 16_000, text.slice(0, 40));
  }
  for (const text of ['%(1,1,1)'.repeat(1001), '1\n'.repeat(2000)]) {
    t.throws(() => parseTgml(text), { code: 'tone/syntax' });
  }
  t.ok(performance.now() - started < 5000);
  t.ok(process.memoryUsage().heapUsed - heap < 50e6);
  t.end();
});
