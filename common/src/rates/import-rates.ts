import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '../db/database.js';
import type { RateTrie } from '../routing/rate-trie.js';
import type { RateTrieBuilder } from '../routing/rate-trie-builder.js';
import {
  activateVersion,
  beginVersion,
  type DeckOwner,
  findOrMakeDeck,
  insertEntries,
  insertImage,
  removeOldVersions,
  removeVersion,
  touchVersion,
} from './rates-store.js';
import { type BadRow, readRates } from './read-rates.js';

/** How far an import has come. */
export type ImportProgress =
  | { phase: 'reading'; bytes: number; rows: number }
  | { phase: 'storing'; rows: number; total: number }
  | { phase: 'removing old versions' };

/** What to import, and how. */
export interface ImportOptions {
  db: Database;
  /** CSV in UTF-8, see {@link readRates}. */
  source: Readable;
  owner: DeckOwner;
  /** Name of the deck. */
  name: string;
  /** ISO 4217. */
  currency: string;
  /** Where the rows come from, for people: the name of the file. */
  sourceName: string;
  delimiter?: string;
  /** Whether good rows count although others are bad; else a single bad row leaves everything as it was. @defaultValue false */
  skipBadRows?: boolean;
  /** Prices that the owner has room for; a file with more changes nothing. @defaultValue as many as the file has */
  maxPrices?: number;
  onProgress?: (progress: ImportProgress) => void;
  /** Told when the new version counts; here the edges are told to load it. */
  onActive?: () => Promise<void>;
  signal?: AbortSignal;
}

/** How an import ended. Unless `ok`, everything is as it was before. */
export type ImportResult = {
  /** The first 1,000. */
  badRows: BadRow[];
  badRowCount: number;
} & ({ ok: true; rateDeckSid: string; version: number; entryCount: number } | { ok: false; reason: string });

/** How often a long import says that it is alive. */
const TOUCH_MS = 60_000;

/**
 * Imports a rate deck: reads all of the file, and only when it is good writes it as a new version beside the one that counts, then makes
 * the new one count in a single step. Nothing of a file that is not good, or whose import fails, is ever seen by a call.
 *
 * @throws DatabaseError, CurrencyMismatchError, an error of the source; the deck then is as it was
 */
export async function importRates(options: ImportOptions): Promise<ImportResult> {
  const { db, source, delimiter, signal, onProgress } = options;
  let rows = 0;
  const read = await readRates(source, {
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(signal === undefined ? {} : { signal }),
    onBytes: (bytes) => onProgress?.({ phase: 'reading', bytes, rows }),
    onRows: (count) => {
      rows = count;
    },
  });
  const { builder, badRows, badRowCount, unreadable } = read;
  const bad = { badRows, badRowCount };
  if (unreadable) return { ok: false, reason: 'the file cannot be read', ...bad };
  if (badRowCount > 0 && options.skipBadRows !== true) {
    return { ok: false, reason: `${badRowCount} rows are bad; nothing was changed`, ...bad };
  }
  if (builder.size === 0) return { ok: false, reason: 'the file has no good row; nothing was changed', ...bad };
  const { name, currency, owner, maxPrices = Number.POSITIVE_INFINITY } = options;
  if (builder.size > maxPrices) {
    const room = `there is room for ${maxPrices} prices, and the file has ${builder.size}`;
    return { ok: false, reason: `${room}; nothing was changed`, ...bad };
  }
  const rateDeckSid = await findOrMakeDeck(db, owner, { name, currency });
  const version = await store(options, rateDeckSid, builder, badRowCount);
  await options.onActive?.();
  onProgress?.({ phase: 'removing old versions' });
  await removeOldVersions(db);
  return { ok: true, rateDeckSid, version, entryCount: builder.size, ...bad };
}

async function store(
  { db, sourceName, name, currency, onProgress, signal }: ImportOptions,
  rateDeckSid: string,
  builder: RateTrieBuilder,
  skippedCount: number,
): Promise<number> {
  const version = await beginVersion(db, rateDeckSid, sourceName);
  let touched = performance.now();
  const onRows = (rows: number): void => {
    onProgress?.({ phase: 'storing', rows, total: builder.size });
    if (performance.now() - touched < TOUCH_MS) return;
    touched = performance.now();
    // When the database is away the next statement tells.
    touchVersion(db, version).catch(() => undefined);
  };
  try {
    await insertEntries(db, version, builder.rows(), onRows, signal);
    await insertImage(db, version, (await packInSteps(builder)).image, signal);
    await activateVersion(db, rateDeckSid, version, { name, currency, entryCount: builder.size, skippedCount });
    return version;
  } catch (err) {
    // What cannot be removed now is removed by the next import.
    await removeVersion(db, version).catch(() => undefined);
    throw err;
  }
}

/** Packs rows without keeping anything else of the process waiting. */
export async function packInSteps(builder: RateTrieBuilder): Promise<RateTrie> {
  const steps = builder.buildInSteps();
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return step.value;
    await nextTurn();
  }
}
