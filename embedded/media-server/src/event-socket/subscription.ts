import type { EslEvent, EventFormat } from './event.js';
import { CHANNEL_EVENTS, EVENT_NAMES, eventNameOf } from './event-names.js';

interface Filter {
  header: string;
  /** The value as the client gave it, for deleting. */
  text: string;
  negative: boolean;
  /** Header and value in lower case, where it is no regular expression. */
  exact: { header: string; value: string } | undefined;
  matches: (value: string) => boolean;
}

/** Filters one client may have; each event is compared with all. */
const MAX_FILTERS = 1000;
/** Regular expressions are run on every event: their length, and how much of a value they see. */
const MAX_PATTERN_LENGTH = 500;
const MAX_MATCHED_LENGTH = 1000;
/** A repeated group with a repetition inside, such as `(a+)+`, may take for ever. */
const NESTED_REPETITION = /\([^)]*[+*{][^)]*\)\s*[+*{]/;

/** Which events a client wants and in which format. */
export class EventSubscription {
  format: EventFormat = 'plain';
  readonly #names = new Set<string>();
  readonly #subclasses = new Set<string>();
  #all = false;
  #allSubclasses = false;
  #filters: Filter[] = [];
  #channels: ReadonlySet<string> | undefined;
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

  /** Takes back events, one of all too; returns how many names were known. */
  remove(words: readonly string[]): number {
    let known = 0;
    for (let i = 0; i < words.length; i++) {
      const name = eventNameOf(words[i]!);
      if (!name) continue;
      known++;
      if (name === 'ALL') this.#forget();
      else if (name === 'CUSTOM' && i + 1 < words.length) {
        for (const subclass of words.slice(i + 1)) this.#subclasses.delete(subclass);
        break;
      } else {
        if (this.#all) this.#nameAll();
        this.#names.delete(name);
      }
    }
    return known;
  }

  /** Wants nothing any more. Filters stay. */
  clear(): void {
    this.#forget();
    this.#subclasses.clear();
    this.#allSubclasses = false;
    this.onlyChannel = undefined;
  }

  /** `myevents`: a channel's own events, and of what else is wanted only this channel's. */
  wantChannel(uuid: string): void {
    for (const name of CHANNEL_EVENTS) this.#names.add(name);
    this.onlyChannel = uuid;
  }

  #forget(): void {
    this.#all = false;
    this.#names.clear();
  }

  /** Turns "all" into the names of all, so that one can be taken back. */
  #nameAll(): void {
    this.#all = false;
    this.#allSubclasses = true;
    for (const name of EVENT_NAMES) this.#names.add(name);
  }

  /** Adds a filter: a text to equal in any case, or `/regular expression/`; a leading `-` excludes. False when it cannot be had. */
  addFilter(header: string, text: string): boolean {
    if (this.#filters.length >= MAX_FILTERS) return false;
    const [, signs = '', pattern = ''] = /^([+\- ]*)(.*)$/s.exec(text) ?? [];
    const matches = matcherOf(pattern);
    if (!matches) return false;
    const exact = isExpression(pattern) ? undefined : { header: header.toLowerCase(), value: pattern.toLowerCase() };
    this.#filters.push({ header, text, negative: signs.trimEnd().endsWith('-'), exact, matches });
    this.#channels = channelsOf(this.#filters);
    return true;
  }

  /** Deletes the filters on a header, all or the one with that text, or all filters for `all`. */
  deleteFilter(header: string, text: string | undefined): void {
    if (header.toLowerCase() === 'all') this.#filters = [];
    else {
      this.#filters = this.#filters.filter(
        (filter) =>
          filter.header.toLowerCase() !== header.toLowerCase() || (text !== undefined && filter.text !== text),
      );
    }
    this.#channels = channelsOf(this.#filters);
  }

  /** The channels, in lower case, of which alone events can pass the filters; undefined: of any. Another object when they change. */
  get channels(): ReadonlySet<string> | undefined {
    return this.onlyChannel === undefined ? this.#channels : undefined;
  }

  /** Whether events of that name are wanted at all. */
  wantsName(name: string): boolean {
    return this.#all || this.#names.has(name);
  }

  /** Whether the client gets this event. */
  wants(event: EslEvent): boolean {
    if (!this.wantsName(event.name)) return false;
    if (event.name === 'CUSTOM' && !this.#wantsSubclass(event.subclass)) return false;
    if (this.onlyChannel !== undefined) {
      // A job that the channel's own client started is its event, though it names no channel.
      if (event.headers.get('Job-Owner-UUID') === this.onlyChannel) return true;
      if (event.header('Unique-ID') !== this.onlyChannel) return false;
    }
    return this.#passesFilters(event);
  }

  #wantsSubclass(subclass: string | undefined): boolean {
    return this.#all || this.#allSubclasses || subclass === undefined || this.#subclasses.has(subclass);
  }

  #passesFilters(event: EslEvent): boolean {
    if (this.#filters.length === 0) return true;
    let passes = false;
    for (const filter of this.#filters) {
      if (passes && !filter.negative) continue;
      const value = event.header(filter.header);
      if (value === undefined || !filter.matches(value)) continue;
      if (filter.negative) return false;
      passes = true;
    }
    return passes;
  }
}

function isExpression(pattern: string): boolean {
  return pattern.length >= 2 && pattern.startsWith('/') && pattern.endsWith('/');
}

/** Where all that an event may pass by is the channel that it is of: those channels. */
function channelsOf(filters: readonly Filter[]): ReadonlySet<string> | undefined {
  const channels = new Set<string>();
  for (const { negative, exact } of filters) {
    if (negative) continue;
    if (exact?.header !== 'unique-id') return undefined;
    channels.add(exact.value);
  }
  return channels.size > 0 ? channels : undefined;
}

function matcherOf(pattern: string): ((value: string) => boolean) | undefined {
  if (!isExpression(pattern)) {
    const wanted = pattern.toLowerCase();
    return (value) => value.toLowerCase() === wanted;
  }
  const source = pattern.slice(1, -1);
  if (source.length > MAX_PATTERN_LENGTH || NESTED_REPETITION.test(source)) return undefined;
  try {
    const expression = new RegExp(source);
    return (value) => expression.test(value.slice(0, MAX_MATCHED_LENGTH));
  } catch {
    // Not a regular expression: the client is told so by the refusal.
    return undefined;
  }
}
