import type { Random } from '../random.js';

/** Picks one of several kinds, each as often as its share of the sum of all says. */
export function pickShare<K extends string>(shares: readonly (readonly [K, number])[], random: Random): K {
  let left = random.below(shares.reduce((sum, [, share]) => sum + share, 0));
  for (const [kind, share] of shares) {
    if (left < share) return kind;
    left -= share;
  }
  return shares[0]![0];
}
