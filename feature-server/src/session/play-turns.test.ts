import t from 'tap';
import { PlayTurns } from './play-turns.js';

/** A playback that the test ends. */
function playback(order: string[], name: string): { play: () => Promise<void>; end: () => void } {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return {
    play: async () => {
      order.push(name);
      await ended;
    },
    end,
  };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const never = new AbortController().signal;

t.test(
  'turns: a stream waits for verbs, verbs for what the stream plays just now, and they come before its next piece',
  async (t) => {
    const turns = new PlayTurns();
    const order: string[] = [];
    const prompt = playback(order, 'prompt');
    const first = playback(order, 'first');
    const second = playback(order, 'second');
    const next = playback(order, 'next');
    const running = [turns.ofVerb(never, prompt.play), turns.ofStream(never, first.play)];
    await settled();
    t.same(order, ['prompt']);
    prompt.end();
    await settled();
    t.same(order, ['prompt', 'first']);
    running.push(turns.ofStream(never, second.play), turns.ofVerb(never, next.play));
    await settled();
    first.end();
    await settled();
    t.same(order, ['prompt', 'first', 'next']);
    next.end();
    await settled();
    second.end();
    await Promise.all(running);
    t.same(order, ['prompt', 'first', 'next', 'second']);
  },
);

t.test('turns: who gives up waits no longer, and holds nobody up', async (t) => {
  const turns = new PlayTurns();
  const order: string[] = [];
  const stream = playback(order, 'stream');
  const running = turns.ofStream(never, stream.play);
  await settled();
  const abort = new AbortController();
  const verb = turns.ofVerb(abort.signal, async () => void order.push('aborted'));
  abort.abort();
  await verb;
  stream.end();
  await running;
  await turns.ofStream(never, async () => void order.push('again'));
  t.same(order, ['stream', 'aborted', 'again']);
});
