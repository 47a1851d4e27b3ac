/** Longer names are not compared: nobody mistypes them by a letter, and the comparison costs their product. */
const COMPARED_MAX_CHARS = 40;

/** Edit distance with swaps of neighbours counted as one edit (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(substitution, previous[j]! + 1, current[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforePrevious[j - 2]! + 1);
      }
      current.push(best);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}

const plain = (name: string): string => name.toLowerCase().replace(/[_-]/g, '');

/** The known name that was most probably meant, or undefined when none is near. */
export function suggest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > COMPARED_MAX_CHARS) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(plain(name), plain(candidate));
    // A name that has nothing in common with a short candidate is not a slip of the keyboard.
    if (distance < bestDistance && distance < candidate.length / 2) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
