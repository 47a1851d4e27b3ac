import type { SipMessageView } from '@ringwire/common/sip/stack.js';

/** Why a message was sent (RFC 3326), for applications; undefined where it does not say. */
export function reasonHeaderOf({ headers }: Partial<Pick<SipMessageView, 'headers'>>): { reasonHeader?: string } {
  const [, value] = Object.entries(headers ?? {}).find(([name]) => /^reason$/i.test(name)) ?? [];
  return typeof value === 'string' && value !== '' ? { reasonHeader: value } : {};
}

/** The `X-` headers of a message, for applications. */
export function customHeaders(message: SipMessageView | undefined): Record<string, string> {
  const entries = Object.entries(message?.headers ?? {});
  return Object.fromEntries(entries.filter(([name]) => /^x-/i.test(name)));
}
