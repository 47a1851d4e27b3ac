import type { Channel } from '../channel/channel.js';
import { Conference, type ConferenceContext } from './conference.js';

/** Conferences that may be at once. */
const MAX_CONFERENCES = 10_000;

/** All conferences of the server, by name. */
export class Conferences {
  readonly context: ConferenceContext;
  readonly #byName = new Map<string, Conference>();
  /** A channel keeps its member id when it goes from one conference to another. */
  readonly #memberIds = new WeakMap<Channel, number>();
  #nextMember = 1;

  constructor(context: ConferenceContext) {
    this.context = context;
  }

  /** The conference of that name. */
  get(name: string): Conference | undefined {
    return this.#byName.get(name);
  }

  /** All conferences. */
  all(): Conference[] {
    return [...this.#byName.values()];
  }

  /** Opens a conference; undefined when there are too many. Throws MediaUnavailableError when no media thread runs. */
  create(name: string, profile: string): Conference | undefined {
    if (this.#byName.size >= MAX_CONFERENCES) return undefined;
    const conference: Conference = new Conference(name, profile, this.context, () => this.#byName.delete(name));
    this.#byName.set(name, conference);
    return conference;
  }

  /** The member id of a channel, the same in every conference. */
  memberId(channel: Channel): number {
    const known = this.#memberIds.get(channel);
    if (known !== undefined) return known;
    const id = this.#nextMember++;
    this.#memberIds.set(channel, id);
    return id;
  }
}
