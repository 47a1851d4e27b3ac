import type { Channel } from './channel.js';

/** Our own event: FreeSWITCH only logs what it cannot play. */
export const PROBLEM_EVENT = 'ringwire::media_problem';

/** Tells what a channel was to play, or to record, and why that cannot be. */
export function tellProblem(channel: Channel | undefined, problem: string, what?: 'track'): void {
  if (!channel || channel.isEnded) return;
  channel.emit('CUSTOM', [
    ['Event-Subclass', PROBLEM_EVENT],
    ['Problem', problem],
    ...(what ? [['Problem-Of', what] as const] : []),
  ]);
}
