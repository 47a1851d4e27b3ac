import type { Application, ApplicationContext, Response } from './applications.js';
import type { Channel } from './channel.js';
import { beginDisplacement, endDisplacement } from './displacement.js';
import type { Execution } from './execute-queue.js';
import { playback, playList } from './media-applications.js';

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

async function endlessPlayback(
  { playlists }: ApplicationContext,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<Response> {
  for (;;) {
    const { outcome, samples } = await playList(playlists, channel, argument, execution);
    if (outcome !== 'done' || samples === 0 || channel.isEnded) return undefined;
  }
}

/** `[+<times>] <what>`: once without a number, for ever with −1. */
async function loopPlayback(
  { playlists }: ApplicationContext,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<Response> {
  const [, times, what = ''] = /^(?:\+(-?\d+)\s+)?(.*)$/s.exec(argument.trim()) ?? [];
  if (what === '') {
    void channel.hangup('DESTINATION_OUT_OF_ORDER');
    return undefined;
  }
  const loops = times === undefined ? 1 : Number(times);
  let response: Response;
  for (let loop = 0; (loops < 0 || loop < loops) && !channel.isEnded; loop++) {
    const { outcome, samples } = await playList(playlists, channel, what, execution);
    response = outcome === 'missing' ? 'FILE NOT FOUND' : 'FILE PLAYED';
    if (outcome !== 'done' || samples === 0) break;
  }
  return response;
}

async function gentones(
  { playlists }: ApplicationContext,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<Response> {
  const [tones = '', loops = ''] = argument.split('|');
  const suffix = loops ? `;loops=${loops}` : '';
  await playList(playlists, channel, `tone_stream://${tones}${suffix}`, execution);
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
