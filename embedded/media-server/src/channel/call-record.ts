import type { Channel } from './channel.js';

/** Keys that `digits_dialed` has at most, as in FreeSWITCH. */
export const MAX_DIGITS_DIALED = 1000;

/**
 * Sets the variables that tell of a call that has ended: when what happened, how long what took, what was executed last, which keys were pressed. As in
 * FreeSWITCH whole seconds are the difference of two clocks that show seconds, so that they agree with the `_epoch` variables.
 */
export function setCallRecord(channel: Channel): void {
  const { times, profile, lastExecuted } = channel;
  const set = (name: string, value: string): void => channel.setVariable(name, value);
  const moments = {
    start: times.createdMs,
    profile_start: times.createdMs,
    answer: times.answeredMs,
    bridge: times.bridgedMs,
    hold: times.lastHoldMs,
    progress: times.progressMs,
    progress_media: times.progressMediaMs,
    end: times.hungUpMs,
  };
  for (const [name, timeMs] of Object.entries(moments)) {
    const epoch = name === 'hold' ? 'last_hold' : name;
    if (timeMs > 0) set(`${name}_stamp`, stampOf(timeMs));
    set(`${epoch}_epoch`, String(seconds(timeMs)));
    set(`${epoch}_uepoch`, String(timeMs * 1000));
  }
  set('hold_accum_seconds', String(seconds(times.heldMs)));
  set('hold_accum_ms', String(times.heldMs));
  set('hold_accum_usec', String(times.heldMs * 1000));

  const { createdMs, answeredMs, hungUpMs } = times;
  const spans = [
    ['duration', 'mduration', 'uduration', createdMs, hungUpMs],
    ['billsec', 'billmsec', 'billusec', answeredMs, hungUpMs],
    ['flow_billsec', 'flow_billmsec', 'flow_billusec', answeredMs && createdMs, hungUpMs],
    ['answersec', 'answermsec', 'answerusec', createdMs, answeredMs],
    ['progresssec', 'progressmsec', 'progressusec', createdMs, times.progressMs],
    ['progress_mediasec', 'progress_mediamsec', 'progress_mediausec', createdMs, times.progressMediaMs],
    ['waitsec', 'waitmsec', 'waitusec', createdMs, times.bridgedMs],
  ] as const;
  for (const [inSeconds, inMs, inUs, fromMs, toMs] of spans) {
    // What has not happened took no time.
    const has = fromMs > 0 && toMs > 0;
    set(inSeconds, String(has ? seconds(toMs) - seconds(fromMs) : 0));
    set(inMs, String(has ? toMs - fromMs : 0));
    set(inUs, String(has ? (toMs - fromMs) * 1000 : 0));
  }

  if (lastExecuted) {
    set('last_app', lastExecuted.application);
    set('last_arg', lastExecuted.argument);
  }
  set('caller_id', profile.callerName ? `"${profile.callerName}" <${profile.callerNumber}>` : profile.callerNumber);
  set('digits_dialed', channel.digits.taken || 'none');
}

function seconds(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}

/** `2026-09-01 10:00:00` in local time. */
function stampOf(timeMs: number): string {
  const localMs = timeMs - new Date(timeMs).getTimezoneOffset() * 60_000;
  return new Date(localMs).toISOString().slice(0, 19).replace('T', ' ');
}
