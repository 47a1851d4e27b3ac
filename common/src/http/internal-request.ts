import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { reveal, type Secret } from '../config/secret.js';

/** Header by which one of our processes knows another. */
export const INTERNAL_SIGNATURE = 'X-Ringwire-Signature';

/** Clocks of our machines differ by less than this; what is older may be a copy. */
const MAX_AGE_MS = 60_000;

/** A request from process to process: the body, and the header that proves where it comes from. */
export interface InternalRequest {
  body: string;
  headers: Record<string, string>;
}

const keyOf = (secret: Secret | string): Buffer =>
  Buffer.from(hkdfSync('sha256', reveal(secret), '', 'ringwire internal requests v1', 32));

const proofOf = (secret: Secret | string, path: string, atMs: number, payload: string): string =>
  createHmac('sha256', keyOf(secret)).update(`${path}\n${atMs}\n${payload}`).digest('hex');

/**
 * Wraps `content` for another of our processes, which has the same `ENCRYPTION_SECRET`: without the signature anybody who
 * reaches its port could place calls. Whoever takes the request sees to it that a copy does nothing.
 */
export function signInternal(
  secret: Secret | string,
  path: string,
  content: unknown,
  atMs = Date.now(),
): InternalRequest {
  // As text inside the body, so that both sides sign the same characters.
  const payload = JSON.stringify(content);
  return {
    body: JSON.stringify({ payload }),
    headers: {
      'content-type': 'application/json',
      [INTERNAL_SIGNATURE]: `t=${atMs},v1=${proofOf(secret, path, atMs, payload)}`,
    },
  };
}

/** The content of a request that {@link signInternal} made; undefined when it is not, or is too old. */
export function openInternal(
  secret: Secret | string,
  path: string,
  { signature, body }: { signature: string | undefined; body: unknown },
  nowMs = Date.now(),
): unknown {
  const [, at, proof = ''] = /^t=(\d{1,15}),v1=([0-9a-f]{64})$/.exec(signature ?? '') ?? [];
  const payload = typeof body === 'object' && body !== null ? (body as { payload?: unknown }).payload : undefined;
  const atMs = Number(at);
  if (at === undefined || typeof payload !== 'string' || Math.abs(nowMs - atMs) > MAX_AGE_MS) return undefined;
  const expected = proofOf(secret, path, atMs, payload);
  return timingSafeEqual(Buffer.from(proof), Buffer.from(expected)) ? JSON.parse(payload) : undefined;
}
