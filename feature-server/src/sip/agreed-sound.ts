/** One way in which sound is sent, as an answer names it. */
interface Format {
  payloadType: string;
  /** `PCMU/8000`, in capitals. */
  name: string;
}

/** Names of the payload types that need no `rtpmap` (RFC 3551 §6). */
const STATIC: Readonly<Record<string, string>> = {
  '0': 'PCMU/8000',
  '8': 'PCMA/8000',
  '9': 'G722/8000',
  '18': 'G729/8000',
};

/** What two far ends must have in common to hear each other without a media server between them. */
export interface AgreedSound {
  codec: Format;
  /** How keys are sent (RFC 4733); undefined where they are not. */
  keys: Format | undefined;
}

/** What an answer has chosen; undefined where it has anything beside one stream of sound that flows both ways. */
export function agreedSound(answer: string): AgreedSound | undefined {
  const lines = answer.split(/\r?\n/);
  const media = lines.filter((line) => line.startsWith('m='));
  const [, port, types = ''] = /^m=audio (\d+) RTP\/AVP ([\d ]+)$/.exec(media[0]?.trim() ?? '') ?? [];
  if (media.length !== 1 || !port || port === '0') return undefined;
  if (lines.some((line) => /^a=(?:sendonly|recvonly|inactive)\s*$/.test(line))) return undefined;
  if (lines.some((line) => /^c=IN IP4 0\.0\.0\.0\s*$/.test(line))) return undefined;
  const names = new Map(
    lines.flatMap((line) => {
      const [, type, name] = /^a=rtpmap:(\d+) ([^\s]+)/.exec(line) ?? [];
      return type && name ? [[type, name.toUpperCase().replace(/\/1$/, '')] as const] : [];
    }),
  );
  const formats = types
    .trim()
    .split(/ +/)
    .map((payloadType) => ({ payloadType, name: names.get(payloadType) ?? STATIC[payloadType] ?? '' }));
  const isKeys = ({ name }: Format): boolean => name.startsWith('TELEPHONE-EVENT/');
  const codec = formats.find((format) => format.name !== '' && !isKeys(format) && !/^(?:CN|RED)\//.test(format.name));
  if (!codec) return undefined;
  const rate = codec.name.split('/')[1];
  const keys = formats.find((format) => isKeys(format) && format.name.endsWith(`/${rate}`));
  return { codec, keys };
}

/** Whether what one sends is what the other understands, keys included. */
export function isSameSound(one: AgreedSound, other: AgreedSound): boolean {
  const isSame = (a: Format | undefined, b: Format | undefined): boolean =>
    a?.payloadType === b?.payloadType && a?.name === b?.name;
  return isSame(one.codec, other.codec) && isSame(one.keys, other.keys);
}

/** Whether two SDPs of the same side say the same of its media: what names the session and its version does not count. */
export function isSameMedia(one: string, other: string): boolean {
  const essence = (sdp: string): string =>
    sdp
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== '' && !/^[ost]=/.test(line))
      .sort()
      .join('\n');
  return essence(one) === essence(other);
}
