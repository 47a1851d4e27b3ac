import type { SipMessageView } from '@ringwire/common/sip/stack.js';

/** The `X-` headers of a message, for applications. */
export function customHeaders(message: SipMessageView | undefined): Record<string, string> {
  const entries = Object.entries(message?.headers ?? {});
  return Object.fromEntries(entries.filter(([name]) => /^x-/i.test(name)));
}
