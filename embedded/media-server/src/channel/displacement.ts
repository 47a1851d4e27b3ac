import type { Playlists } from '../files/playlists.js';
import type { LegAttachment } from '../media/media-leg.js';
import type { Channel } from './channel.js';

const DISPLACEMENTS = new WeakMap<Channel, Map<string, LegAttachment<'displace'>>>();

/**
 * Lets the peer hear a file instead of what it would hear: `m` in the flags (or `mux`) adds it, `l` (or `loop`) repeats it. Resolves with false when it
 * cannot be played.
 */
export async function beginDisplacement(
  playlists: Playlists,
  channel: Channel,
  path: string,
  flags: string,
  limitSeconds: number,
): Promise<boolean> {
  const running = DISPLACEMENTS.get(channel) ?? new Map<string, LegAttachment<'displace'>>();
  DISPLACEMENTS.set(channel, running);
  if (path === '' || running.has(path)) return false;
  const item = await playlists.resolveOne(path);
  if (channel.isEnded || running.has(path)) {
    playlists.release([item]);
    return false;
  }
  const spec = { item, mux: flags.includes('m'), loop: flags.includes('l'), limitMs: limitSeconds * 1000 };
  return new Promise((resolve) => {
    const attachment = channel.leg.attach({ kind: 'displace', ...spec }, (event) => {
      if (event.type === 'displaceFailed') playlists.onProblem(channel.uuid, `${path}: ${event.problem}`);
      resolve(event.type === 'displaceStarted');
    });
    running.set(path, attachment);
    void attachment.ended.then(() => {
      playlists.release([item]);
      if (running.get(path) === attachment) running.delete(path);
      resolve(false);
    });
  });
}

/** Ends the displacement with that path; false when there is none. */
export function endDisplacement(channel: Channel, path: string): boolean {
  const running = DISPLACEMENTS.get(channel);
  const attachment = running?.get(path);
  attachment?.detach();
  running?.delete(path);
  return attachment !== undefined;
}
