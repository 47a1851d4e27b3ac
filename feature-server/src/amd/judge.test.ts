import type { AmdSpec } from '@ringwire/verb-specs';
import t from 'tap';
import { type AmdEvent, AmdJudge } from './judge.js';
import { hintsFor, VOICEMAIL_HINTS } from './voicemail-hints.js';

/** A judge whose time the test moves. */
function rig(spec: Partial<AmdSpec> = {}) {
  let now = 0;
  const timers = new Map<object, { at: number; run: () => void }>();
  const events: string[] = [];
  const all: AmdEvent[] = [];
  let isDone = false;
  const judge = new AmdJudge({
    spec,
    hints: (language) => hintsFor(VOICEMAIL_HINTS, language),
    onEvent: (event) => {
      all.push(event);
      events.push('reason' in event ? `${event.type} ${event.reason}` : event.type);
    },
    onDone: () => {
      isDone = true;
    },
    clock: {
      setTimeout(run, ms) {
        const timer = {};
        timers.set(timer, { at: now + ms, run });
        return timer;
      },
      clearTimeout: (timer) => void timers.delete(timer as object),
      now: () => now,
    },
  });
  const pass = (ms: number): void => {
    const end = now + ms;
    for (;;) {
      const [next] = [...timers].sort(([, a], [, b]) => a.at - b.at);
      if (!next || next[1].at > end) break;
      timers.delete(next[0]);
      now = next[1].at;
      next[1].run();
    }
    now = end;
  };
  const says = (ms: number): void => {
    judge.speechStarted();
    pass(ms);
    judge.speechEnded();
  };
  return { judge, pass, says, events, all, isDone: () => isDone, armed: () => timers.size };
}

t.test('a short greeting and then silence is a human', async (t) => {
  const { says, pass, events, isDone, armed } = rig();
  says(700);
  pass(900);
  t.same(events, ['amd_human_detected short greeting']);
  t.ok(isDone());
  t.equal(armed(), 0);
});

t.test('who speaks on is a machine: its silence and its beep are told too, and then it is done', async (t) => {
  const { judge, says, pass, events, isDone, armed } = rig();
  says(1_500);
  pass(300);
  says(2_500);
  t.same(events, ['amd_machine_detected long greeting']);
  judge.beeped({ frequencyHz: 1000, variance: 0.1 });
  t.same(events.slice(1), ['amd_tone_detected']);
  pass(1_100);
  t.same(events.slice(2), ['amd_machine_stopped_speaking']);
  t.ok(isDone());
  t.equal(armed(), 0);
});

t.test('a machine without a beep: its silence is told, and that no tone came', async (t) => {
  const { says, pass, events, isDone } = rig({ timers: { greetingCompletionTimeoutMs: 500, toneTimeoutMs: 8_000 } });
  says(3_500);
  pass(600);
  t.notOk(isDone(), 'the beep may come yet');
  pass(8_000);
  t.same(events, ['amd_machine_detected long greeting', 'amd_machine_stopped_speaking', 'amd_tone_timeout']);
  t.ok(isDone());
});

t.test('a beep without a word before is a machine', async (t) => {
  const { judge, pass, all, isDone } = rig();
  pass(1_000);
  judge.beeped({ frequencyHz: 440, variance: 0 });
  pass(1_500);
  t.match(all, [
    { type: 'amd_machine_detected', reason: 'tone' },
    { type: 'amd_tone_detected', frequency: 440, variance: 0 },
    { type: 'amd_machine_stopped_speaking' },
  ]);
  t.ok(isDone());
});

t.test('who says nothing, and who cannot be told, is told as such', async (t) => {
  const silent = rig({ timers: { noSpeechTimeoutMs: 1_000 } });
  silent.pass(1_000);
  t.same(silent.events, ['amd_no_speech_detected']);
  t.ok(silent.isDone());
  // Somebody who stammers.
  const odd = rig({ timers: { decisionTimeoutMs: 1_200 } });
  odd.judge.speechStarted();
  odd.pass(1_200);
  t.same(odd.events, ['amd_decision_timeout']);
  t.ok(odd.isDone());
});

t.test('words: a phrase of voicemail, digits or too many words are a machine', async (t) => {
  const heard = { isFinal: false, language: 'en-US' };
  const hint = rig();
  hint.judge.heard('Please leave a message', heard);
  t.match(hint.all, [
    { reason: 'hint', hint: 'leave a message', greeting: 'Please leave a message', language: 'en-US' },
  ]);
  const digits = rig({ digitCount: 4 });
  digits.judge.heard('you have reached 555', heard);
  t.same(digits.events, []);
  digits.judge.heard('you have reached 5551', heard);
  t.same(digits.events, ['amd_machine_detected digit count']);
  const words = rig({ thresholdWordCount: 4 });
  words.judge.heard('hello this', { ...heard, isFinal: true });
  words.judge.heard('is john', heard);
  t.same(words.events, ['amd_machine_detected long greeting']);
  const foreign = rig();
  foreign.judge.heard('leave a message', { ...heard, language: 'de-DE' });
  t.same(foreign.events, []);
});

t.test('stopped before it has found out, it says so; afterwards it says nothing more', async (t) => {
  const early = rig();
  early.judge.stop();
  t.same(early.events, ['amd_stopped']);
  t.equal(early.armed(), 0);
  const late = rig();
  late.says(4_000);
  late.judge.stop();
  late.pass(60_000);
  t.same(late.events, ['amd_machine_detected long greeting']);
  t.equal(late.armed(), 0);
});

t.test('a machine that never falls silent is not listened to for ever', async (t) => {
  const { judge, pass, events, isDone } = rig();
  judge.speechStarted();
  pass(20_000);
  t.equal(events.at(-1), 'amd_tone_timeout');
  t.equal(isDone(), false);
  pass(60_000);
  t.equal(isDone(), true);
});

t.test('a recognizer that fails is told, and the sound decides', async (t) => {
  const { judge, pass, events } = rig();
  judge.unheard('no such language');
  judge.speechStarted();
  pass(4_000);
  t.strictSame(events, ['amd_error', 'amd_machine_detected long greeting']);
});
