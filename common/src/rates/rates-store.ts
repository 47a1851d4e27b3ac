import { randomUUID } from 'node:crypto';
import type { Database, Queryable } from '../db/database.js';
import { DuplicateKeyError } from '../db/errors.js';
import { RingwireError } from '../errors.js';
import type { RateRow } from '../routing/rate-trie-builder.js';

/** Whose prices of which carrier a deck holds. */
export interface DeckOwner {
  /** Null: the service provider's, for all its accounts. */
  accountSid: string | null;
  serviceProviderSid: string;
  voipCarrierSid: string;
}

/** A rate deck with what is known of its active import. */
export interface RateDeckRow {
  rate_deck_sid: string;
  name: string;
  account_sid: string | null;
  service_provider_sid: string;
  voip_carrier_sid: string;
  currency: string;
  active_version: number | null;
  entry_count: number | null;
  skipped_count: number | null;
  source: string | null;
  completed_at: Date | null;
}

/** A deck in another currency than the service provider's other decks: prices could not be compared. */
export class CurrencyMismatchError extends RingwireError {
  readonly code = 'rates/currency-mismatch';
}

/** Rows of one statement: few enough for the smallest `max_allowed_packet`, enough that the round trip does not count. */
const ROWS_PER_INSERT = 4_000;
/** Below the smallest `max_allowed_packet` in use (1 MB), escaped. */
const PART_BYTES = 256 * 1024;
const DELETE_ROWS = 20_000;
/** A version that has not been touched for so long was left by a process that died. */
const ABANDONED_AFTER_MIN = 15;

/** Decks of a service provider, or of one account and those that its service provider shares with it. */
export function listRateDecks(
  db: Queryable,
  { accountSid, serviceProviderSid }: { accountSid?: string; serviceProviderSid: string },
): Promise<RateDeckRow[]> {
  const account = accountSid === undefined ? '' : ' AND (d.account_sid IS NULL OR d.account_sid = ?)';
  return db.query<RateDeckRow>(
    `SELECT d.rate_deck_sid, d.name, d.account_sid, d.service_provider_sid, d.voip_carrier_sid, d.currency, d.active_version,
       v.entry_count, v.skipped_count, v.source, v.completed_at
     FROM rate_decks d LEFT JOIN rate_deck_versions v ON v.version = d.active_version
     WHERE d.service_provider_sid = ?${account} ORDER BY d.name, d.rate_deck_sid`,
    accountSid === undefined ? [serviceProviderSid] : [serviceProviderSid, accountSid],
  );
}

/**
 * The sid of an owner's deck for a carrier; makes the deck where there is none.
 *
 * @throws {@link CurrencyMismatchError} when the service provider's decks are in another currency
 */
export async function findOrMakeDeck(
  db: Database,
  owner: DeckOwner,
  { name, currency }: { name: string; currency: string },
): Promise<string> {
  const { accountSid, serviceProviderSid, voipCarrierSid } = owner;
  const ownerSid = accountSid ?? serviceProviderSid;
  const find = async (): Promise<string | undefined> => {
    const rows = await db.query<{ rate_deck_sid: string }>(
      'SELECT rate_deck_sid FROM rate_decks WHERE owner_sid = ? AND voip_carrier_sid = ?',
      [ownerSid, voipCarrierSid],
    );
    return rows[0]?.rate_deck_sid;
  };
  const known = await find();
  const others = await db.query<{ currency: string }>(
    'SELECT currency FROM rate_decks WHERE service_provider_sid = ? AND rate_deck_sid <> ? AND currency <> ? LIMIT 1',
    [serviceProviderSid, known ?? '', currency],
  );
  if (others[0] !== undefined) {
    const facts = { currency, others: others[0].currency };
    throw new CurrencyMismatchError(
      `the service provider's other rate decks are in ${facts.others}, not in ${currency}`,
      facts,
    );
  }
  if (known !== undefined) return known;
  const sid = randomUUID();
  try {
    await db.execute(
      'INSERT INTO rate_decks (rate_deck_sid, name, account_sid, service_provider_sid, voip_carrier_sid, owner_sid, currency) VALUES (?)',
      [[sid, name, accountSid, serviceProviderSid, voipCarrierSid, ownerSid, currency]],
    );
    return sid;
  } catch (err) {
    // Another import made it a moment ago.
    const made = err instanceof DuplicateKeyError ? await find() : undefined;
    if (made === undefined) throw err;
    return made;
  }
}

/** Begins an import; nothing reads it before {@link activateVersion}. */
export async function beginVersion(db: Database, rateDeckSid: string, source: string): Promise<number> {
  return db.transaction(async (tx) => {
    await tx.execute(
      `INSERT INTO rate_deck_versions (rate_deck_sid, source, started_at, touched_at) VALUES (?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))`,
      [rateDeckSid, source.slice(0, 255)],
    );
    const [row] = await tx.query<{ version: number }>('SELECT LAST_INSERT_ID() AS version');
    return Number(row?.version);
  });
}

/** Writes the rows of a version, some thousand at a time. */
export async function insertEntries(
  db: Database,
  version: number,
  rows: Iterable<RateRow>,
  onRows: (count: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  let values: string[] = [];
  let written = 0;
  const flush = async (): Promise<void> => {
    if (values.length === 0) return;
    signal?.throwIfAborted();
    await db.execute(
      `INSERT INTO rate_deck_entries (version, prefix, effective_from_sec, effective_until_sec, rate_micros) VALUES ${values.join(',')}`,
    );
    written += values.length;
    values = [];
    onRows(written);
  };
  for (const { prefix, effectiveFromSec, effectiveUntilSec, rateMicros } of rows) {
    // Digits and numbers only, which come out of a trie of digits: quoting five million values took longer than writing them.
    values.push(`(${version},'${prefix}',${effectiveFromSec},${effectiveUntilSec},${rateMicros})`);
    if (values.length >= ROWS_PER_INSERT) await flush();
  }
  await flush();
}

/** Writes the packed form of a version. */
export async function insertImage(
  db: Database,
  version: number,
  image: ArrayBuffer,
  signal?: AbortSignal,
): Promise<void> {
  for (let part = 0, offset = 0; offset < image.byteLength; part++, offset += PART_BYTES) {
    signal?.throwIfAborted();
    const data = Buffer.from(image, offset, Math.min(PART_BYTES, image.byteLength - offset));
    await db.execute('REPLACE INTO rate_deck_images (version, part, data) VALUES (?, ?, ?)', [version, part, data]);
  }
  await db.execute('UPDATE rate_deck_versions SET image_bytes = ? WHERE version = ?', [image.byteLength, version]);
}

/** Says that an import is still under way. */
export const touchVersion = (db: Database, version: number): Promise<unknown> =>
  db.execute('UPDATE rate_deck_versions SET touched_at = UTC_TIMESTAMP(3) WHERE version = ?', [version]);

/** Makes an import the one that counts, as a whole. */
export async function activateVersion(
  db: Database,
  rateDeckSid: string,
  version: number,
  {
    name,
    currency,
    entryCount,
    skippedCount,
  }: { name: string; currency: string; entryCount: number; skippedCount: number },
): Promise<void> {
  await db.transaction(async (tx) => {
    const { affectedRows } = await tx.execute(
      `UPDATE rate_deck_versions SET status = 'complete', entry_count = ?, skipped_count = ?, completed_at = UTC_TIMESTAMP(3),
         touched_at = UTC_TIMESTAMP(3) WHERE version = ?`,
      [entryCount, skippedCount, version],
    );
    if (affectedRows !== 1) throw new VersionGoneError('the rate deck was removed while it was imported', { version });
    await tx.execute('UPDATE rate_decks SET active_version = ?, name = ?, currency = ? WHERE rate_deck_sid = ?', [
      version,
      name,
      currency,
      rateDeckSid,
    ]);
  });
}

/** The deck of an import was removed before the import ended. */
export class VersionGoneError extends RingwireError {
  readonly code = 'rates/version-gone';
}

/** Removes everything of a version, in steps that hold no locks for long. */
export async function removeVersion(db: Database, version: number): Promise<void> {
  for (const table of ['rate_deck_entries', 'rate_deck_images']) {
    for (let removed = 1; removed > 0; ) {
      const limit = table === 'rate_deck_images' ? 20 : DELETE_ROWS;
      removed = (await db.execute(`DELETE FROM ${table} WHERE version = ? LIMIT ${limit}`, [version])).affectedRows;
    }
  }
  await db.execute('DELETE FROM rate_deck_versions WHERE version = ?', [version]);
}

/**
 * Removes what no longer counts: versions older than the one before the active one (which an edge may be reading yet), and what
 * processes left that died while they imported.
 */
export async function removeOldVersions(db: Database): Promise<void> {
  const rows = await db.query<{ version: number }>(
    `SELECT v.version FROM rate_deck_versions v JOIN rate_decks d ON d.rate_deck_sid = v.rate_deck_sid
     WHERE (v.status = 'loading' AND v.touched_at < UTC_TIMESTAMP(3) - INTERVAL ${ABANDONED_AFTER_MIN} MINUTE)
       OR (v.status = 'complete' AND v.version < (
         SELECT MAX(p.version) FROM rate_deck_versions p
         WHERE p.rate_deck_sid = v.rate_deck_sid AND p.status = 'complete' AND p.version < d.active_version))`,
  );
  for (const { version } of rows) await removeVersion(db, Number(version));
}

/** Removes a deck with all its versions. */
export async function removeDeck(db: Database, rateDeckSid: string): Promise<void> {
  const versions = await db.query<{ version: number }>(
    'SELECT version FROM rate_deck_versions WHERE rate_deck_sid = ?',
    [rateDeckSid],
  );
  // First of all it counts no more.
  await db.execute('UPDATE rate_decks SET active_version = NULL WHERE rate_deck_sid = ?', [rateDeckSid]);
  for (const { version } of versions) await removeVersion(db, Number(version));
  await db.execute('DELETE FROM rate_decks WHERE rate_deck_sid = ?', [rateDeckSid]);
}

/** Reads the packed form of a version part by part; undefined when it is not there as a whole. */
export async function readImage(db: Queryable, version: number): Promise<ArrayBuffer | undefined> {
  const [row] = await db.query<{ image_bytes: number }>(
    'SELECT image_bytes FROM rate_deck_versions WHERE version = ?',
    [version],
  );
  if (row === undefined || row.image_bytes === 0) return undefined;
  const image = new Uint8Array(row.image_bytes);
  let offset = 0;
  for (let part = 0; offset < image.length; part++) {
    const [found] = await db.query<{ data: Buffer }>(
      'SELECT data FROM rate_deck_images WHERE version = ? AND part = ?',
      [version, part],
    );
    if (found === undefined || offset + found.data.length > image.length || found.data.length === 0) return undefined;
    image.set(found.data, offset);
    offset += found.data.length;
  }
  return image.buffer;
}

/** Reads the rows of a version in pages. */
export async function* readEntries(db: Queryable, version: number): AsyncGenerator<RateRow[]> {
  let prefix = '';
  let fromSec = 0;
  for (;;) {
    const rows = await db.query<{
      prefix: string;
      effective_from_sec: number;
      effective_until_sec: number;
      rate_micros: number;
    }>(
      `SELECT prefix, effective_from_sec, effective_until_sec, rate_micros FROM rate_deck_entries
       WHERE version = ? AND (prefix > ? OR (prefix = ? AND effective_from_sec > ?))
       ORDER BY prefix, effective_from_sec LIMIT ${ROWS_PER_INSERT}`,
      [version, prefix, prefix, fromSec],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    prefix = last.prefix;
    fromSec = last.effective_from_sec;
    yield rows.map((row) => ({
      prefix: row.prefix,
      rateMicros: row.rate_micros,
      effectiveFromSec: row.effective_from_sec,
      effectiveUntilSec: row.effective_until_sec,
    }));
  }
}
