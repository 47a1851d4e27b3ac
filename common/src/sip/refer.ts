import { oneLine } from './header-policy.js';
import { parseHostPort } from './headers.js';
import type { SipRequest } from './stack.js';
import { isIpv4, splitUri } from './uri.js';

/** What an edge does with the REFER of a feature server. */
export interface ReferRules {
  /** Where the far end is sent, for a Refer-To of the application; without it as it stands. */
  referTo?(uri: string): string;
  /** Gives the call to another feature server, at `ip:port`, which waits for `context-<uuid>`; null, or why it did not. */
  move?(uri: string, address: string, request: SipRequest): Promise<string | null>;
}

/** What becomes of a REFER: it goes on to the far end, or is answered here. */
export type ReferVerdict = { do: 'pass'; referTo: string } | { do: 'answer'; status: number; why: string };

const CONTEXT = /^sips?:context-[\w-]+@([^;?>\s]+)/i;
const ADDRESS = /^([^<]*<)?([^<>]+)(>.*)?$/s;

/**
 * A Refer-To of an application that knows numbers only, which stand at the address of a server of ours: an IPv4 host becomes that of the URI by which the
 * far end was called.
 */
export function withHostOf(uri: string, called: string): string {
  const [refer, far] = [splitUri(uri), splitUri(called)];
  if (!refer || !far || refer.user === null || far.host === '' || !isIpv4(refer.host)) return uri;
  const [, hostPort = ''] = /^sips?:(?:[^@]*@)?([^;?>]+)/i.exec(called) ?? [];
  return uri.replace(
    /^(sips?:)([^@]*)@[^;?]*/i,
    (_all, scheme: string, user: string) => `${scheme}${user}@${hostPort}`,
  );
}

/** Judges a REFER of a feature server: `context-<uuid>` moves the call, anything else transfers the far end, in the name of somebody. */
export async function answerRefer(request: SipRequest, rules: ReferRules): Promise<ReferVerdict> {
  const referTo = oneLine(request.get('Refer-To') ?? '')?.trim() ?? '';
  const [, before = '', uri = '', after = ''] = ADDRESS.exec(referTo) ?? [];
  if (uri === '') return { do: 'answer', status: 400, why: 'Refer-To is missing' };
  const host = CONTEXT.exec(uri)?.[1];
  if (host !== undefined) {
    const why = parseHostPort(host) && rules.move ? await rules.move(uri, host, request) : 'no feature server is there';
    return why === null ? { do: 'answer', status: 202, why: 'moved' } : { do: 'answer', status: 488, why };
  }
  if (!request.has('Referred-By')) return { do: 'answer', status: 400, why: 'Referred-By is missing' };
  const isFixed = request.has('X-Refer-To-Leave-Untouched') || !rules.referTo;
  return { do: 'pass', referTo: isFixed ? referTo : `${before}${rules.referTo!(uri)}${after}` };
}
