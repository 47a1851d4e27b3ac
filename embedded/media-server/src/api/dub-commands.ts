import { Dubbing } from '../channel/dubbing.js';
import type { ApiCommand, ApiContext } from './api-commands.js';
import { quotedWords } from './quoted-words.js';

const FAILED = '-ERR Operation Failed';
const USAGE =
  '-USAGE: <uuid> [addTrack|removeTrack|silenceTrack|playOnTrack|sayOnTrack|setGain] track [url|text|gain] [gain] [loop]\n';

/** `uuid_dub`: tracks that are mixed into what the peer of a channel hears, as mod_dub has them. */
export const DUB_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([['uuid_dub', dub]]);

function dub({ channels, playlists }: ApiContext, argument: string): string {
  const [uuid = '', action = '', track = '', what, how, gain] = quotedWords(argument);
  if (uuid === '' || action === '' || track === '') return `${FAILED}\n`;
  const channel = channels.get(uuid);
  if (!channel || channel.isEnded) return '-ERR Invalid session\n';
  const dubbing = Dubbing.of(channel, playlists);
  switch (action) {
    case 'addTrack':
      return answer(dubbing.add(track));
    case 'removeTrack':
      return answer(dubbing.remove(track));
    case 'silenceTrack':
      return answer(dubbing.silence(track));
    case 'playOnTrack':
      return what === undefined ? USAGE : answer(dubbing.play(track, what, how === 'loop', readGain(gain)));
    case 'sayOnTrack':
      return what === undefined ? USAGE : answer('there is no speech engine, play a file instead');
    case 'setGain':
      dubbing.setGain(readGain(track));
      return answer();
    default:
      return USAGE;
  }
}

/** Where mod_dub only says that it failed, why is said too. */
function answer(problem?: string): string {
  return problem === undefined ? '+OK Success\n' : `${FAILED}: ${problem}\n`;
}

/** dB at the beginning of `3`, `-3.5`, `3 dB`; else 0. */
function readGain(text: string | undefined): number {
  return Number.parseFloat(text ?? '') || 0;
}
