import type { SdpMedia } from './sdp.js';
import { createSrtpKey, type SrtpKey, srtpSuite } from './srtp-keys.js';

/** Keys of both directions of a stream, as agreed with SDES (RFC 4568). */
export interface SrtpAgreement {
  /** Of what we send. */
  send: SrtpKey;
  /** Of what the peer sends. */
  receive: SrtpKey;
}

/** An `a=crypto` attribute. */
export interface CryptoAttribute {
  tag: number;
  key: SrtpKey;
}

const MAX_TAG = 999_999_999;
const MAX_MKI_BYTES = 128;
/** Session parameters that we need not act on: a hint for the size of the peer's replay window. */
const HARMLESS_PARAMETER = /^WSH=\d+$/i;

/** Whether a media line is SRTP keyed by SDES. */
export function isSecure(media: Pick<SdpMedia, 'protocol'>): boolean {
  return /^RTP\/SAVPF?$/.test(media.protocol);
}

/** Reads an attribute without its `a=`; undefined when it is no `crypto` or one that we cannot do. */
export function parseCrypto(attribute: string): CryptoAttribute | undefined {
  const [, tagText, name, keyParameters, rest = ''] =
    /^crypto:(\d{1,9}) +(\S+) +(\S+) *(.*)$/i.exec(attribute.trim()) ?? [];
  if (!tagText || !name || !keyParameters) return undefined;
  const suite = srtpSuite(name);
  const tag = Number(tagText);
  if (!suite || tag > MAX_TAG) return undefined;
  if (!rest.split(' ').every((parameter) => parameter === '' || HARMLESS_PARAMETER.test(parameter))) return undefined;
  // More than one key would be told apart by MKI; the first is what everybody sends.
  const inline = /^inline:([A-Za-z0-9+/=]+)((?:\|[^|;]+)*)$/i.exec(keyParameters.split(';')[0]!);
  if (!inline) return undefined;
  if (Buffer.from(inline[1]!, 'base64').length !== suite.keyBytes + suite.saltBytes) return undefined;
  const mkiText = inline[2]!.split('|').find((part) => part.includes(':'));
  const [, value, bytes] = /^(\d{1,15}):(\d{1,3})$/.exec(mkiText ?? '') ?? [];
  if (mkiText !== undefined && (value === undefined || Number(bytes) < 1 || Number(bytes) > MAX_MKI_BYTES)) {
    return undefined;
  }
  const mki = mkiText === undefined ? {} : { mki: { value: Number(value), bytes: Number(bytes) } };
  return { tag, key: { suite: suite.name, keySalt: inline[1]!, ...mki } };
}

/** Writes an attribute, without its `a=`. */
export function cryptoAttribute({ tag, key }: CryptoAttribute): string {
  const mki = key.mki ? `|2^31|${key.mki.value}:${key.mki.bytes}` : '';
  return `crypto:${tag} ${key.suite} inline:${key.keySalt}${mki}`;
}

/**
 * Answers the first suite of a media line that we know; undefined when there is none. `known` is the key that we send with already,
 * which is kept while the suite stays.
 */
export function answerCrypto(
  media: SdpMedia,
  known: SrtpKey | undefined,
): { agreement: SrtpAgreement; attribute: string } | undefined {
  for (const line of media.attributes) {
    const theirs = parseCrypto(line);
    if (!theirs) continue;
    const suite = srtpSuite(theirs.key.suite)!;
    const send = known?.suite === suite.name ? known : createSrtpKey(suite);
    return {
      agreement: { send, receive: theirs.key },
      attribute: cryptoAttribute({ tag: theirs.tag, key: send }),
    };
  }
  return undefined;
}

/** What the answer to an offer of these keys (their tags count from 1) agrees on; undefined when it takes none of them. */
export function acceptCrypto(media: SdpMedia, offered: readonly SrtpKey[]): SrtpAgreement | undefined {
  for (const line of media.attributes) {
    const theirs = parseCrypto(line);
    const ours = theirs && offered[theirs.tag - 1];
    if (theirs && ours?.suite === theirs.key.suite) return { send: ours, receive: theirs.key };
  }
  return undefined;
}
