import { isAbsolute, join } from 'node:path';
import { splitLoops } from '@ringwire/rtp';
import type { ServerCounters } from '../counters.js';
import type { PlayItem, PlayParameters } from '../media/protocol.js';
import { openRegularFile } from './regular-file.js';
import type { UrlCache } from './url-cache.js';

/** Items one list may have. */
const MAX_ITEMS = 256;
/** Bytes read of a file of tones. */
const MAX_TONE_FILE_BYTES = 64 * 1024;

/** A list whose beginning is there. */
export interface BegunList {
  items: PlayItem[];
  /** What is still being fetched, by the number of its `pending` item. */
  late: ReadonlyMap<number, Promise<PlayItem>>;
}

/** Schemes of what is fetched before it is played. */
const REMOTE = /^(?:https?|http_cache|shouts?):\/\//i;

/** Options of {@link Playlists}. */
export interface PlaylistOptions {
  /** Where relative paths begin. */
  soundsDir: string;
  urls: UrlCache;
  counters: ServerCounters;
  onProblem: ProblemListener;
}

/** Told why something could not be played, or recorded; `what` where it was to sound on a track of the channel. */
export type ProblemListener = (uuid: string, problem: string, what?: 'track') => void;

/**
 * Turns what a client asks to play into items:
 *
 * - paths and `file://`, with `@@<samples>` to start in the middle;
 * - `http://`, `https://`, `http_cache://<url>`, `shout://<host>/<path>`;
 * - `silence_stream://<ms>[,<noise divisor>]`, `tone_stream://<TGML>[;loops=<n>]`, `tone_stream://path=<file>`;
 * - `file_string://a!b`, lists joined by the channel's `playback_delimiter`;
 * - all of them with `{name=value,…}` in front.
 */
export class Playlists {
  readonly counters: ServerCounters;
  readonly onProblem: ProblemListener;
  readonly #soundsDir: string;
  readonly #urls: UrlCache;

  constructor(options: PlaylistOptions) {
    this.counters = options.counters;
    this.onProblem = options.onProblem;
    this.#soundsDir = options.soundsDir;
    this.#urls = options.urls;
  }

  /**
   * Resolves a list; what is remote has been fetched then, and stays until {@link release}. Never rejects: what cannot be had becomes a `missing`
   * item.
   */
  resolve(text: string, delimiter: string | undefined, signal: AbortSignal): Promise<PlayItem[]> {
    return this.#unlessAborted(signal, () =>
      Promise.all(split(text.trim(), delimiter).map((name) => this.resolveOne(name))),
    );
  }

  /**
   * As {@link resolve}, but of what is remote only the first waits until it has been fetched: the others may take as long as what stands before
   * them plays. To be given back with {@link end}.
   */
  async begin(text: string, delimiter: string | undefined, signal: AbortSignal): Promise<BegunList> {
    const late = new Map<number, Promise<PlayItem>>();
    const names = split(text.trim(), delimiter);
    const items = await this.#unlessAborted(signal, () =>
      Promise.all(names.map((name, index) => this.#beginOne(name, index === 0, late))),
    );
    if (!signal.aborted) return { items, late };
    this.end({ items: [], late });
    return { items: [], late: new Map() };
  }

  /** Gives back what {@link begin} began, what still comes of it included. To be called once. */
  end({ items, late }: BegunList): void {
    this.release(items);
    for (const item of late.values()) void item.then((found) => this.release([found]));
  }

  /** Resolves with what comes of it, or when it is aborted with nothing; what comes later is released then. */
  async #unlessAborted(signal: AbortSignal, resolveItems: () => Promise<PlayItem[]>): Promise<PlayItem[]> {
    if (signal.aborted) return [];
    const items = resolveItems();
    let abort = (): void => undefined;
    const aborted = new Promise<PlayItem[]>((resolve) => {
      abort = () => resolve([]);
    });
    signal.addEventListener('abort', abort, { once: true });
    try {
      const resolved = await Promise.race([items, aborted]);
      if (!signal.aborted) return resolved;
      void items.then((late) => this.release(late));
      return [];
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Gives back what was resolved: it has been played, or is not going to be. To be called once for each item. */
  release(items: readonly PlayItem[]): void {
    for (const item of items) {
      if (item.kind === 'list') this.release(item.items);
      else if (item.kind === 'file' && item.isFetched) void this.#urls.release(item.path);
    }
  }

  /** Resolves one name, as {@link resolve}. Never rejects. */
  async resolveOne(name: string): Promise<PlayItem> {
    try {
      const { parameters, rest } = splitParameters(name);
      const item = await this.#resolveBare(name, rest, parameters);
      return parameters.length > 0 && item.kind !== 'missing' ? { ...item, parameters } : item;
    } catch (error) {
      return { kind: 'missing', name, problem: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Resolves one name, or leaves it for later if it is remote and does not come first. */
  async #beginOne(name: string, isFirst: boolean, late: Map<number, Promise<PlayItem>>): Promise<PlayItem> {
    const { parameters, rest } = splitParameters(name);
    const [, parts] = /^file_string:\/\/(.*)$/is.exec(rest) ?? [];
    if (parts !== undefined) {
      const items = split(parts, '!').map((part, index) => this.#beginOne(part, isFirst && index === 0, late));
      return { kind: 'list', name, items: await Promise.all(items), ...(parameters.length > 0 && { parameters }) };
    }
    if (isFirst || !REMOTE.test(rest)) return this.resolveOne(name);
    const number = late.size;
    late.set(number, this.resolveOne(name));
    return { kind: 'pending', name: splitStart(name).path, number, ...(parameters.length > 0 && { parameters }) };
  }

  async #resolveBare(name: string, bare: string, parameters: PlayParameters): Promise<PlayItem> {
    const [, scheme = '', what = ''] = /^([a-z_]+):\/\/(.*)$/is.exec(bare) ?? [];
    switch (scheme.toLowerCase()) {
      case '':
        return /^(?:phrase|say):/.test(bare)
          ? { kind: 'missing', name, problem: 'there are no phrases and no speech' }
          : this.#file(name, bare);
      case 'file':
        return this.#file(name, what);
      case 'silence_stream':
        return silence(name, what);
      case 'tone_stream':
        return { kind: 'tone', name, ...(await this.#tones(what, parameters)) };
      case 'file_string':
        return { kind: 'list', name, items: await Promise.all(split(what, '!').map((part) => this.resolveOne(part))) };
      case 'http':
      case 'https':
        return this.#url(name, bare);
      case 'http_cache': {
        const url = splitParameters(what).rest;
        return this.#url(name, /^https?:\/\//i.test(url) ? url : `http://${url}`);
      }
      case 'shout':
        return this.#url(name, `http://${what}`);
      case 'shouts':
        return this.#url(name, `https://${what}`);
      default:
        return { kind: 'missing', name, problem: `${scheme}:// is not played here` };
    }
  }

  #file(name: string, location: string): PlayItem {
    const { path, startFrames } = splitStart(location);
    if (path === '' || path.includes('\0')) return { kind: 'missing', name, problem: 'no file name' };
    return { kind: 'file', name: splitStart(name).path, path: this.#absolute(path), startFrames };
  }

  async #url(name: string, address: string): Promise<PlayItem> {
    const { path: url, startFrames } = splitStart(address);
    const path = await this.#urls.fetch(url);
    return { kind: 'file', name: splitStart(name).path, path, startFrames, isFetched: true };
  }

  /** A script, or `path=<file>` with one a line; `;loops=<n>` after it, or as a parameter. */
  async #tones(description: string, parameters: PlayParameters): Promise<{ script: string; loops: number }> {
    const { script, loops } = splitLoops(description);
    const given = parameters.find(([parameter]) => parameter === 'loops')?.[1];
    const times = given === undefined ? loops : Number.parseInt(given, 10) || 0;
    if (!/^path=/i.test(script)) return { script, loops: times };
    const { file } = await openRegularFile(this.#absolute(script.slice(5)));
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(MAX_TONE_FILE_BYTES));
      return { script: buffer.toString('latin1', 0, bytesRead), loops: times };
    } finally {
      await file.close();
    }
  }

  #absolute(path: string): string {
    return isAbsolute(path) ? path : join(this.#soundsDir, path);
  }
}

/** `1000` or `1000,1400`; −1 is for ever. FreeSWITCH opens no silence of no length. */
function silence(name: string, text: string): PlayItem {
  const [, ms = '0', divisor = '0'] = /^\s*(-?\d+)(?:\s*,\s*(\d+))?/.exec(text) ?? [];
  if (Number(ms) === 0) return { kind: 'missing', name, problem: 'silence of no length' };
  return { kind: 'silence', name, durationMs: Number(ms), noiseDivisor: Number(divisor) };
}

/** Takes `@@<samples>` off the end. */
function splitStart(location: string): { path: string; startFrames: number } {
  const [, path = location, start = '0'] = /^(.*)@@(\d+)$/s.exec(location) ?? [];
  return { path, startFrames: Math.min(Number(start), Number.MAX_SAFE_INTEGER) };
}

/** Takes `{a=b,c=d}` off the front, or `{^^;a=b;c=d}` with a separator of its own. */
export function splitParameters(text: string): { parameters: PlayParameters; rest: string } {
  const [, inner, rest = ''] = /^\s*\{([^}]*)\}(.*)$/s.exec(text) ?? [];
  if (inner === undefined) return { parameters: [], rest: text.trim() };
  const custom = inner.startsWith('^^') ? inner[2] : undefined;
  const parameters = (custom ? inner.slice(3).split(custom) : inner.split(',')).flatMap((pair): PlayParameters => {
    const equals = pair.indexOf('=');
    return equals > 0 ? [[pair.slice(0, equals).trim(), pair.slice(equals + 1).replace(/^'(.*)'$/s, '$1')]] : [];
  });
  return { parameters, rest: rest.trim() };
}

function split(text: string, delimiter: string | undefined): string[] {
  return (delimiter ? text.split(delimiter) : [text])
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .slice(0, MAX_ITEMS);
}
