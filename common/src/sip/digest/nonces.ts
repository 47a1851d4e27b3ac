import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Makes and recognises nonces that carry their own time, so that nothing is remembered of those that nobody answers. */
export interface Nonces {
  /** @param source - address that it is sent to */
  make(realm: string, source?: string): string;
  /** `unknown`: not made by us, for another realm, or with a secret that is no longer known. */
  judge(nonce: string, realm: string): 'fresh' | 'expired' | 'unknown';
  /** Whether a nonce of ours was sent to this address: who brings it back from there hears what we answer. */
  isFor(nonce: string, source: string): boolean;
}

const TIME_BYTES = 6;
const RANDOM_BYTES = 8;
/** Says to whom it was sent. Four bytes are enough: whoever guesses them gains no more than a ban of somebody else. */
const SOURCE_BYTES = 4;
const MAC_BYTES = 16;
const LENGTH = TIME_BYTES + RANDOM_BYTES + SOURCE_BYTES + MAC_BYTES;

const mac = (head: Buffer, realm: string, secret: Buffer): Buffer =>
  createHmac('sha256', secret).update(head).update(realm).digest().subarray(0, MAC_BYTES);

/** Over the time and the random bytes at the beginning of a nonce, so that it tells nothing of the address. */
const sourceMark = (nonce: Buffer, source: string, secret: Buffer): Buffer =>
  createHmac('sha256', secret)
    .update('source')
    .update(nonce.subarray(0, TIME_BYTES + RANDOM_BYTES))
    .update(source)
    .digest()
    .subarray(0, SOURCE_BYTES);

/**
 * Nonces are time, random bytes, a mark of whom they are sent to, and an HMAC over these and the realm (RFC 7616 §5.10 asks for something like it): whoever knows the
 * secret can tell that one is ours and how old it is.
 *
 * @param options.secrets - the secret that nonces are made with, then others that are still good
 * @param options.now - ms since the epoch; processes that share a secret have about the same time
 */
export function nonces(options: {
  secrets: () => readonly [Buffer, ...Buffer[]];
  lifeMs: number;
  now?: () => number;
}): Nonces {
  const { secrets, lifeMs, now = Date.now } = options;
  return {
    make(realm, source = '') {
      const head = Buffer.alloc(LENGTH - MAC_BYTES);
      head.writeUIntBE(now(), 0, TIME_BYTES);
      randomBytes(RANDOM_BYTES).copy(head, TIME_BYTES);
      sourceMark(head, source, secrets()[0]).copy(head, TIME_BYTES + RANDOM_BYTES);
      return Buffer.concat([head, mac(head, realm, secrets()[0])]).toString('base64url');
    },
    judge(nonce, realm) {
      if (nonce.length > 2 * LENGTH) return 'unknown';
      const bytes = Buffer.from(nonce, 'base64url');
      // Other spellings of the same bytes would be counted apart.
      if (bytes.length !== LENGTH || bytes.toString('base64url') !== nonce) return 'unknown';
      const head = bytes.subarray(0, LENGTH - MAC_BYTES);
      const given = bytes.subarray(LENGTH - MAC_BYTES);
      if (!secrets().some((secret) => timingSafeEqual(mac(head, realm, secret), given))) return 'unknown';
      const ageMs = now() - bytes.readUIntBE(0, TIME_BYTES);
      // A little into the future: another process's clock.
      return ageMs > -lifeMs && ageMs <= lifeMs ? 'fresh' : 'expired';
    },
    isFor(nonce, source) {
      const bytes = Buffer.from(nonce.slice(0, 2 * LENGTH), 'base64url');
      if (bytes.length !== LENGTH) return false;
      const given = bytes.subarray(TIME_BYTES + RANDOM_BYTES, LENGTH - MAC_BYTES);
      return secrets().some((secret) => sourceMark(bytes, source, secret).equals(given));
    },
  };
}
