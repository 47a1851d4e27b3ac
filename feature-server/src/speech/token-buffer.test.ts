import { once } from 'node:events';
import t from 'tap';
import { sentenceEnd, TokenBuffer } from './token-buffer.js';

function open(idleMs = 60_000): { buffer: TokenBuffer; told: string[]; ready: EventTarget } {
  const told: string[] = [];
  const ready = new EventTarget();
  const buffer = new TokenBuffer(
    {
      onReady: () => void ready.dispatchEvent(new Event('ready')),
      onPaused: () => void told.push('paused'),
      onResumed: () => void told.push('resumed'),
    },
    idleMs,
  );
  t.teardown(() => buffer.close());
  return { buffer, told, ready };
}

t.test('tokens: sentences come out whole and one by one, however they came in', async (t) => {
  const { buffer } = open();
  for (const token of ['Hel', 'lo the', 're', '!', ' How are', ' you? I am', ' fi']) {
    t.same(buffer.push(token), { status: 'ok' });
  }
  t.equal(buffer.take(), 'Hello there!');
  t.equal(buffer.take(), 'How are you?');
  t.equal(buffer.take(), undefined, 'the third has not ended');
  buffer.flush();
  t.equal(buffer.take(), 'I am fi');
  t.equal(buffer.take(), undefined);
  t.equal(buffer.isEmpty, true);
});

t.test('tokens: numbers, list numbers and quotes do not end a sentence too early', async (t) => {
  const cases: [string, string][] = [
    ['It costs 3.', ''],
    ['It costs 3.50 today.', 'It costs 3.50 today.'],
    ['1. Open the box. Then', '1. Open the box.'],
    ['He said "stop." Then', 'He said "stop."'],
    ['こんにちは。元気', 'こんにちは。'],
    ['A title\n\nThe text', 'A title\n\n'],
    ['no end', ''],
    ['... well', ''],
  ];
  for (const [text, first] of cases) t.equal(text.slice(0, sentenceEnd(text)), first, text);
});

t.test('tokens: above 1000 characters they are refused until no more than 200 are left', async (t) => {
  const { buffer, told } = open();
  t.same(buffer.push('a'.repeat(700)), { status: 'ok' });
  t.same(buffer.push(`${'b'.repeat(150)}. ${'c'.repeat(100)}`), { status: 'ok' });
  t.same(buffer.push('d'.repeat(100)), { status: 'failed', reason: 'full' });
  t.same(buffer.push('d'.repeat(100)), { status: 'failed', reason: 'full' });
  t.same(told, ['paused'], 'told once');
  t.equal(buffer.take()?.length, 851);
  t.same(told, ['paused', 'resumed']);
  t.same(buffer.push('d'), { status: 'ok' });
});

t.test('tokens: one long message is taken while nothing waits, and comes out in pieces of 1800', async (t) => {
  const { buffer } = open();
  t.same(buffer.push('word '.repeat(1_000)), { status: 'ok' });
  t.equal(buffer.take()?.length, 1_799);
  t.equal(buffer.take()?.length, 1_799);
  t.equal(buffer.take(), undefined, 'the rest waits for its end');
  buffer.flush();
  t.equal(buffer.take()?.length, 5_000 - 2 * 1_800 - 1);
  t.match(buffer.push('x'.repeat(24_001)), { status: 'failed', reason: /24000/ });
});

t.test('tokens: clear drops everything, and ends a pause without a word', async (t) => {
  const { buffer, told } = open();
  buffer.push('a'.repeat(1_000));
  t.match(buffer.push('b'), { reason: 'full' });
  buffer.clear();
  t.same(told, ['paused']);
  t.same(buffer.push('c'.repeat(1_000)), { status: 'ok' });
  buffer.clear();
  buffer.flush();
  t.equal(buffer.take(), undefined);
});

t.test('tokens: an unfinished sentence is spoken when nothing follows: whole words first', async (t) => {
  const { buffer, ready } = open(20);
  buffer.push('one two thr');
  t.equal(buffer.take(), undefined);
  await once(ready, 'ready');
  t.equal(buffer.take(), 'one two');
  await once(ready, 'ready');
  t.equal(buffer.take(), 'thr');
});
