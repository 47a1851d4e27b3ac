import { isAbsolute, join } from 'node:path';
import type { ServerCounters } from '../counters.js';
import type { PlayItem } from '../media/protocol.js';
import type { UrlCache } from './url-cache.js';

/** Items one list may have. */
const MAX_ITEMS = 256;

/** Options of {@link Playlists}. */
export interface PlaylistOptions {
  /** Where relative paths begin. */
  soundsDir: string;
  urls: UrlCache;
  counters: ServerCounters;
  /** Told why something could not be played. */
  onProblem: (uuid: string, problem: string) => void;
}

/**
 * Turns what a client asks to play into items: paths, `silence_stream://`, `tone_stream://`, `file_string://a!b`, http(s) URLs,
 * lists joined by the channel's `playback_delimiter`, `@@<samples>` to start in the middle, `{parameters}` in front (skipped).
 */
export class Playlists {
  readonly counters: ServerCounters;
  readonly onProblem: (uuid: string, problem: string) => void;
  readonly #soundsDir: string;
  readonly #urls: UrlCache;

  constructor(options: PlaylistOptions) {
    this.counters = options.counters;
    this.onProblem = options.onProblem;
    this.#soundsDir = options.soundsDir;
    this.#urls = options.urls;
  }

  /** Resolves a list; what is remote has been fetched then. Never rejects: what cannot be had becomes a `missing` item. */
  async resolve(text: string, delimiter: string | undefined, signal: AbortSignal): Promise<PlayItem[]> {
    const names = splitList(text.trim(), delimiter);
    const items = Promise.all(names.map((name) => this.#resolveOne(name)));
    const aborted = new Promise<PlayItem[]>((resolve) => signal.addEventListener('abort', () => resolve([])));
    return Promise.race([items, aborted]);
  }

  async #resolveOne(name: string): Promise<PlayItem> {
    const bare = name.replace(/^\{[^}]*\}/, '').trim();
    const silence = /^silence_stream:\/\/(-?\d+)/.exec(bare);
    if (silence) return { kind: 'silence', name, durationMs: Number(silence[1]) };
    if (bare.startsWith('tone_stream://')) {
      return { kind: 'tone', name, description: bare.slice('tone_stream://'.length) };
    }
    const [location = '', seek = ''] = bare.split('@@');
    const seekFrames = Math.max(0, Math.floor(Number(seek)) || 0);
    const url = location.replace(/^http_cache:\/\//, '');
    if (/^https?:\/\//.test(url)) return this.#resolveUrl(name, url, seekFrames);
    if (/^[a-z_]+:\/\//.test(location) && !location.startsWith('file://')) return { kind: 'missing', name };
    const path = location.replace(/^file:\/\//, '');
    if (path === '' || path.includes('\0')) return { kind: 'missing', name };
    return { kind: 'wav', name, path: isAbsolute(path) ? path : join(this.#soundsDir, path), seekFrames };
  }

  async #resolveUrl(name: string, url: string, seekFrames: number): Promise<PlayItem> {
    try {
      return { kind: 'wav', name, path: await this.#urls.fetch(url), seekFrames };
    } catch (error) {
      this.onProblem('', error instanceof Error ? error.message : String(error));
      return { kind: 'missing', name };
    }
  }
}

function splitList(text: string, delimiter: string | undefined): string[] {
  const parts = delimiter ? text.split(delimiter) : [text];
  const names = parts.flatMap((part) => {
    const list = /^(?:\{[^}]*\})?file_string:\/\/(.*)$/s.exec(part.trim());
    return list ? list[1]!.split('!') : [part];
  });
  return names
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .slice(0, MAX_ITEMS);
}
