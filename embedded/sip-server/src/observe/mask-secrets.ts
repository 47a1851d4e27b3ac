/** Credentials of HTTP-style authentication, with continuation lines (RFC 3261 §22, §7.3.1). */
const CREDENTIALS = /^((?:proxy-)?authorization[ \t]*:(?:[ \t]|\r?\n[ \t])*)((?:[^\r\n]|\r?\n[ \t])*)/gim;
/** What a digest proves its secret with: enough to try passwords against (RFC 8760). */
const DIGEST_PROOF = /(\bresponse(?:[ \t]|\r?\n[ \t])*=(?:[ \t]|\r?\n[ \t])*"?)([^",\s]*)/gi;
/** Keys of SRTP in SDP (RFC 4568 §9.1). */
const MEDIA_KEY = /^(a=crypto:[^\r\n]*?\binline:)([^\s|]+)/gim;
/** The password of a URI (RFC 3261 §19.1.1). */
const URI_PASSWORD = /(\bsips?:[^\s:@<>;,"]{1,128}:)([^\s@<>;,"]{1,128})(?=@)/gi;

/**
 * The message as it may be shown: digest responses, other credentials, SRTP keys and passwords in URIs are written over with `x`,
 * character by character, so that lengths (Content-Length, packet sizes) stay true.
 * @returns the same buffer where there is nothing to hide
 */
export function maskSecrets(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  const masked = text
    .replace(CREDENTIALS, (_whole, name: string, value: string) => name + maskCredentials(value))
    .replace(MEDIA_KEY, (_whole, start: string, key: string) => start + cross(key))
    .replace(URI_PASSWORD, (_whole, start: string, password: string) => start + cross(password));
  return masked === text ? bytes : Buffer.from(masked, 'latin1');
}

function maskCredentials(value: string): string {
  if (/^digest\b/i.test(value)) {
    return value.replace(DIGEST_PROOF, (_whole, start: string, proof: string) => start + cross(proof));
  }
  const [scheme = ''] = /^[^\s]*\s*/.exec(value) ?? [];
  // Without a scheme nothing says what is secret.
  return scheme.length === value.length ? cross(value) : scheme + cross(value.slice(scheme.length));
}

function cross(text: string): string {
  return text.replace(/\S/g, 'x');
}
