/** GSM 7-bit default alphabet with its extension table (3GPP TS 23.038 §6.2.1), one septet in each octet, as SMPP carries it. */

/** Escapes to the extension table. */
const ESCAPE = 0x1b;
/** Code points in the order of their septets; the escape's own place is held by a character that no text has. */
const BASIC =
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{ffff}ÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà';
const EXTENSION: ReadonlyArray<readonly [number, string]> = [
  [0x0a, '\f'],
  [0x14, '^'],
  [0x28, '{'],
  [0x29, '}'],
  [0x2f, '\\'],
  [0x3c, '['],
  [0x3d, '~'],
  [0x3e, ']'],
  [0x40, '|'],
  [0x65, '€'],
];

const TO_SEPTETS = new Map<string, readonly number[]>([
  ...[...BASIC].map((char, septet) => [char, [septet]] as const).filter(([char]) => char !== '\u{ffff}'),
  ...EXTENSION.map(([septet, char]) => [char, [ESCAPE, septet]] as const),
]);
const FROM_BASIC = [...BASIC];
const FROM_EXTENSION = new Map(EXTENSION);

/** The septets of each character (two for those of the extension table); undefined when a character is not in the alphabet. */
export function gsm7Septets(text: string): (readonly number[])[] | undefined {
  const septets: (readonly number[])[] = [];
  for (const char of text) {
    const found = TO_SEPTETS.get(char);
    if (found === undefined) return undefined;
    septets.push(found);
  }
  return septets;
}

/**
 * Reads septets, one in each octet. What follows an escape and is not in the extension table is read from the basic one, as
 * the standard says; octets above 127 become U+FFFD.
 */
export function decodeGsm7(octets: Uint8Array): string {
  let text = '';
  let escaped = false;
  for (const octet of octets) {
    if (octet === ESCAPE && !escaped) {
      escaped = true;
      continue;
    }
    const extended = escaped ? FROM_EXTENSION.get(octet) : undefined;
    text += extended ?? (octet === ESCAPE ? ' ' : (FROM_BASIC[octet] ?? '\u{fffd}'));
    escaped = false;
  }
  return text;
}
