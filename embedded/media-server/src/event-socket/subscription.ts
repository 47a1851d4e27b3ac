import type { EslEvent, EventFormat } from './event.js';
import { eventNameOf } from './event-names.js';

interface Filter {
  header: string;
  /** The value as the client gave it, for deleting. */
  text: string;
  negative: boolean;
  matches: (value: string) => boolean;
}

/** Filters one client may have; each event is compared with all. */
const MAX_FILTERS = 1000;

/** Which events a client wants and in which format. */
export class EventSubscription {
  format: EventFormat = 'plain';
  readonly #names = new Set<string>();
  readonly #subclasses = new Set<string>();
  #all = false;
  #filters: Filter[] = [];
  /** `myevents`: only this channel's. */
  onlyChannel: string | undefined;

  /** Whether there is anything to send. */
  get isActive(): boolean {
    return this.#all || this.#names.size > 0;
  }

  /** Adds the events of `event <format> <names…>`; returns how many names were known. */
  add(words: readonly string[]): number {
    let known = 0;
    for (let i = 0; i < words.length; i++) {
      const name = eventNameOf(words[i]!);
      if (!name) continue;
      known++;
      if (name === 'ALL') this.#all = true;
      else this.#names.add(name);
      if (name === 'CUSTOM') {
        for (const subclass of words.slice(i + 1)) this.#subclasses.add(subclass);
        break;
      }
    }
    return known;
  }

  /** Takes back events; returns how many names were known. */
  remove(words: readonly string[]): number {
    let known = 0;
    for (let i = 0; i < words.length; i++) {
      const name = eventNameOf(words[i]!);
      if (!name) continue;
      known++;
      if (name === 'ALL') this.clear();
      else if (name === 'CUSTOM' && i + 1 < words.length) {
        for (const subclass of words.slice(i + 1)) this.#subclasses.delete(subclass);
        break;
      } else this.#names.delete(name);
    }
    return known;
  }

  /** Wants nothing any more. Filters stay. */
  clear(): void {
    this.#all = false;
    this.#names.clear();
    this.#subclasses.clear();
    this.onlyChannel = undefined;
  }

  /** Everything of one channel. */
  wantChannel(uuid: string): void {
    this.#all = true;
    this.onlyChannel = uuid;
  }

  /** Adds a filter: a text to equal in any case, or `/regular expression/`; a leading `-` excludes. False when it cannot be had. */
  addFilter(header: string, text: string): boolean {
    if (this.#filters.length >= MAX_FILTERS) return false;
    const negative = text.startsWith('-');
    const pattern = text.replace(/^[+-]/, '');
    const matches = matcherOf(pattern);
    if (!matches) return false;
    this.#filters.push({ header, text, negative, matches });
    return true;
  }

  /** Deletes the filters on a header, all or the one with that text, or all filters for `all`. */
  deleteFilter(header: string, text: string | undefined): void {
    if (header.toLowerCase() === 'all') this.#filters = [];
    else {
      this.#filters = this.#filters.filter(
        (filter) => filter.header !== header || (text !== undefined && filter.text !== text),
      );
    }
  }

  /** Whether the client gets this event. */
  wants(event: EslEvent): boolean {
    if (!this.#all && !this.#names.has(event.name)) return false;
    if (event.name === 'CUSTOM' && !this.#all && !this.#subclasses.has(event.subclass ?? '')) return false;
    if (this.onlyChannel !== undefined && event.headers.get('Unique-ID') !== this.onlyChannel) return false;
    return this.#passesFilters(event);
  }

  #passesFilters(event: EslEvent): boolean {
    if (this.#filters.length === 0) return true;
    let passes = false;
    for (const filter of this.#filters) {
      if (passes && !filter.negative) continue;
      const value = event.headers.get(filter.header);
      if (value === undefined || !filter.matches(value)) continue;
      if (filter.negative) return false;
      passes = true;
    }
    return passes;
  }
}

function matcherOf(pattern: string): ((value: string) => boolean) | undefined {
  if (pattern.length < 2 || !pattern.startsWith('/') || !pattern.endsWith('/')) {
    const wanted = pattern.toLowerCase();
    return (value) => value.toLowerCase() === wanted;
  }
  try {
    const expression = new RegExp(pattern.slice(1, -1));
    return (value) => expression.test(value);
  } catch {
    // Not a regular expression: the client is told so by the refusal.
    return undefined;
  }
}
