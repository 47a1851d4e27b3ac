import type { AppMessage } from '../app-message.js';

/** Where and how a request is to be proxied, as an application or the request-handler says it. */
export interface ProxyPlan {
  /** URIs in the order in which they are tried. */
  destinations: string[];
  /** Stay in the path of the dialog (Record-Route), or of requests to a registered contact (Path, RFC 3327). */
  recordRoute: boolean;
  /** Try the contacts of a 3xx instead of forwarding it. */
  followRedirects: boolean;
  /** All destinations at once rather than one after the other. */
  simultaneous: boolean;
  /** How long a destination of an INVITE may leave it without any response; unlimited by default. */
  provisionalTimeoutMs?: number | undefined;
  /** How long a destination may leave the request without final response; unlimited by default. */
  finalTimeoutMs?: number | undefined;
  /** Headers that are added to what is forwarded. */
  headers?: AppMessage['headers'];
}

/** More destinations, with those of redirections, are not tried for one request. */
export const MAX_DESTINATIONS = 32;

/** Reads drachtio's time-outs, `2s` or `1500ms`; undefined for anything else. */
export function parseTimeout(text: string): number | undefined {
  const match = /^(\d{1,7})(ms|s)$/.exec(text);
  return match ? Number(match[1]) * (match[2] === 's' ? 1000 : 1) : undefined;
}

/** drachtio-srf writes `sip:` before everything but `sip:` and `tel:`, thus also before `sips:` and angle brackets. */
export function destinationUri(text: string): string {
  const uri = text.trim().replace(/^sip:(?=sips:|<)/i, '');
  const bare = /^<(.*)>$/.exec(uri)?.[1] ?? uri;
  return /^(sips?|tel):/i.test(bare) ? bare : `sip:${bare}`;
}
