import { createHmac } from 'node:crypto';

/**
 * The value of the header `Jambonz-Signature`: `t=<unix seconds>,v1=<hex>`, where hex is the HMAC-SHA256 of `<t>.<body>` with the
 * account's webhook secret.
 *
 * @param body - the JSON text as it is sent (for GET: as it would be sent)
 * @param at - when, as a Date or in ms since the epoch
 */
export function signPayload(secret: string, body: string, at: Date | number = Date.now()): string {
  const seconds = Math.floor(Number(at) / 1000);
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}
