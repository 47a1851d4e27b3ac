import { createHash, createHmac } from 'node:crypto';
import { isSameText, type SignedRequest } from './vendor.js';

/** Words that a JSON body is vouched for by, in the URL. */
const BODY_HASH = 'bodySHA256';

/** Names and values in the order of the names, nothing in between; a name that comes several times has its different values in order. */
function joinedParams(form: URLSearchParams): string {
  const names = [...new Set(form.keys())].sort();
  return names
    .map((name) =>
      [...new Set(form.getAll(name))]
        .sort()
        .map((value) => name + value)
        .join(''),
    )
    .join('');
}

/** Twilio has signed the URL with its port or without, whichever the URL that it was given has. */
function withAndWithoutPort(text: string): string[] {
  if (!URL.canParse(text)) return [text];
  const { protocol, hostname, port } = new URL(text);
  const rest = text.replace(/^[a-z]+:\/\/[^/?#]*/i, '');
  const usual = port || (protocol === 'https:' ? '443' : '80');
  return [`${protocol}//${hostname}${rest}`, `${protocol}//${hostname}:${usual}${rest}`];
}

/**
 * Whether `X-Twilio-Signature` is that of this request: HMAC-SHA1 with the account's auth token over the URL, followed by the parameters of a form
 * (www.twilio.com/docs/usage/security). The body of any other kind stands in the URL by its hash.
 */
export function isSignedByTwilio({ urls, header, isForm, rawBody }: SignedRequest, authToken: string): boolean {
  const signature = header('X-Twilio-Signature');
  if (signature === '') return false;
  const params = isForm ? joinedParams(new URLSearchParams(rawBody.toString('utf8'))) : '';
  return urls.flatMap(withAndWithoutPort).some((url) => {
    const expected = createHmac('sha1', authToken)
      .update(url + params)
      .digest('base64');
    if (!isSameText(signature, expected)) return false;
    if (isForm || rawBody.length === 0) return true;
    const hash = new URL(url).searchParams.get(BODY_HASH) ?? '';
    return isSameText(hash.toLowerCase(), createHash('sha256').update(rawBody).digest('hex'));
  });
}
