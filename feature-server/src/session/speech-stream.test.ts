import t, { type Test } from 'tap';
import { SynthesisError } from '../errors.js';
import { Channel, CollectingSink, FakePlayback, journalOver } from '../testing/fakes.js';
import { SpeechStream } from './speech-stream.js';

interface Setup {
  stream: SpeechStream;
  /** `event_type` of what the application was told, or its text. */
  told: unknown[];
  plays: Channel<FakePlayback>;
  synthesized: string[];
  released: string[];
  failing: Set<string>;
  /** What is not ready until it is taken out of here. */
  hanging: Set<string>;
}

function setUp(t: Test, tracksPlayout = false): Setup {
  const told: unknown[] = [];
  const plays = new Channel<FakePlayback>();
  const synthesized: string[] = [];
  const released: string[] = [];
  const failing = new Set<string>();
  const hanging = new Set<string>();
  const stream = new SpeechStream({
    app: {
      send: (_type, { eventType, ...more }) => void told.push(Object.keys(more).length > 0 ? more : eventType),
    },
    speech: {
      sources: async ({ text }) => {
        if (failing.has(String(text))) throw new SynthesisError('no');
        synthesized.push(String(text));
        while (hanging.has(String(text))) await new Promise((resolve) => setImmediate(resolve));
        return { files: [String(text)], spoken: [], release: async () => void released.push(String(text)) };
      },
    },
    defaults: { trackTtsPlayout: tracksPlayout },
    journal: journalOver(new CollectingSink()),
    play: (sources, options) => {
      const playback = new FakePlayback(sources, options);
      plays.post(playback);
      return playback.done;
    },
    quietMs: 20,
  });
  t.teardown(() => stream.end());
  return { stream, told, plays, synthesized, released, failing, hanging };
}

const never = new AbortController().signal;

t.test(
  'stream: what came before it was opened is spoken, and what is made meanwhile is played without a gap',
  async (t) => {
    const { stream, told, plays, released } = setUp(t);
    t.same(stream.push('One. Two. '), { status: 'ok' });
    stream.open();
    const first = await plays.take();
    t.same(first.sources, ['One.', 'Two.']);
    stream.push('Three. Four. Fi');
    first.finish();
    const second = await plays.take();
    t.same(second.sources, ['Three.', 'Four.']);
    stream.flush();
    second.finish();
    const third = await plays.take();
    t.same(third.sources, ['Fi']);
    const spoken = stream.spoken(never);
    third.finish();
    await spoken;
    t.same(released, ['One.', 'Two.', 'Three.', 'Four.', 'Fi'], 'every file is given back');
    await stream.close();
    t.same(told, ['stream_open', 'stream_closed']);
  },
);

t.test('stream: no more than a few sentences are made ahead, so that a fast application is held back', async (t) => {
  const { stream, told, plays, synthesized } = setUp(t);
  stream.open();
  for (let i = 0; i < 9; i++) stream.push(`${'word '.repeat(20)}${i}! `);
  const first = await plays.take();
  t.ok(synthesized.length <= 9 && synthesized.length >= 4);
  while (stream.push(`${'word '.repeat(20)}. `).status === 'ok');
  t.equal(told.at(-1), 'stream_paused');
  first.finish();
  while (told.at(-1) !== 'stream_resumed') (await plays.take()).finish();
});

t.test('stream: clear stops it at once and drops the rest; it speaks on with what comes next', async (t) => {
  const { stream, plays, released } = setUp(t);
  stream.open();
  stream.push('One. Two. And ');
  const first = await plays.take();
  await stream.clear();
  t.ok(first.isStopped);
  t.same(released, ['One.', 'Two.']);
  stream.push('three. ');
  t.same((await plays.take()).sources, ['three.']);
});

t.test(
  'stream: who waits for its end waits no longer when it was cleared and nothing follows for a while',
  async (t) => {
    const { stream, plays } = setUp(t);
    stream.open();
    const spoken = stream.spoken(never);
    stream.push('One. Two.');
    const first = await plays.take();
    await Promise.all([stream.clear(), stream.clear()]);
    t.ok(first.isStopped);
    await spoken;
    t.ok(stream.isOpen);
  },
);

t.test('stream: the caller who interrupts is told, with what he heard until then', async (t) => {
  const { stream, told, plays } = setUp(t, true);
  await stream.interrupt();
  t.same(told, [], 'not while it is closed');
  stream.open();
  stream.push('One. Two is cut. ');
  (await plays.take()).finish();
  stream.push('Never.');
  const cut = await plays.take();
  await stream.interrupt();
  t.ok(cut.isStopped);
  t.same(told, ['stream_open', 'user_interruption', { text: 'One. Two is cut.', bargein: true }]);
});

t.test(
  'stream: without a flush it is done when nothing follows for a while; a sentence that nobody can speak is left out',
  async (t) => {
    const { stream, plays, failing } = setUp(t);
    failing.add('One.');
    stream.open();
    stream.push('One. Two.');
    const spoken = stream.spoken(never);
    const only = await plays.take();
    t.same(only.sources, ['Two.']);
    only.finish();
    await spoken;
  },
);

t.test(
  'stream: who waits for it waits for what comes, not for what was spoken before, and blanks are nothing to wait for',
  async (t) => {
    const { stream, plays } = setUp(t);
    stream.open();
    stream.push('One.');
    stream.flush();
    (await plays.take()).finish();
    await new Promise((resolve) => setImmediate(resolve));
    let isSpoken = false;
    const spoken = stream.spoken(never).then(() => {
      isSpoken = true;
    });
    stream.push(' ');
    stream.flush();
    stream.push('Two.');
    const second = await plays.take();
    t.notOk(isSpoken);
    stream.flush();
    second.finish();
    await spoken;
  },
);

t.test('stream: clear does not wait for a vendor that still works on what nobody wants any more', async (t) => {
  const { stream, plays, hanging } = setUp(t);
  hanging.add('One.');
  stream.open();
  stream.push('One.');
  await stream.clear();
  stream.push('Two.');
  const second = await plays.take();
  t.same(second.sources, ['Two.']);
  hanging.clear();
});

t.test('stream: the end of the call ends what plays, and nothing is taken or told any more', async (t) => {
  const { stream, told, plays } = setUp(t);
  stream.open();
  stream.push('One.');
  const playback = await plays.take();
  const spoken = stream.spoken(never);
  await stream.end();
  await spoken;
  t.ok(playback.isStopped);
  t.match(stream.push('Two.'), { status: 'failed' });
  stream.open();
  t.same(told, ['stream_open']);
});
