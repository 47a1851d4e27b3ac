/**
 * Orders items by a draw without putting back: each has a chance of its weight's share to come next. Those of weight 0 come last, in
 * their order. On the path of every call.
 *
 * @param random - from 0 to less than 1
 */
export function drawInOrder<T>(items: readonly T[], weightOf: (item: T) => number, random: () => number): T[] {
  const ordered = items.slice();
  let sum = 0;
  for (const item of ordered) sum += weightOf(item);
  for (let place = 0; place < ordered.length - 1 && sum > 0; place++) {
    let point = random() * sum;
    let drawn = place;
    for (let i = place; i < ordered.length; i++) {
      const weight = weightOf(ordered[i]!);
      if (weight === 0) continue;
      // Also the last that has a weight, where rounding lets the point fall short of the sum.
      drawn = i;
      point -= weight;
      if (point < 0) break;
    }
    const item = ordered[drawn]!;
    sum -= weightOf(item);
    // Those before it move up, so that the order of the others, which counts for weight 0, stays.
    ordered.copyWithin(place + 1, place, drawn);
    ordered[place] = item;
  }
  return ordered;
}
