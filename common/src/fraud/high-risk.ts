/**
 * `satellite` and `premium` cost tens of times what a call costs and are denied unless a list allows them by name. `revenue-share`: ranges that
 * traffic pumping favours, since whoever holds the number is paid for its calls; not denied, but counted as expensive where no price is known.
 */
export type HighRiskKind = 'satellite' | 'premium' | 'revenue-share';

/** A range of numbers that thieves of tolls call. */
export interface HighRisk {
  prefix: string;
  kind: HighRiskKind;
}

/**
 * Satellite and international services as ITU-T E.164 assigns them (870, 881 to 883, 979); premium services of national numbering plans;
 * and countries that reports on international revenue share fraud name again and again.
 */
const PREFIXES: Record<HighRiskKind, string> = {
  satellite: '870 8810 8811 8812 8813 8814 8815 8816 8817 8818 8819 882 883',
  premium: `878 979 808 1900 4470 4487 449 49900 49137 49118 4919 33891 33892 33897 33899 39144 39166 39892 39895 39899
    34803 34806 34807 34905 34907 31900 31906 31909 3290 41900 41901 41906 43900 43901 43930 43931 43939 4590 46900 46939 46944
    47820 47829 48700 48701 48703 358600 358700 37190 420900 420906 420909 421900 3690 359900 38690 38560 38564 38569 40900 40903
    40906 61190 64900 651900 81990 7809 55900`,
  'revenue-share': `53 216 220 224 231 232 235 239 245 246 247 252 257 261 263 269 290 371 370 372 373 375 381 387 500 509 592 597
    672 674 675 676 677 678 681 682 683 685 686 688 690 850 960 992 993 994 1268 1473 1649 1664 1767 1809 1829 1849 1876 1658 1869 1868`,
};

const BY_PREFIX = new Map<string, HighRiskKind>(
  (Object.entries(PREFIXES) as [HighRiskKind, string][]).flatMap(([kind, text]) =>
    text.split(/\s+/).map((prefix) => [prefix, kind] as const),
  ),
);
/**
 * Shorter numbers are none of those services, but codes of a network, extensions, and what a country dials at home: 808 555 1234 is in Hawaii. Services of
 * all the world have at least eight digits behind their code (ITU-T E.164.1, E.169), 12 or more in use.
 */
const SHORTEST = { worldwide: 11, national: 7 };
const WORLDWIDE = /^(?:870|878|88[123]|979|808)/;
const LONGEST = Math.max(...[...BY_PREFIX.keys()].map(({ length }) => length));

/** The narrowest range of a number (digits in E.164, without plus) that is of high risk. */
export function findHighRisk(number: string): HighRisk | undefined {
  for (let length = Math.min(LONGEST, number.length); length > 0; length--) {
    const prefix = number.slice(0, length);
    const kind = BY_PREFIX.get(prefix);
    if (kind === undefined) continue;
    const shortest = WORLDWIDE.test(prefix) ? SHORTEST.worldwide : SHORTEST.national;
    return kind !== 'revenue-share' && number.length < shortest ? undefined : { prefix, kind };
  }
  return undefined;
}
