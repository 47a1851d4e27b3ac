import type { Random } from './random.js';

/** No input is larger: a datagram holds no more. */
const MAX_BYTES = 60_000;

/** What parsers stumble over. */
const TOKENS = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  ' ',
  '\t',
  '\0',
  ';',
  ',',
  ':',
  '"',
  '\\"',
  '<',
  '>',
  '@',
  '?',
  '=',
  '%00',
  '%',
  '[',
  ']',
  '::',
  '[::1]',
  '*',
  '-1',
  '0',
  '99999999999999999999',
  '2147483648',
  '4294967296',
  '1e9',
  'SIP/2.0',
  'SIP/3.0',
  'sip:',
  'tel:',
  'z9hG4bK',
  'Content-Length: 99\r\n',
  'l: 5\r\nl: 6\r\n',
  'Via: ',
  'Via: SIP/2.0/UDP h;branch=\r\n',
  ';tag=',
  ';rport',
  ';received=',
  ';branch=',
  'CSeq: 0 ACK\r\n',
  'To: \r\n',
  'From: <>\r\n',
  '__proto__: 1\r\n',
  'constructor: x\r\n',
  ';__proto__=1',
  '\u00fc',
  '\ufeff',
  '\ud83d\ude00',
].map((text) => Buffer.from(text));

type Mutation = (bytes: Buffer, random: Random, seeds: readonly Buffer[]) => Buffer;

function splice(bytes: Buffer, at: number, removed: number, inserted: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(Math.min(bytes.length, at + removed))]);
}

function someRange(bytes: Buffer, random: Random): [start: number, length: number] {
  const start = random.below(bytes.length);
  return [start, 1 + random.below(Math.min(64, bytes.length - start))];
}

/** Lines with their ends. */
function lines(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    found.push(bytes.subarray(start, end + 1));
    start = end + 1;
  }
  found.push(bytes.subarray(start));
  return found;
}

const MUTATIONS: Mutation[] = [
  function changeByte(bytes, random) {
    const changed = Buffer.from(bytes);
    if (changed.length > 0) changed[random.below(changed.length)] = random.below(256);
    return changed;
  },
  function flipBit(bytes, random) {
    const changed = Buffer.from(bytes);
    const at = random.below(changed.length);
    if (changed.length > 0) changed[at] = changed[at]! ^ (1 << random.below(8));
    return changed;
  },
  function insertToken(bytes, random) {
    return splice(bytes, random.below(bytes.length + 1), 0, random.pick(TOKENS));
  },
  function overwriteWithToken(bytes, random) {
    const token = random.pick(TOKENS);
    return splice(bytes, random.below(bytes.length), token.length, token);
  },
  function removeRange(bytes, random) {
    const [start, length] = someRange(bytes, random);
    return splice(bytes, start, length, Buffer.alloc(0));
  },
  function repeatRange(bytes, random) {
    const [start, length] = someRange(bytes, random);
    const range = bytes.subarray(start, start + length);
    return splice(
      bytes,
      start,
      0,
      Buffer.concat(Array.from({ length: 1 + random.below(random.below(200) + 1) }, () => range)),
    );
  },
  function removeLine(bytes, random) {
    const all = lines(bytes);
    all.splice(random.below(all.length), 1);
    return Buffer.concat(all);
  },
  function moveLine(bytes, random) {
    const all = lines(bytes);
    const [line] = all.splice(random.below(all.length), 1);
    all.splice(random.below(all.length + 1), 0, line!);
    return Buffer.concat(all);
  },
  function repeatLine(bytes, random) {
    const all = lines(bytes);
    const line = random.pick(all);
    const times = Math.min(1 + random.below(random.below(700) + 1), Math.ceil(MAX_BYTES / Math.max(1, line.length)));
    return splice(bytes, all[0]!.length, 0, Buffer.concat(Array.from({ length: times }, () => line)));
  },
  function lineOfAnother(bytes, random, seeds) {
    const line = random.pick(lines(random.pick(seeds)));
    const all = lines(bytes);
    all.splice(random.below(all.length), random.below(2), line);
    return Buffer.concat(all);
  },
  function joinAnother(bytes, random, seeds) {
    const other = random.pick(seeds);
    return Buffer.concat([
      bytes.subarray(0, random.below(bytes.length + 1)),
      other.subarray(random.below(other.length)),
    ]);
  },
  function cutOff(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length + 1));
  },
  function changeNumber(bytes, random) {
    const text = bytes.toString('latin1');
    const numbers = [...text.matchAll(/\d+/g)];
    if (numbers.length === 0) return bytes;
    const number = random.pick(numbers);
    const value = random.pick(['0', '-1', '255', '256', '65536', '2147483648', '99999999999999999999', '1.5', 'x']);
    return splice(bytes, number.index, number[0].length, Buffer.from(value));
  },
];

/** One input: a seed with none to eight mutations; half of them get one of few branches, so that transactions meet. */
export function makeInput(random: Random, seeds: readonly Buffer[]): Buffer {
  let bytes: Buffer = random.pick(seeds);
  if (random.below(2) === 0) {
    const text = bytes.toString('latin1').replace(/z9hG4bK[\w.%-]*/, `z9hG4bK${random.below(500)}`);
    bytes = Buffer.from(text, 'latin1');
  }
  return mutate(bytes, random, seeds, random.below(9));
}

/** Changes bytes so many times. @param seeds where lines and ends of others come from */
export function mutate(bytes: Buffer, random: Random, seeds: readonly Buffer[], times: number): Buffer {
  let changed: Buffer = bytes;
  for (let i = times; i > 0; i--) {
    // Repetitions of repetitions would outgrow memory.
    changed = random.pick(MUTATIONS)(changed, random, seeds).subarray(0, MAX_BYTES);
  }
  return changed;
}
