import { createHmac, timingSafeEqual } from 'node:crypto';
import type { HookRequest } from './customer-application.js';

/**
 * Whether a request carries a valid `Jambonz-Signature` (`t=<unix seconds>,v1=<hex of HMAC-SHA256 over t.body>`).
 *
 * Written from the public description, apart from the platform's own signing, so that both cannot be wrong together.
 */
export function hasValidSignature(request: HookRequest, secret: string, toleranceSeconds = 300): boolean {
  const header = String(request.headers['jambonz-signature'] ?? '');
  const fields = new Map(header.split(',').map((part) => part.trim().split('=', 2) as [string, string]));
  const t = fields.get('t') ?? '';
  const given = Buffer.from(fields.get('v1') ?? '', 'hex');
  const wanted = createHmac('sha256', secret).update(`${t}.${request.raw}`).digest();
  const fresh = Math.abs(request.at / 1000 - Number(t)) <= toleranceSeconds;
  return fresh && given.length === wanted.length && timingSafeEqual(given, wanted);
}
