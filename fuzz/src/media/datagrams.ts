import type { Random } from '../random.js';
import { mutateBinary } from './mutate-binary.js';
import { randomBytes } from './rtp-source.js';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');

/** RTCP (RFC 3550 §6, RFC 4585, RFC 3611): packets that compounds are made of. */
const RTCP_PARTS = [
  hex(
    '81c8000c 66757a7a e1e2e3e4 80000000 00010000 00000100 00004000 11223344 05000003 0000ff10 00000020 12345678 00010000',
  ),
  hex('80c80006 66757a7a e1e2e3e4 80000000 00010000 00000100 00004000'),
  hex('81c90007 66757a7a 11223344 ff7fffff 0000ff10 ffffffff 00000000 ffffffff'),
  hex('80c90001 66757a7a'),
  hex('81ca0005 66757a7a 010c7573 65724068 6f73742e 78000000'),
  hex('81ca0002 66757a7a 00000000'),
  hex('81cb0003 66757a7a 06676f6e 65212100'),
  hex('81cc0003 66757a7a 4e414d45 01020304'),
  hex('81cd0003 66757a7a 11223344 00010000'),
  hex('81ce0002 66757a7a 11223344'),
  hex('84ce0004 66757a7a 00000000 11223344 01000000'),
  hex('80cf0004 66757a7a 04000002 e1e2e3e4 80000000'),
];

/** The reports among them come first. */
const REPORTS = 4;

/** What else comes to a media port: STUN, TURN, DTLS, ZRTP, T.38, keep-alives. */
const OTHERS = [
  hex('00010000 2112a442 000102030405060708090a0b'),
  hex(
    '0001002c 2112a442 000102030405060708090a0b 00060009 61626364 3a657667 6a000000 00240004 6e7f1eff 80290008 0011223344556677 80280004 11223344',
  ),
  hex('0101000c 2112a442 000102030405060708090a0b 00200008 0001a147 e112a643'),
  hex('40000008 0102030405060708'),
  hex(
    '16fefd0000000000000000003d 0100003100000000000000 31fefd 0001020304050607080910111213141516171819202122232425262728293031 0000000200 2f0100000500170000',
  ),
  hex('14fefd0000000000000001000101'),
  hex('10000000 5a525450 66757a7a 505a001d 48656c6c6f202020'),
  hex('00'),
  Buffer.from('\r\n\r\n'),
  Buffer.from('OPTIONS sip:a@b SIP/2.0\r\n\r\n'),
];

/** A compound of reports, right in half of the cases. */
export function rtcp(random: Random): Buffer {
  const parts = Array.from({ length: 1 + random.below(4) }, () => random.pick(RTCP_PARTS));
  // A report is first in every compound that is right (RFC 3550 §6.1).
  if (random.below(5) > 0) parts.unshift(random.pick(RTCP_PARTS.slice(0, REPORTS)));
  const packet = Buffer.concat(parts);
  if (random.below(3) === 0) return packet;
  if (random.below(20) === 0) return Buffer.concat([hex('80c9'), randomBytes(random, random.below(100))]);
  return mutateBinary(packet, random, RTCP_PARTS, 1 + random.below(4));
}

/** Something that is neither RTP nor RTCP, or nearly. */
export function other(random: Random): Buffer {
  return mutateBinary(random.pick(OTHERS), random, OTHERS, random.below(5));
}
