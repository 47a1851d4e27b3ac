import type { Attestation } from './passport.js';

/**
 * What verification found. `valid`: a trusted signer vouches for this caller, this number and this moment. `invalid`: something
 * that can be told from the request and the certificate is wrong. `unverified`: nothing is known to be wrong, but the certificate was not there in
 * time, or no roots are configured. `none`: the request claims nothing.
 */
export type StirStatus = 'valid' | 'invalid' | 'unverified' | 'none';

/** Codes by which a request without a valid identity is refused (RFC 8224 §6.2.2; 403 for a stale date). */
export type StirRefusalCode = 403 | 428 | 436 | 437 | 438;

/** A diversion that a `div` PASSporT tells of (RFC 8946). */
export interface StirDiversion {
  /** The number that the call was for. */
  from: string;
  /** Where it went instead. */
  to: string;
  isValid: boolean;
}

/** The result of verifying a call, as its application gets it in `stir`. */
export interface StirResult {
  status: StirStatus;
  /** The same in 3GPP's words (TS 24.229 §7.2A.20). */
  verstat: 'TN-Validation-Passed' | 'TN-Validation-Failed' | 'No-TN-Validation';
  /** Only of a valid `shaken` PASSporT. */
  attest?: Attestation;
  /** What one that is not valid claims; believe it at your own risk. */
  claimedAttest?: Attestation;
  orig?: string;
  dest?: string[];
  origid?: string;
  /** Seconds since the epoch. */
  iat?: number;
  /** Codes of the service providers that the signer's certificate is for. */
  spc?: string[];
  div?: StirDiversion[];
  /** What the call is refused with where that is asked for; absent when valid. */
  code?: StirRefusalCode;
  /** Why it is not valid. */
  reason?: string;
}

/** Reason phrases of the refusals (RFC 8224 §6.2.2). */
export const STIR_REASONS: Readonly<Record<StirRefusalCode, string>> = {
  403: 'Stale Date',
  428: 'Use Identity Header',
  436: 'Bad Identity Info',
  437: 'Unsupported Credential',
  438: 'Invalid Identity Header',
};

const VERSTAT: Readonly<Record<StirStatus, StirResult['verstat']>> = {
  valid: 'TN-Validation-Passed',
  invalid: 'TN-Validation-Failed',
  unverified: 'No-TN-Validation',
  none: 'No-TN-Validation',
};

/** Makes a result; `verstat` follows from the status. */
export function stirResult(status: StirStatus, rest: Omit<StirResult, 'status' | 'verstat'> = {}): StirResult {
  return { status, verstat: VERSTAT[status], ...rest };
}

/** Longest value of a claim that goes on: what is longer is nobody's number. */
const MAX_CHARS = 128;
const MAX_ITEMS = 5;

/** The value of `X-Stir` between edge and feature server: JSON in ASCII, cut to what one datagram holds. */
export function stirHeaderValue(result: StirResult): string {
  const cut = (_key: string, value: unknown): unknown => {
    if (Array.isArray(value)) return value.slice(0, MAX_ITEMS);
    return typeof value === 'string' ? value.slice(0, MAX_CHARS) : value;
  };
  return JSON.stringify(result, cut).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Reads {@link stirHeaderValue}; null when it is no such value. */
export function parseStirHeader(value: string): StirResult | null {
  try {
    const parsed: unknown = JSON.parse(value);
    const isResult = typeof parsed === 'object' && parsed !== null && 'status' in parsed && 'verstat' in parsed;
    return isResult ? (parsed as StirResult) : null;
  } catch {
    // Only another version of an edge writes something else: the application then gets nothing.
    return null;
  }
}
