/**
 * Orders items by a draw without putting back: each has a chance of its weight's share to come next. Those of weight 0 come last, in
 * their order.
 *
 * @param random - from 0 to less than 1
 */
export function drawInOrder<T>(items: readonly T[], weightOf: (item: T) => number, random: () => number): T[] {
  if (items.length < 2) return [...items];
  const rest = [...items];
  const ordered: T[] = [];
  while (rest.length > 0) {
    const sum = rest.reduce((total, item) => total + weightOf(item), 0);
    let point = random() * sum;
    let index = 0;
    if (sum > 0) {
      index = rest.findIndex((item) => {
        point -= weightOf(item);
        return point < 0;
      });
      // Sums of fractions may fall short by a rounding error: the last one that has a weight is meant.
      if (index < 0) index = rest.findLastIndex((item) => weightOf(item) > 0);
    }
    ordered.push(...rest.splice(index, 1));
  }
  return ordered;
}
