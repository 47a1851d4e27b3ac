import { mutate } from '../mutate.js';
import type { Random } from '../random.js';

const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
/** Headers and lengths stand at the front. */
const FRONT_BYTES = 64;
const WIDTHS = [1, 2, 4] as const;

/** Writes extreme numbers of one, two or four bytes, either way round, mostly near the front. */
function writeExtreme(bytes: Buffer, random: Random): Buffer {
  const width = random.pick(WIDTHS);
  if (bytes.length < width) return bytes;
  const changed = Buffer.from(bytes);
  const places = changed.length - width + 1;
  const at = random.below(random.below(3) > 0 ? Math.min(places, FRONT_BYTES) : places);
  const value = random.pick(EXTREMES) % 2 ** (8 * width);
  if (random.below(2) === 0) changed.writeUIntLE(value, at, width);
  else changed.writeUIntBE(value, at, width);
  return changed;
}

/** Changes bytes of a binary format so many times. @param others where ends of others come from; not empty */
export function mutateBinary(bytes: Buffer, random: Random, others: readonly Buffer[], times: number): Buffer {
  let changed = bytes;
  for (let i = 0; i < times; i++) {
    changed = random.below(3) === 0 ? writeExtreme(changed, random) : mutate(changed, random, others, 1);
  }
  return changed;
}
