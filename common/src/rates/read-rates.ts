import type { Readable } from 'node:stream';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, type Options, Parser } from 'csv-parse';
import { MAX_PREFIX_DIGITS, MAX_RATES_PER_PREFIX, NEVER_SEC } from '../routing/rate-trie.js';
import { RateTrieBuilder } from '../routing/rate-trie-builder.js';

/** A row that cannot be used. */
export interface BadRow {
  /** As an editor counts them, from 1; the header is one too. */
  line: number;
  /** Name of the column; empty when the row as a whole is meant. */
  column: string;
  reason: string;
}

/** What was read of a CSV file. */
export interface ReadRates {
  builder: RateTrieBuilder;
  /** The first {@link MAX_BAD_ROWS}. */
  badRows: BadRow[];
  badRowCount: number;
  /** The file itself cannot be read as CSV, or has no header: nothing of it is usable. */
  unreadable: boolean;
}

/** Bad rows that are listed; more are counted. */
export const MAX_BAD_ROWS = 1_000;
const COLUMNS = ['prefix', 'rate', 'effective_from', 'effective_to'] as const;
type Column = (typeof COLUMNS)[number];
/** Longer than any row of a rate deck: an open quote must not take the rest of the file into memory. */
const MAX_ROW_BYTES = 16_384;
const MAX_RATE = 4_294;
const MAX_KNOWN_DATES = 1_000;
const DATE = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?)?$/;

/** Thrown by the readers of cells and caught in {@link readRow}. */
class BadCell extends Error {
  constructor(
    readonly column: Column,
    reason: string,
  ) {
    super(reason);
  }
}
const quote = (cell: string): string => (cell.length > 40 ? `"${cell.slice(0, 40)}…"` : `"${cell}"`);

function prefixOf(cell: string): string {
  const digits = cell.startsWith('+') ? cell.slice(1) : cell;
  if (digits.length < 1 || digits.length > MAX_PREFIX_DIGITS || /\D/.test(digits)) {
    throw new BadCell('prefix', `${quote(cell)} is not a prefix of 1 to ${MAX_PREFIX_DIGITS} digits`);
  }
  return digits;
}

function microsOf(cell: string): number {
  const rate = /^\d{1,9}(?:\.\d{1,12})?$/.test(cell) ? Number(cell) : Number.NaN;
  if (!(rate <= MAX_RATE))
    throw new BadCell('rate', `${quote(cell)} is not a price from 0 to ${MAX_RATE}, such as 0.0125`);
  return Math.round(rate * 1e6);
}

/** Dates repeat from row to row; the last ones are remembered, since reading one takes as long as reading all else of a row. */
class DateReader {
  readonly #known = new Map<string, number>();

  secondsOf(column: Column, cell: string | undefined, absent: number): number {
    if (cell === undefined || cell === '') return absent;
    const known = this.#known.get(cell);
    if (known !== undefined) return known;
    const seconds = parseSeconds(column, cell);
    if (this.#known.size >= MAX_KNOWN_DATES) this.#known.clear();
    this.#known.set(cell, seconds);
    return seconds;
  }
}

function parseSeconds(column: Column, cell: string): number {
  // Without a zone it is UTC: a deck must not mean something else on another machine.
  const withZone = cell.length === 10 || /(?:Z|[+-]\d\d:\d\d)$/.test(cell) ? cell : `${cell}Z`;
  const seconds = DATE.test(cell) ? Date.parse(withZone.replace(' ', 'T')) / 1000 : Number.NaN;
  // JavaScript takes the 31st of February for the 3rd of March.
  const isRealDay =
    Number.isFinite(seconds) && new Date(`${cell.slice(0, 10)}T00:00:00Z`).toISOString().startsWith(cell.slice(0, 10));
  if (!isRealDay || seconds < 0 || seconds >= NEVER_SEC) {
    throw new BadCell(column, `${quote(cell)} is not a date such as 2026-01-31 or 2026-01-31T22:00:00Z`);
  }
  return seconds;
}

/** Where the columns are in the file; names of those that are missing. */
function readHeader(cells: readonly string[]): { positions: Map<Column, number>; missing: string[] } {
  const names = cells.map((cell) => cell.trim().toLowerCase());
  const positions = new Map(
    COLUMNS.flatMap((column) => (names.includes(column) ? [[column, names.indexOf(column)]] : [])),
  );
  return { positions, missing: ['prefix', 'rate'].filter((column) => !positions.has(column as Column)) };
}

/** Collects rows and what is wrong with them. */
class RateReader {
  readonly builder = new RateTrieBuilder();
  readonly badRows: BadRow[] = [];
  badRowCount = 0;
  #positions: Map<Column, number> | undefined;
  readonly #dates = new DateReader();

  get hasHeader(): boolean {
    return this.#positions !== undefined;
  }

  bad(line: number, column: string, reason: string): void {
    this.badRowCount += 1;
    if (this.badRows.length < MAX_BAD_ROWS) this.badRows.push({ line, column, reason });
  }

  /** The first row names the columns. @throws Error when it does not */
  take(cells: readonly string[], line: number): void {
    if (this.#positions === undefined) {
      const { positions, missing } = readHeader(cells);
      if (missing.length > 0) throw new Error(`the first row must name the columns; missing: ${missing.join(', ')}`);
      this.#positions = positions;
      return;
    }
    try {
      this.#takeRow(cells, this.#positions, line);
    } catch (err) {
      if (!(err instanceof BadCell)) throw err;
      this.bad(line, err.column, err.message);
    }
  }

  #takeRow(cells: readonly string[], positions: Map<Column, number>, line: number): void {
    const cell = (column: Column): string | undefined => {
      const position = positions.get(column);
      return position === undefined ? undefined : cells[position]?.trim();
    };
    const effectiveFromSec = this.#dates.secondsOf('effective_from', cell('effective_from'), 0);
    const effectiveUntilSec = this.#dates.secondsOf('effective_to', cell('effective_to'), NEVER_SEC);
    const prefix = prefixOf(cell('prefix') ?? '');
    const rateMicros = microsOf(cell('rate') ?? '');
    if (effectiveUntilSec <= effectiveFromSec) throw new BadCell('effective_to', 'is not after effective_from');
    const added = this.builder.add({ prefix, rateMicros, effectiveFromSec, effectiveUntilSec }, line);
    if (added.ok) return;
    if (added.reason === 'full') throw new Error('the file has more rows, or more digits, than a rate deck may have');
    if (added.reason === 'too-many-dates') {
      throw new BadCell('prefix', `${prefix} has more than ${MAX_RATES_PER_PREFIX} prices`);
    }
    throw new BadCell('prefix', `${prefix} has a price of the same effective_from in line ${added.line}`);
  }
}

/**
 * Hands each row to `take` as it is parsed, and nothing on as a stream: the library's `on_record` makes three objects a row to tell the
 * line, and a stream of a million rows costs more than parsing them; either doubled the time.
 */
class RowParser extends Parser {
  readonly #take: (cells: string[], line: number) => void;
  /** Where `take` threw; the rest of a chunk is parsed all the same. */
  lineOfFailure: number | undefined;

  constructor(options: Options, take: (cells: string[], line: number) => void) {
    super(options);
    this.#take = take;
  }

  override push(row: string[] | null): boolean {
    if (row === null) return super.push(null);
    if (this.destroyed) return false;
    try {
      this.#take(row, this.info.lines);
    } catch (err) {
      this.lineOfFailure = this.info.lines;
      this.destroy(err instanceof Error ? err : new Error(String(err)));
    }
    return true;
  }
}

/** How a file is read. */
export interface ReadOptions {
  /** @defaultValue ',' */
  delimiter?: string;
  /** Called with the bytes read so far, after each chunk. */
  onBytes?: (bytes: number) => void;
  /** Called with the good rows so far, after each chunk. */
  onRows?: (rows: number) => void;
  signal?: AbortSignal;
}

/**
 * Reads a rate deck from CSV (RFC 4180): columns `prefix` and `rate`, optional `effective_from` and `effective_to`; others are not
 * looked at. Works chunk by chunk, so that nothing else waits for long; memory grows with good rows only.
 */
export async function readRates(source: Readable, options: ReadOptions = {}): Promise<ReadRates> {
  const reader = new RateReader();
  const parser = new RowParser(
    {
      bom: true,
      delimiter: options.delimiter ?? ',',
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: MAX_ROW_BYTES,
    },
    (cells, line) => reader.take(cells, line),
  );
  const counted = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      options.onRows?.(reader.builder.size);
      options.onBytes?.(bytes);
      yield chunk;
    }
  };
  const nowhere = new Writable({ objectMode: true, write: (_row, _encoding, done) => done() });
  let unreadable = false;
  try {
    await pipeline(source, counted, parser, nowhere, options.signal === undefined ? {} : { signal: options.signal });
    if (!reader.hasHeader) throw new Error('the file is empty');
  } catch (err) {
    options.signal?.throwIfAborted();
    if (!isAboutContent(err)) throw err;
    unreadable = true;
    const at =
      err instanceof CsvError && typeof err.lines === 'number'
        ? err.lines
        : (parser.lineOfFailure ?? parser.info.lines);
    reader.bad(at, '', err.message);
  }
  return { builder: reader.builder, badRows: reader.badRows, badRowCount: reader.badRowCount, unreadable };
}

/** Errors of streams and files have a code of Node's; the others are about what stands in the file. */
const isAboutContent = (err: unknown): err is Error =>
  err instanceof Error && (err instanceof CsvError || !('code' in err));
