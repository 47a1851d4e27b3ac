import { splitUri } from '@ringwire/common/sip/uri.js';
import type { ReferRequest } from './call-leg.js';

const headerOf = ({ headers }: ReferRequest, name: string): string | undefined =>
  Object.entries(headers).find(([known]) => known.toLowerCase() === name)?.[1];

const userOf = (text: string | undefined): string | undefined =>
  splitUri(/<([^>]*)>/.exec(text ?? '')?.[1] ?? text?.trim() ?? '')?.user ?? undefined;

/** `refer_details` of a referHook (compat 2.7): what a REFER asks for, with its `X-` headers. Keys are camelCase, those of headers as they go out. */
export function referDetails(
  refer: ReferRequest,
  legs: { referringCallSid: string; referredCallSid?: string },
): Record<string, unknown> {
  const referTo = headerOf(refer, 'refer-to') ?? refer.uri;
  const own = Object.entries(refer.headers)
    .filter(([name]) => /^x-/i.test(name))
    .map(([name, value]) => [name.toLowerCase().replace(/-/g, '_'), value]);
  return {
    ...Object.fromEntries(own),
    sipReferTo: referTo,
    referToUser: userOf(referTo),
    sipReferredBy: refer.referredBy,
    referredByUser: userOf(refer.referredBy),
    sipUserAgent: headerOf(refer, 'user-agent'),
    ...legs,
  };
}
