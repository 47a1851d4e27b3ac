const BLOCK_BYTES = 64;
const STATE_WORDS = 5;

/**
 * HMAC-SHA1 (RFC 2104, FIPS 180-4) with one key, for many short messages: node's own makes two objects for each, which costs several
 * times more than the hashing of a packet of speech. No allocation in {@link sign}.
 */
export class HmacSha1 {
  readonly #inner = new Uint32Array(STATE_WORDS);
  readonly #outer = new Uint32Array(STATE_WORDS);
  readonly #state = new Uint32Array(STATE_WORDS);
  readonly #words = new Uint32Array(80);
  readonly #block = new Uint8Array(BLOCK_BYTES);

  /** `key` has at most 64 bytes. */
  constructor(key: Uint8Array) {
    const padded = new Uint8Array(BLOCK_BYTES);
    padded.set(key);
    start(this.#inner);
    compress(
      this.#inner,
      this.#words,
      padded.map((byte) => byte ^ 0x36),
      0,
    );
    start(this.#outer);
    compress(
      this.#outer,
      this.#words,
      padded.map((byte) => byte ^ 0x5c),
      0,
    );
  }

  /** Signs the first `length` bytes of `bytes` and writes the 20 bytes of the result into `out` at `offset`. */
  sign(bytes: Uint8Array, length: number, out: Uint8Array, offset: number): void {
    const state = this.#state;
    state.set(this.#inner);
    let at = 0;
    for (; at + BLOCK_BYTES <= length; at += BLOCK_BYTES) compress(state, this.#words, bytes, at);
    this.#finish(bytes, at, length);
    const block = this.#block;
    for (let i = 0; i < STATE_WORDS; i++) writeWord(block, i * 4, state[i]!);
    state.set(this.#outer);
    this.#finish(block, 0, STATE_WORDS * 4);
    for (let i = 0; i < STATE_WORDS; i++) writeWord(out, offset + i * 4, state[i]!);
  }

  /** The last, incomplete block with its padding; one block of key came before the message. */
  #finish(bytes: Uint8Array, from: number, length: number): void {
    const block = this.#block;
    const rest = length - from;
    for (let i = 0; i < rest; i++) block[i] = bytes[from + i]!;
    block[rest] = 0x80;
    block.fill(0, rest + 1);
    if (rest >= BLOCK_BYTES - 8) {
      compress(this.#state, this.#words, block, 0);
      block.fill(0);
    }
    writeWord(block, BLOCK_BYTES - 4, (BLOCK_BYTES + length) * 8);
    compress(this.#state, this.#words, block, 0);
  }
}

function writeWord(into: Uint8Array, at: number, word: number): void {
  into[at] = word >>> 24;
  into[at + 1] = (word >>> 16) & 0xff;
  into[at + 2] = (word >>> 8) & 0xff;
  into[at + 3] = word & 0xff;
}

function start(state: Uint32Array): void {
  state[0] = 0x67452301;
  state[1] = 0xefcdab89;
  state[2] = 0x98badcfe;
  state[3] = 0x10325476;
  state[4] = 0xc3d2e1f0;
}

/** One block (FIPS 180-4 §6.1.2). */
function compress(state: Uint32Array, words: Uint32Array, bytes: Uint8Array, offset: number): void {
  for (let i = 0; i < 16; i++) {
    const at = offset + i * 4;
    words[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  for (let i = 16; i < 80; i++) {
    const word = words[i - 3]! ^ words[i - 8]! ^ words[i - 14]! ^ words[i - 16]!;
    words[i] = (word << 1) | (word >>> 31);
  }
  let a = state[0]! | 0;
  let b = state[1]! | 0;
  let c = state[2]! | 0;
  let d = state[3]! | 0;
  let e = state[4]! | 0;
  for (let i = 0; i < 80; i++) {
    let mixed: number;
    if (i < 20) mixed = ((b & c) | (~b & d)) + 0x5a827999;
    else if (i < 40) mixed = (b ^ c ^ d) + 0x6ed9eba1;
    else if (i < 60) mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    else mixed = (b ^ c ^ d) + 0xca62c1d6;
    const next = (((a << 5) | (a >>> 27)) + mixed + e + words[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  state[0] = (state[0]! + a) >>> 0;
  state[1] = (state[1]! + b) >>> 0;
  state[2] = (state[2]! + c) >>> 0;
  state[3] = (state[3]! + d) >>> 0;
  state[4] = (state[4]! + e) >>> 0;
}
