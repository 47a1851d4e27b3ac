import type { Playlists } from '../files/playlists.js';
import type { PlayItem } from '../media/protocol.js';
import type { Application, ApplicationContext, Response } from './applications.js';
import type { Channel } from './channel.js';
import { beginDisplacement, endDisplacement } from './displacement.js';
import type { Execution } from './execute-queue.js';
import { NOT_FOUND, PLAYED, playback, playList, playQuietly, takeTerminators } from './media-applications.js';

/** Applications that play. */
export const PLAY_APPLICATIONS: ReadonlyMap<string, Application> = new Map<string, Application>([
  ['playback', ({ playlists }, channel, argument, execution) => playback(playlists, channel, argument, execution)],
  ['endless_playback', endlessPlayback],
  ['loop_playback', loopPlayback],
  ['gentones', gentones],
  ['displace_session', displaceSession],
  [
    'stop_displace_session',
    (_context, channel, argument) => void endDisplacement(channel, argument.trim()) as undefined,
  ],
]);

/** Goes on until the call ends; `uuid_break` only begins it anew, as in FreeSWITCH. */
async function endlessPlayback(
  { playlists }: ApplicationContext,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<Response> {
  return playAgain(playlists, channel, argument, execution, Number.POSITIVE_INFINITY);
}

/** `[+<times>] <what>`: once without a number, for ever with −1. */
async function loopPlayback(
  { playlists }: ApplicationContext,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<Response> {
  const [, times, what = ''] = /^(?:\+(\S*)\s*)?(.*)$/s.exec(argument) ?? [];
  if (what === '') {
    void channel.hangup('DESTINATION_OUT_OF_ORDER');
    return undefined;
  }
  const loops = times === undefined ? 1 : Number.parseInt(times, 10) || 0;
  return playAgain(playlists, channel, what, execution, loops < 0 ? Number.POSITIVE_INFINITY : loops);
}

async function playAgain(
  playlists: Playlists,
  channel: Channel,
  what: string,
  execution: Execution,
  times: number,
): Promise<Response> {
  for (let time = 0; time < times && !channel.isEnded && !execution.abandoned; time++) {
    const { outcome, samples } = await playList(playlists, channel, what, execution);
    if (outcome === 'missing') return NOT_FOUND;
    // What has no length would be repeated without end.
    if (outcome === 'timeout' || (outcome === 'done' && samples === 0)) break;
  }
  return PLAYED;
}

/** `<TGML>[|<loops>]`: no file is played, so no event tells of it. */
async function gentones(
  { playlists }: ApplicationContext,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<Response> {
  if (argument === '') return undefined;
  const bar = argument.indexOf('|');
  const script = bar < 0 ? argument : argument.slice(0, bar);
  const loops = bar < 0 ? 1 : Number.parseInt(argument.slice(bar + 1), 10) || 0;
  const item: PlayItem = { kind: 'tone', name: argument, script, loops };
  channel.setVariable('playback_terminator_used', undefined);
  const playing = playQuietly(playlists, channel, item, execution);
  const stopTaking = takeTerminators(channel, () => execution.stop?.());
  await playing;
  stopTaking();
  return undefined;
}

/** `<path> [<flags>] [+<limit s>]`. */
async function displaceSession(
  { playlists }: ApplicationContext,
  channel: Channel,
  argument: string,
): Promise<Response> {
  const [path = '', ...rest] = argument.trim().split(/\s+/);
  const limit = rest.find((word) => word.startsWith('+'))?.slice(1);
  const flags = rest.find((word) => !word.startsWith('+'));
  await beginDisplacement(playlists, channel, path, flags ?? '', Number(limit) || 0);
  return undefined;
}
