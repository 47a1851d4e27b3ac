/** One price of a rate deck: what a carrier takes for numbers that begin with a prefix, from a day on. */
export interface Rate {
  /** Price of a minute in millionths of the deck's currency. */
  rateMicros: number;
  /** Digits of the number that the prefix covers; its first `prefixLength` digits are the prefix. */
  prefixLength: number;
  /** Seconds since the epoch from which the price counts; 0: always has. */
  effectiveFromSec: number;
  /** Seconds since the epoch from which it counts no more; {@link NEVER_SEC}: none known. */
  effectiveUntilSec: number;
}

/** An end that never comes, in seconds since the epoch. */
export const NEVER_SEC = 0xffff_ffff;
/** Longest prefix: E.164 numbers have no more digits. */
export const MAX_PREFIX_DIGITS = 15;
/** Most prices of one prefix, told apart by their dates: what fits beside the ten digits of a node. */
export const MAX_RATES_PER_PREFIX = 63;

const MAGIC = 0x52575254;
/** Changes with the layout: an image of another format is built again from its rows. */
const FORMAT = 1;
const HEADER_WORDS = 4;
const DIGIT_BITS = 10;
const DIGITS_MASK = (1 << DIGIT_BITS) - 1;
const CODE_0 = 48;

/** How many digits of a node come before one: the number of bits set. */
const POPCOUNT = Uint8Array.from({ length: 1 << DIGIT_BITS }, (_, bits) => {
  let count = 0;
  for (let rest = bits; rest > 0; rest &= rest - 1) count += 1;
  return count;
});

/** The tables of a trie, as they lie in one buffer. */
export interface TrieTables {
  /** The whole: header and tables. */
  image: ArrayBuffer;
  rates: Uint32Array;
  from: Uint32Array;
  until: Uint32Array;
  /** Index of a node's first child; the others follow it, in the order of their digits. */
  children: Uint32Array;
  /** Index of a node's first price; the others follow it, the latest date first. */
  entries: Uint32Array;
  /** Bits 0–9: which digits a node has children for. Bits 10–15: how many prices it has. */
  shapes: Uint16Array;
}

/** Lays out the tables for so many prices and nodes; `image` is used where given, else made. */
export function layOutTables(entryCount: number, nodeCount: number, image?: ArrayBuffer): TrieTables {
  const bytes = HEADER_WORDS * 4 + entryCount * 12 + nodeCount * 10;
  const buffer = image ?? new ArrayBuffer(bytes);
  if (image === undefined) new Uint32Array(buffer, 0, HEADER_WORDS).set([MAGIC, FORMAT, entryCount, nodeCount]);
  let offset = HEADER_WORDS * 4;
  const words = (length: number): Uint32Array => {
    const table = new Uint32Array(buffer, offset, length);
    offset += length * 4;
    return table;
  };
  return {
    image: buffer,
    rates: words(entryCount),
    from: words(entryCount),
    until: words(entryCount),
    children: words(nodeCount),
    entries: words(nodeCount),
    shapes: new Uint16Array(buffer, offset, nodeCount),
  };
}

/** How many prices and nodes an image says it has; undefined when it is not a whole image of this format. */
function readHeader(image: ArrayBuffer): { entryCount: number; nodeCount: number } | undefined {
  if (image.byteLength < HEADER_WORDS * 4) return undefined;
  const [magic, format, entryCount = 0, nodeCount = 0] = new Uint32Array(image, 0, HEADER_WORDS);
  if (magic !== MAGIC || format !== FORMAT || nodeCount === 0) return undefined;
  if (image.byteLength !== HEADER_WORDS * 4 + entryCount * 12 + nodeCount * 10) return undefined;
  return { entryCount, nodeCount };
}

/**
 * Prices by longest prefix: a trie over decimal digits in six typed arrays, 10 bytes a node and 12 bytes a price. Immutable; made
 * by {@link RateTrieBuilder}, kept as an image so that loading one costs no more than reading its bytes.
 *
 * The children of a node lie beside each other in the order of their digits, so that a node needs one index and ten bits
 * instead of ten indexes.
 */
export class RateTrie {
  readonly #tables: TrieTables;

  constructor(tables: TrieTables) {
    this.#tables = tables;
  }

  /** Reads an image; undefined when it is cut short or of another format. */
  static fromImage(image: ArrayBuffer): RateTrie | undefined {
    const header = readHeader(image);
    return header && new RateTrie(layOutTables(header.entryCount, header.nodeCount, image));
  }

  /** The whole trie as bytes, in this machine's byte order (little-endian on all that Node 20 is built for but s390x). */
  get image(): ArrayBuffer {
    return this.#tables.image;
  }

  /** Number of prices. */
  get size(): number {
    return this.#tables.rates.length;
  }

  /**
   * The price of a number at a moment: that of the longest prefix with a price that counts then; of several the one that began last.
   * Ends at the first character that is no digit. Called for every carrier of every call: no garbage unless there is a price.
   */
  find(number: string, atSec: number): Rate | undefined {
    const { children, entries, shapes, from, until, rates } = this.#tables;
    let node = 0;
    let found = -1;
    let foundLength = 0;
    for (let depth = 0; ; depth++) {
      const shape = shapes[node]!;
      const first = entries[node]!;
      for (let entry = first, end = first + (shape >> DIGIT_BITS); entry < end; entry++) {
        if (from[entry]! > atSec || atSec >= until[entry]!) continue;
        found = entry;
        foundLength = depth;
        break;
      }
      if (depth >= number.length) break;
      const digit = number.charCodeAt(depth) - CODE_0;
      if (digit < 0 || digit > 9 || (shape & (1 << digit)) === 0) break;
      node = children[node]! + POPCOUNT[shape & DIGITS_MASK & ((1 << digit) - 1)]!;
    }
    if (found < 0) return undefined;
    return {
      rateMicros: rates[found]!,
      prefixLength: foundLength,
      effectiveFromSec: from[found]!,
      effectiveUntilSec: until[found]!,
    };
  }
}
