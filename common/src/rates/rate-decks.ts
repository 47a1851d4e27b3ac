import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '../db/database.js';
import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Provisioning } from '../provisioning/provisioning.js';
import type { RateDeck } from '../provisioning/rows.js';
import type { ProvisioningSnapshot } from '../provisioning/snapshot.js';
import { EMPTY_RATE_BOOK, type LoadedDeck, RateBook } from '../routing/rate-book.js';
import { RateTrie } from '../routing/rate-trie.js';
import { RateTrieBuilder } from '../routing/rate-trie-builder.js';
import { packInSteps } from './import-rates.js';
import { readEntries, readImage } from './rates-store.js';

/** All prices in memory, kept as the database has them. */
export interface RateDecks {
  /** The newest prices; costs nothing. While a new version is loaded, or cannot be, the one before serves. */
  book(): RateBook;
  /** Resolves when everything that the newest snapshot names is loaded, or could not be. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Loads the active version of every rate deck and follows changes of provisioning: only decks whose version changed are read, in
 * parts, beside the calls; a deck is exchanged as a whole. Resolves when the first load is through.
 */
export async function openRateDecks({
  db,
  provisioning,
  logger,
  metrics,
}: {
  db: Database;
  provisioning: Provisioning;
  logger: Logger;
  metrics?: Metrics;
}): Promise<RateDecks> {
  let book = EMPTY_RATE_BOOK;
  let closed = false;
  let running: Promise<void> | undefined;
  let isOutdated = false;
  const failed = new Map<string, number>();

  const load = async (deck: RateDeck, version: number): Promise<LoadedDeck | undefined> => {
    const startedAt = performance.now();
    const trie = await readTrie(db, version, logger);
    const facts = { rateDeckSid: deck.rateDeckSid, version };
    if (trie === undefined) {
      // An import was removed between our reading its name and its rows, or it is damaged; said once.
      if (failed.get(deck.rateDeckSid) !== version) logger.error(facts, 'rate deck cannot be loaded; the last serves');
      failed.set(deck.rateDeckSid, version);
      return undefined;
    }
    failed.delete(deck.rateDeckSid);
    logger.info({ ...facts, prices: trie.size, durMs: Math.round(performance.now() - startedAt) }, 'rate deck loaded');
    return { deck, version, trie };
  };
  const follow = async (snapshot: ProvisioningSnapshot): Promise<void> => {
    const known = new Map(book.decks.map((loaded) => [loaded.deck.rateDeckSid, loaded]));
    // Decks that are gone, or changed but in their prices, first: that takes no reading.
    const kept = snapshot.rateDecks.flatMap((deck) => {
      const loaded = known.get(deck.rateDeckSid);
      return loaded === undefined || deck.activeVersion === null ? [] : [{ ...loaded, deck }];
    });
    book = new RateBook(kept);
    for (const deck of snapshot.rateDecks) {
      const { activeVersion } = deck;
      if (closed || activeVersion === null || known.get(deck.rateDeckSid)?.version === activeVersion) continue;
      const loaded = await load(deck, activeVersion);
      if (loaded === undefined) continue;
      book = new RateBook([...book.decks.filter((other) => other.deck.rateDeckSid !== deck.rateDeckSid), loaded]);
    }
    for (const sid of failed.keys())
      if (!snapshot.rateDecks.some((deck) => deck.rateDeckSid === sid)) failed.delete(sid);
  };
  const refresh = (): Promise<void> => {
    isOutdated = true;
    running ??= (async () => {
      while (isOutdated && !closed) {
        isOutdated = false;
        await follow(provisioning.snapshot()).catch((err: unknown) => {
          if (!closed) logger.warn({ err }, 'rate decks were not read; the last serve');
        });
      }
      running = undefined;
    })();
    return running;
  };
  provisioning.onChange(() => void refresh());
  metrics?.number({
    name: 'ringwire_rate_prices',
    help: 'Prices of rate decks in memory',
    read: () => book.decks.reduce((sum, { trie }) => sum + trie.size, 0),
  });
  await refresh();
  return {
    book: () => book,
    settled: async () => {
      await running;
    },
    async close() {
      closed = true;
      await running;
    },
  };
}

/** The packed form, or where it is missing, or of another format, what its rows make. */
async function readTrie(db: Database, version: number, logger: Logger): Promise<RateTrie | undefined> {
  const image = await readImage(db, version);
  const trie = image && RateTrie.fromImage(image);
  if (trie !== undefined) return trie;
  const builder = new RateTrieBuilder();
  for await (const page of readEntries(db, version)) {
    for (const row of page) {
      const added = builder.add(row, 0);
      if (!added.ok) {
        logger.error({ version, prefix: row.prefix, reason: added.reason }, 'row of a rate deck cannot be used');
        return undefined;
      }
    }
    await nextTurn();
  }
  return builder.size === 0 ? undefined : packInSteps(builder);
}
