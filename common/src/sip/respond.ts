import type { ResponseOptions, SipResponse } from './stack.js';

/**
 * Sends a response if none has been sent. drachtio-srf throws on statuses that it does not know; those become the general
 * one of their class, as RFC 3261 §8.1.3.2 has every receiver treat them.
 *
 * @returns the status that was sent, 0 when a final response had been sent before
 */
export function respond(response: SipResponse, status: number, reason?: string, options: ResponseOptions = {}): number {
  if (response.finalResponseSent) return 0;
  try {
    response.send(status, reason, options);
    return status;
  } catch {
    const general = status < 200 ? 183 : Math.min(6, Math.max(2, Math.floor(status / 100))) * 100;
    response.send(general, reason, options);
    return general;
  }
}
