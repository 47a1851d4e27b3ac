import { randomBytes } from 'node:crypto';

let pool = Buffer.alloc(0);
let used = 0;

/** Random bytes in hexadecimal from a pool: one system call serves many ids. */
function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    pool = randomBytes(4096);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
}

/** A dialog tag with 64 random bits (RFC 3261 §19.3 asks for 32). */
export function newTag(): string {
  return randomHex(8);
}

/** A branch that begins with the magic cookie (RFC 3261 §8.1.1.7). @param suffix follows the random part */
export function newBranch(suffix = ''): string {
  return `z9hG4bK${randomHex(10)}${suffix}`;
}

export function newCallId(): string {
  const hex = randomHex(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
