/** Payload types that need no `a=rtpmap` (RFC 3551 §6), of those that media servers offer. */
const STATIC: Readonly<Record<string, string>> = { '0': 'PCMU', '3': 'GSM', '8': 'PCMA', '9': 'G722', '18': 'G729' };
/** What goes with any codec (RFC 4733, RFC 3389). */
const COMPANIONS = /^(telephone-event|CN)$/i;

/**
 * An offer that names some codecs only, in the order of the names; telephone events and comfort noise stay.
 * @param offer with one audio line
 * @param names of codecs, in any case of letters
 * @returns undefined when a name is not in the offer
 */
export function withCodecs(offer: string, names: readonly string[]): string | undefined {
  const [, head = '', list = ''] = /^(m=audio \S+ \S+) ([\d ]+?)\r?$/m.exec(offer) ?? [];
  const types = list.split(' ').filter(Boolean);
  const nameOf = (type: string): string =>
    new RegExp(`^a=rtpmap:${type} ([^/\\s]+)`, 'm').exec(offer)?.[1] ?? STATIC[type] ?? '';
  const wanted = names.map((name) => types.filter((type) => nameOf(type).toLowerCase() === name.trim().toLowerCase()));
  if (wanted.some((found) => found.length === 0)) return undefined;
  const kept = [...new Set([...wanted.flat(), ...types.filter((type) => COMPANIONS.test(nameOf(type)))])];
  return offer
    .split('\r\n')
    .filter((line) => {
      const [, type] = /^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /.exec(line) ?? [];
      return type === undefined || kept.includes(type);
    })
    .map((line) => (line.startsWith(head) ? `${head} ${kept.join(' ')}` : line))
    .join('\r\n');
}
