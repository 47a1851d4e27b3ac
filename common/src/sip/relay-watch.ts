import type { MediaSession } from '../media-relay/media-relay.js';

/** Watches that the media relay still has a call. */
export interface RelayWatch {
  stop(): void;
}

/** Rounds in a row that may go unanswered. One loses datagrams at worst; after two the call has been deaf for long enough. */
const SILENT_ROUNDS = 2;

/**
 * Asks the relay for its session every `intervalMs` and calls `onDead` once when it is gone (a restarted relay knows no
 * session) or the relay did not answer in two rounds. At 8 s that is at most 20 s after the relay's death.
 */
export function watchRelay(
  media: MediaSession,
  { intervalMs, onDead }: { intervalMs: number; onDead: (why: string) => void },
): RelayWatch {
  let stopped = false;
  let silent = 0;
  let timer: NodeJS.Timeout | undefined;
  const ask = async (): Promise<void> => {
    const state = await media.state();
    if (stopped) return;
    silent = state === 'silent' ? silent + 1 : 0;
    if (state === 'gone') dead('it does not know the call any more');
    else if (silent >= SILENT_ROUNDS) dead('it does not answer');
    else schedule();
  };
  const dead = (why: string): void => {
    stop();
    onDead(why);
  };
  const schedule = (): void => {
    timer = setTimeout(() => void ask(), intervalMs);
  };
  const stop = (): void => {
    stopped = true;
    clearTimeout(timer);
  };
  schedule();
  return { stop };
}
