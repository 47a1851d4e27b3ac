import type { RateDeck } from '../provisioning/rows.js';
import type { Rate, RateTrie } from './rate-trie.js';

/** A rate deck whose prices are in memory. */
export interface LoadedDeck {
  readonly deck: RateDeck;
  /** The import that the prices are from. */
  readonly version: number;
  readonly trie: RateTrie;
}

/** Rate decks by carrier. */
export type DecksByCarrier = ReadonlyMap<string, LoadedDeck>;

const NO_DECKS: DecksByCarrier = new Map();

/** All prices as they are at one moment. Immutable: a change makes another one, so that a decision never sees half of it. */
export class RateBook {
  readonly #byOwner = new Map<string, Map<string, LoadedDeck>>();
  /** What accounts with decks of their own see; owned and forgotten with the book. */
  readonly #merged = new Map<string, DecksByCarrier>();

  constructor(readonly decks: readonly LoadedDeck[] = []) {
    for (const loaded of decks) {
      const owner = loaded.deck.accountSid ?? loaded.deck.serviceProviderSid;
      const known = this.#byOwner.get(owner) ?? new Map<string, LoadedDeck>();
      this.#byOwner.set(owner, known.set(loaded.deck.voipCarrierSid, loaded));
    }
  }

  /** The decks of a service provider itself. */
  sharedDecksOf(serviceProviderSid: string): DecksByCarrier {
    return this.#byOwner.get(serviceProviderSid) ?? NO_DECKS;
  }

  /** The decks that count for an account: its own, and for other carriers those of its service provider. */
  decksOf(accountSid: string, serviceProviderSid: string): DecksByCarrier {
    const own = this.#byOwner.get(accountSid);
    const shared = this.sharedDecksOf(serviceProviderSid);
    if (own === undefined) return shared;
    const known = this.#merged.get(accountSid);
    if (known !== undefined) return known;
    const merged = new Map([...shared, ...own]);
    this.#merged.set(accountSid, merged);
    return merged;
  }
}

/** No prices at all. */
export const EMPTY_RATE_BOOK = new RateBook();

/** What a deck says of a number: a price, nothing for this number, or there is no deck. */
export type Price = { known: true; rate: Rate; deck: RateDeck } | { known: false; hasDeck: boolean };
