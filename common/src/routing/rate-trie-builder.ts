import { layOutTables, MAX_RATES_PER_PREFIX, NEVER_SEC, RateTrie } from './rate-trie.js';

/** A row of a rate deck, checked. */
export interface RateRow {
  /** 1 to 15 digits. */
  prefix: string;
  rateMicros: number;
  /** 0 where none is given. */
  effectiveFromSec: number;
  /** {@link NEVER_SEC} where none is given. */
  effectiveUntilSec: number;
}

/** Why a row was not taken. */
export type Rejected =
  | { ok: false; reason: 'duplicate' /** Where the other row was read. */; line: number }
  | { ok: false; reason: 'too-many-dates' }
  | { ok: false; reason: 'full' };

/** A deck that would take more memory than this many nodes (13 bytes each while it is built) is refused. */
const MAX_NODES = 24_000_000;
const MAX_ENTRIES = 8_000_000;
/** About two milliseconds of work. */
const NODES_PER_STEP = 20_000;
const CODE_0 = 48;
const NONE = 0;

type Table = Uint32Array | Uint8Array;
const grown = <T extends Table>(table: T, length: number): T => {
  const larger = new (table.constructor as new (length: number) => T)(length);
  larger.set(table);
  return larger;
};

/**
 * Collects the rows of a rate deck in any order and packs them into a {@link RateTrie}. Memory grows with the rows: about 13
 * bytes a node and 20 a row, twice that at the moment at which tables grow.
 */
export class RateTrieBuilder {
  // Nodes as first child and next sibling: little memory, and the few siblings are walked quickly.
  #firstChild = new Uint32Array(1 << 12);
  #sibling = new Uint32Array(1 << 12);
  #firstEntry = new Uint32Array(1 << 12);
  #digit = new Uint8Array(1 << 12);
  #nodes = 1;
  // Entry 0 is none, so that 0 can end a list.
  #next = new Uint32Array(1 << 12);
  #rate = new Uint32Array(1 << 12);
  #from = new Uint32Array(1 << 12);
  #until = new Uint32Array(1 << 12);
  #line = new Uint32Array(1 << 12);
  #entries = 1;

  /** Number of rows taken. */
  get size(): number {
    return this.#entries - 1;
  }

  /** Takes a row that was read at `line`; says why when it does not. */
  add(row: RateRow, line: number): { ok: true } | Rejected {
    if (this.#nodes + row.prefix.length > MAX_NODES || this.#entries >= MAX_ENTRIES)
      return { ok: false, reason: 'full' };
    let node = 0;
    for (let i = 0; i < row.prefix.length; i++) node = this.#childOf(node, row.prefix.charCodeAt(i) - CODE_0);
    // The latest date first: the first that counts at a moment is the one that began last.
    let before = NONE;
    let after = this.#firstEntry[node]!;
    let dates = 0;
    for (let entry = after; entry !== NONE; entry = this.#next[entry]!) {
      dates += 1;
      if (this.#from[entry] === row.effectiveFromSec)
        return { ok: false, reason: 'duplicate', line: this.#line[entry]! };
      if (this.#from[entry]! > row.effectiveFromSec) {
        before = entry;
        after = this.#next[entry]!;
      }
    }
    if (dates >= MAX_RATES_PER_PREFIX) return { ok: false, reason: 'too-many-dates' };
    const entry = this.#newEntry(row, line, after);
    if (before === NONE) this.#firstEntry[node] = entry;
    else this.#next[before] = entry;
    return { ok: true };
  }

  #childOf(parent: number, digit: number): number {
    for (let child = this.#firstChild[parent]!; child !== NONE; child = this.#sibling[child]!) {
      if (this.#digit[child] === digit) return child;
    }
    if (this.#nodes === this.#digit.length) {
      const length = this.#nodes * 2;
      this.#firstChild = grown(this.#firstChild, length);
      this.#sibling = grown(this.#sibling, length);
      this.#firstEntry = grown(this.#firstEntry, length);
      this.#digit = grown(this.#digit, length);
    }
    const node = this.#nodes++;
    this.#digit[node] = digit;
    this.#sibling[node] = this.#firstChild[parent]!;
    this.#firstChild[parent] = node;
    return node;
  }

  #newEntry(row: RateRow, line: number, next: number): number {
    if (this.#entries === this.#next.length) {
      const length = this.#entries * 2;
      this.#next = grown(this.#next, length);
      this.#rate = grown(this.#rate, length);
      this.#from = grown(this.#from, length);
      this.#until = grown(this.#until, length);
      this.#line = grown(this.#line, length);
    }
    const entry = this.#entries++;
    this.#next[entry] = next;
    this.#rate[entry] = row.rateMicros;
    this.#from[entry] = row.effectiveFromSec;
    this.#until[entry] = row.effectiveUntilSec;
    this.#line[entry] = line;
    return entry;
  }

  /** A node's children by their digits, 0 where there is none; `into` has room for ten. */
  #childrenInOrder(node: number, into: Uint32Array): void {
    into.fill(NONE);
    for (let child = this.#firstChild[node]!; child !== NONE; child = this.#sibling[child]!) {
      into[this.#digit[child]!] = child;
    }
  }

  /** The rows in the order of their prefixes, the latest date of a prefix first. */
  *rows(): Generator<RateRow> {
    const children = new Uint32Array(10);
    const stack: [node: number, prefix: string][] = [[0, '']];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      const [node, prefix] = top;
      for (let entry = this.#firstEntry[node]!; entry !== NONE; entry = this.#next[entry]!) {
        yield {
          prefix,
          rateMicros: this.#rate[entry]!,
          effectiveFromSec: this.#from[entry]!,
          effectiveUntilSec: this.#until[entry]!,
        };
      }
      this.#childrenInOrder(node, children);
      for (let digit = 9; digit >= 0; digit--) {
        if (children[digit] !== NONE) stack.push([children[digit]!, `${prefix}${digit}`]);
      }
    }
  }

  /** Packs the rows; blocks for most of a second with a million of them. */
  build(): RateTrie {
    const steps = this.buildInSteps();
    for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
  }

  /** Packs the rows, level by level, so that siblings lie beside each other; pauses every few milliseconds. */
  *buildInSteps(): Generator<void, RateTrie> {
    const tables = layOutTables(this.size, this.#nodes);
    const order = new Uint32Array(this.#nodes);
    const children = new Uint32Array(10);
    let placed = 1;
    let entryCount = 0;
    for (let node = 0; node < this.#nodes; node++) {
      if (node % NODES_PER_STEP === NODES_PER_STEP - 1) yield;
      const source = order[node]!;
      tables.entries[node] = entryCount;
      const firstEntry = entryCount;
      for (let entry = this.#firstEntry[source]!; entry !== NONE; entry = this.#next[entry]!) {
        tables.rates[entryCount] = this.#rate[entry]!;
        tables.from[entryCount] = this.#from[entry]!;
        tables.until[entryCount] = this.#until[entry]!;
        entryCount += 1;
      }
      let digits = 0;
      tables.children[node] = placed;
      this.#childrenInOrder(source, children);
      for (let digit = 0; digit < 10; digit++) {
        if (children[digit] === NONE) continue;
        digits |= 1 << digit;
        order[placed++] = children[digit]!;
      }
      tables.shapes[node] = ((entryCount - firstEntry) << 10) | digits;
    }
    return new RateTrie(tables);
  }
}

/** A row as tests and small tools write it: price in whole units of the currency, no dates unless given. */
export const rateRow = (prefix: string, rate: number, fromSec = 0, untilSec = NEVER_SEC): RateRow => ({
  prefix,
  rateMicros: Math.round(rate * 1e6),
  effectiveFromSec: fromSec,
  effectiveUntilSec: untilSec,
});
