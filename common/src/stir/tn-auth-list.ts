import { readDer, readOne } from './der.js';

/** Whose numbers a certificate may sign for (TNAuthList, RFC 8226 §9). */
export interface TnAuthList {
  /** Codes of service providers: all numbers of theirs, which only their registry can list. */
  spcs: string[];
  ranges: { start: string; count: number }[];
  numbers: string[];
}

/** OID of the extension. */
export const TN_AUTH_LIST_OID = '1.3.6.1.5.5.7.1.26';
/** Numbers in a certificate that are worth keeping. */
const MAX_ENTRIES = 1_000;

/** Reads the extension's value. @throws DerError */
export function parseTnAuthList(value: Buffer): TnAuthList {
  const list: TnAuthList = { spcs: [], ranges: [], numbers: [] };
  for (const { tag, contents } of readDer(readOne(value).contents).slice(0, MAX_ENTRIES)) {
    const inner = readOne(contents);
    if (tag === 0xa0) list.spcs.push(inner.contents.toString('latin1'));
    else if (tag === 0xa2) list.numbers.push(inner.contents.toString('latin1'));
    else if (tag === 0xa1) {
      const [start, count] = readDer(inner.contents);
      if (start && count && count.contents.length <= 6) {
        const size = count.contents.length === 0 ? 0 : count.contents.readUIntBE(0, count.contents.length);
        list.ranges.push({ start: start.contents.toString('latin1'), count: size });
      }
    }
  }
  return list;
}

/**
 * Whether the list covers a number in canonical form. A list with a service provider code covers every number, since which
 * ones are the provider's is not in the certificate.
 */
export function coversNumber({ spcs, ranges, numbers }: TnAuthList, number: string): boolean {
  if (spcs.length > 0 || numbers.includes(number)) return true;
  return ranges.some(({ start, count }) => {
    if (start.length !== number.length || !/^\d+$/.test(number) || !/^\d+$/.test(start)) return false;
    const offset = BigInt(number) - BigInt(start);
    return offset >= 0n && offset < BigInt(count);
  });
}
