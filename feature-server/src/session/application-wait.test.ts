import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import type { FakePlayback } from '../testing/fakes.js';
import { makeSession, type SessionRig } from '../testing/session-rig.js';

/** An application whose answer to `/menu` the test gives. */
function slowMenu(rig: SessionRig): Promise<(verbs: unknown[]) => void> {
  return new Promise((resolve) => {
    rig.app.on('/menu', (response) => {
      resolve((verbs) => {
        response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(verbs));
      });
    });
  });
}

/** The next playback of a source; others before it end. */
async function playbackOf(rig: SessionRig, source: RegExp): Promise<FakePlayback> {
  for (;;) {
    const playback = await rig.media.endpoint.plays.take(`playback of ${source}`);
    if (playback.sources.some((one) => source.test(one))) return playback;
    playback.finish();
  }
}

const GATHER = { verb: 'gather', timeout: 0.01, actionHook: '/menu' };
const PLEASE_WAIT = { verb: 'play', url: 'https://a.invalid/wait.wav' };

t.test('filler noise: it plays while the answer to a gather is awaited, and ends with it', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'config', fillerNoise: { enable: true, url: 'https://a.invalid/typing.wav' } },
    GATHER,
  ]);
  const answering = slowMenu(rig);
  const running = rig.run();
  (await playbackOf(rig, /typing/)).finish();
  const again = await playbackOf(rig, /typing/);
  (await answering)([{ verb: 'play', url: 'https://a.invalid/next.wav' }]);
  await again.done;
  t.ok(again.isStopped);
  (await playbackOf(rig, /next/)).finish();
  await running;
});

t.test("filler noise: the gather's own counts before the session's, also to have none", async (t) => {
  const rig = await makeSession(t, [
    { verb: 'config', fillerNoise: { enable: true, url: 'https://a.invalid/typing.wav' } },
    { ...GATHER, fillerNoise: { enable: false } },
    { ...GATHER, fillerNoise: { enable: true, url: 'https://a.invalid/own.wav', startDelaySecs: 0.01 } },
  ]);
  rig.app.on('/menu', {});
  const running = rig.run();
  await rig.app.next('/menu');
  const answering = slowMenu(rig);
  const own = await rig.media.endpoint.plays.take();
  t.same(own.sources, ['https://a.invalid/own.wav']);
  (await answering)([]);
  await running;
});

t.test(
  'a slow answer: actions are heard in turn, noise gives way to them, and the answer ends what is heard',
  async (t) => {
    const rig = await makeSession(t, [
      {
        ...GATHER,
        fillerNoise: { enable: true, url: 'https://a.invalid/typing.wav' },
        actionHookDelayAction: {
          enabled: true,
          noResponseTimeout: 0.05,
          retries: 50,
          actions: [PLEASE_WAIT, { verb: 'say', text: 'Still here.' }],
        },
      },
    ]);
    const answering = slowMenu(rig);
    const running = rig.run();
    const noise = await rig.media.endpoint.plays.take();
    t.match(noise.sources, [/typing/]);
    const first = await rig.media.endpoint.plays.take();
    t.match(first.sources, [/wait\.wav$/]);
    t.ok(noise.isStopped);
    first.finish();
    const second = await playbackOf(rig, /[0-9a-f]{64}\.wav$/);
    (await answering)([{ verb: 'hangup' }]);
    await running;
    t.ok(second.isStopped);
    t.same(rig.sink.alerts, []);
  },
);

t.test('a slow answer: after all retries the last words replace the application, with an alert', async (t) => {
  const rig = await makeSession(t, [
    {
      ...GATHER,
      actionHookDelayAction: {
        enabled: true,
        noResponseTimeout: 0.02,
        retries: 2,
        actions: [PLEASE_WAIT],
        giveUpActions: [{ verb: 'play', url: 'https://a.invalid/sorry.wav' }, { verb: 'hangup' }],
      },
    },
    { verb: 'say', text: 'never' },
  ]);
  const answering = slowMenu(rig);
  const running = rig.run();
  for (let i = 0; i < 2; i++) t.match((await rig.media.endpoint.plays.take()).sources, [/wait\.wav$/]);
  const last = await rig.media.endpoint.plays.take();
  t.match(last.sources, [/sorry\.wav$/]);
  last.finish();
  await running;
  (await answering)([]);
  t.match(rig.sink.alerts, [{ alertType: 'bot-action-delay-giveup' }]);
  t.equal(rig.vendor.made, 0);
});

t.test('a slow answer: with a time to give up after, all retries do not end the wait for the answer', async (t) => {
  const rig = await makeSession(t, [
    {
      ...GATHER,
      actionHookDelayAction: {
        enabled: true,
        noResponseTimeout: 0.02,
        noResponseGiveUpTimeout: 60,
        retries: 1,
        actions: [PLEASE_WAIT],
      },
    },
  ]);
  const answering = slowMenu(rig);
  const running = rig.run();
  const words = await rig.media.endpoint.plays.take();
  // The second wait, after which nothing more is said, ends them.
  await until('the words are over', () => words.isStopped);
  (await answering)([{ verb: 'play', url: 'https://a.invalid/answer.wav' }]);
  const answer = await rig.media.endpoint.plays.take();
  t.match(answer.sources, [/answer\.wav$/]);
  answer.finish();
  await running;
  t.same(rig.sink.alerts, []);
});

t.test('a slow answer: without last words the call is ended when it has waited long enough', async (t) => {
  const rig = await makeSession(t, [
    { verb: 'config', actionHookDelayAction: { enabled: true, noResponseGiveUpTimeout: 0.05, actions: [] } },
    GATHER,
  ]);
  const answering = slowMenu(rig);
  await rig.run();
  (await answering)([]);
  t.match(rig.sink.alerts, [{ alertType: 'bot-action-delay-giveup' }]);
});

t.test('a slow answer: a hang-up ends everything', async (t) => {
  const rig = await makeSession(t, [{ ...GATHER, fillerNoise: { enable: true, url: 'https://a.invalid/typing.wav' } }]);
  const answering = slowMenu(rig);
  const running = rig.run();
  const noise = await rig.media.endpoint.plays.take();
  rig.leg.end({ how: 'bye', headers: {} });
  await running;
  t.ok(noise.isStopped);
  (await answering)([]);
});
