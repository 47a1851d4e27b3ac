/** Names that well-known scanning programs give themselves in User-Agent, From or Via; no telephone has them. */
const SCANNERS = ['friendly-scanner', 'sipvicious', 'sip-scan', 'sundayddr', 'sipcli', 'pplsip', 'VaxSIPUserAgent'];

/** Where a scanner says its name: at the beginning, since its messages are short. */
const LOOKED_AT_BYTES = 1500;

/** Whether a request names a scanning program. Reads bytes, without parsing: it is meant to be cheap, not exact. */
export function isKnownScanner(request: Buffer): boolean {
  const head = request.length > LOOKED_AT_BYTES ? request.subarray(0, LOOKED_AT_BYTES) : request;
  return SCANNERS.some((name) => head.includes(name, 0, 'latin1'));
}

/** Whether a request brings credentials (`Authorization`, `Proxy-Authorization`), as far as can be told without parsing. */
export function hasCredentials(request: Buffer): boolean {
  return request.includes('uthorization:', 0, 'latin1');
}
