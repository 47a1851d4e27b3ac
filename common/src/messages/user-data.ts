import { decodeGsm7 } from './gsm7.js';

/** A part's place in a longer message. */
export interface Concatenation {
  reference: number;
  total: number;
  /** From 1. */
  part: number;
}

/** What a carrier handed over, read. */
export interface UserData {
  text: string;
  concatenation: Concatenation | null;
}

/** Element identifiers of the header (3GPP TS 23.040 §9.2.3.24): concatenation with 8-bit and with 16-bit reference. */
const CONCAT_8 = 0x00;
const CONCAT_16 = 0x08;

const usable = (reference: number, total: number, part: number): Concatenation | null =>
  total > 1 && part >= 1 && part <= total ? { reference, total, part } : null;

/** Splits user data into header and text; a header that does not fit its octets is taken as text. */
function splitHeader(octets: Buffer): { concatenation: Concatenation | null; body: Buffer } {
  const length = octets[0] ?? 0;
  if (octets.length === 0 || length + 1 > octets.length) return { concatenation: null, body: octets };
  const header = octets.subarray(1, length + 1);
  let concatenation: Concatenation | null = null;
  for (let at = 0; at + 2 <= header.length; at += 2 + (header[at + 1] ?? 0)) {
    const data = header.subarray(at + 2, at + 2 + (header[at + 1] ?? 0));
    if (data.length !== header[at + 1]) break;
    if (header[at] === CONCAT_8 && data.length === 3) concatenation = usable(data[0]!, data[1]!, data[2]!);
    if (header[at] === CONCAT_16 && data.length === 4) {
      concatenation = usable(data.readUInt16BE(0), data[2]!, data[3]!);
    }
  }
  return { concatenation, body: octets.subarray(length + 1) };
}

function decodeUcs2(octets: Buffer): string {
  const even = octets.subarray(0, octets.length & ~1);
  // A copy: swap16 turns the octets in place.
  return Buffer.from(even).swap16().toString('utf16le');
}

/** Reads text by SMPP's `data_coding` (SMPP 3.4 §5.2.19); what it calls binary is given as hexadecimal digits. */
function decodeText(octets: Buffer, dataCoding: number): string {
  // Classes of messages (0xF0 to 0xFF) and the general groups of 3GPP TS 23.038 §4 name the alphabet in bits 2 and 3.
  const isGroup = dataCoding >= 0xf0;
  const alphabet = isGroup ? ((dataCoding & 0x04) === 0 ? 0 : 4) : dataCoding & 0x0f;
  switch (alphabet) {
    case 0:
      return decodeGsm7(octets);
    case 1:
    case 3:
      return octets.toString('latin1');
    case 8:
      return decodeUcs2(octets);
    default:
      return octets.toString('hex');
  }
}

/**
 * Reads the user data of a message that a carrier delivers. Never throws: what is malformed comes out as text that a person can
 * recognise as such.
 *
 * @param hasHeader - the user data header indicator of `esm_class` (0x40)
 */
export function readUserData(octets: Buffer, dataCoding: number, hasHeader: boolean): UserData {
  const { concatenation, body } = hasHeader ? splitHeader(octets) : { concatenation: null, body: octets };
  return { text: decodeText(body, dataCoding), concatenation };
}
