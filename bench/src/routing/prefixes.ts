/** Numbers from 0 to less than 1 that are the same in every run. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const digits = (count: number, random: () => number): string => {
  let text = String(1 + Math.floor(random() * 9));
  while (text.length < count) text += Math.floor(random() * 10);
  return text;
};

/** So many different prefixes of 5 to 10 digits, as in a deck with number blocks. */
export function makePrefixes(count: number, random: () => number): string[] {
  const prefixes = new Set<string>();
  while (prefixes.size < count) prefixes.add(digits(5 + Math.floor(random() * 6), random));
  return [...prefixes];
}

/** Numbers to call: nine of ten begin with one of the prefixes, the others with anything. */
export function makeNumbers(count: number, prefixes: readonly string[], random: () => number): string[] {
  return Array.from({ length: count }, () => {
    const prefix = random() < 0.9 ? (prefixes[Math.floor(random() * prefixes.length)] ?? '') : '';
    return prefix + digits(12 - prefix.length, random);
  });
}
