import { dialableNumber } from '@ringwire/common';
import type { SipReferSpec } from '@ringwire/verb-specs';
import type { LegRequest } from '../session/call-leg.js';
import { headerValue } from '../sip/header-value.js';
import { ownHeaders } from '../sip/leg-requests.js';
import { untilAborted } from './sip-request.js';
import type { Verb, VerbContext } from './verb.js';

/** How long the far end may say nothing of how the new call goes (compat 1.3.5). */
const NOTIFY_WAIT_MS = 15_000;
/** Tells the edge to leave the host of Refer-To as the application wrote it (docs/interfaces.md). */
const UNTOUCHED = 'X-Refer-To-Leave-Untouched';

/** Has the far end call somebody else in our place, by REFER (RFC 3515), and tells how that goes. */
export const sipRefer: Verb<SipReferSpec> = {
  needs: () => 'answered call',
  describe: ({ referTo }) => referTo,
  async run(ctx, spec, signal) {
    const result = await referCall(ctx, spec, signal);
    if (!result) return;
    // Whoever has been transferred hangs up, and so may whoever would not be.
    if (ctx.call.isOver) ctx.app.inform(spec, { ...result });
    else await ctx.app.action(spec, { ...result }, signal);
  },
};

/** What became of a REFER. */
export interface ReferResult {
  referStatus: number;
  /** Last status of the far end's new call, where it told one. */
  finalReferredCallStatus?: number;
}

/** What stands for the answer that did not come (RFC 3261 §8.1.3.1). */
const UNANSWERED = { status: 408 };

/** Sends a REFER and waits for its outcome; undefined where the signal aborted before there was one. */
export async function referCall(
  ctx: VerbContext,
  spec: SipReferSpec,
  signal: AbortSignal,
  silenceMs = NOTIFY_WAIT_MS,
): Promise<ReferResult | undefined> {
  const { dialog, journal } = ctx;
  const referTo = addressOf(spec.referTo, dialog.peerHost);
  if (referTo === undefined) {
    journal.timeline.error('sip', `sip:refer: "${spec.referTo}" is no number, user or SIP URI`);
    return { referStatus: 400 };
  }
  const progress = followNotifies(ctx, spec, signal, silenceMs);
  try {
    const answer = dialog.request({ method: 'REFER', headers: headersOf(ctx, spec, referTo) });
    const isSilent = progress.final.then((final) => final === undefined);
    const { status } = await untilAborted(
      Promise.race([answer, isSilent.then((silent) => (silent ? UNANSWERED : answer))]),
      signal,
    );
    const final = status === 202 ? await progress.final : undefined;
    return { referStatus: status, ...(final !== undefined && { finalReferredCallStatus: final }) };
  } catch (error) {
    if (signal.aborted) return undefined;
    const text = error instanceof Error ? error.message : String(error);
    journal.timeline.warn('sip', `sip:refer: ${text}`);
    // Nothing came back: 408, as if it had (RFC 3261 §8.1.3.1).
    return { referStatus: 408 };
  } finally {
    progress.stop();
  }
}

function headersOf({ call, dialog }: VerbContext, spec: SipReferSpec, referTo: string): Record<string, string> {
  const { referredBy, referredByDisplayName, headers } = spec;
  const isWhole = /^\s*(?:"[^"]*"\s*)?<?\s*(?:sips?|tel):/i.test(spec.referTo);
  const by = referredBy || String(call.facts().from ?? '') || 'anonymous';
  const name = referredByDisplayName ? `"${headerValue(referredByDisplayName).replace(/["\\]/g, "'")}" ` : '';
  return {
    ...ownHeaders(headers),
    'Refer-To': referTo,
    'Referred-By': `${name}${addressOf(by, dialog.peerHost) ?? '<sip:anonymous@anonymous.invalid>'}`,
    ...(isWhole && { [UNTOUCHED]: 'true' }),
  };
}

/** A name and a URI in angle brackets, with its parameters. */
const NAME_ADDR = /^(?:"[^"]*"|[^"<>]*)\s*<(?:sips?|tel):[^\s<>"@][^\s<>"]*>(?:;[^\s<>]*)?$/i;
const URI = /^(?:sips?|tel):[^\s<>"@][^\s<>"]*$/i;

/** A URI as a name-addr; a bare number or user gets the host of the SIP server that leads to the far end. Undefined where it is none of these. */
function addressOf(given: string, peerHost = 'localhost'): string | undefined {
  const text = headerValue(given);
  if (text.includes('<')) return NAME_ADDR.test(text) ? text : undefined;
  const host = peerHost.includes(':') ? `[${peerHost.replace(/[[\]]/g, '')}]` : peerHost;
  const name = dialableNumber(text) ?? text;
  const isWhole = /^(?:sips?|tel):/i.test(text);
  const uri = isWhole ? text : name.includes('@') ? `sip:${name}` : `sip:${name}@${host}`;
  return URI.test(uri) ? `<${uri}>` : undefined;
}

/** Tells the event hook of each NOTIFY; `final` is the last status that one brought, undefined after 15 s of silence. */
function followNotifies(
  { app, dialog, journal }: VerbContext,
  spec: SipReferSpec,
  signal: AbortSignal,
  silenceMs: number,
): { final: Promise<number | undefined>; stop(): void } {
  let settle: (status: number | undefined) => void = () => {};
  const final = new Promise<number | undefined>((resolve) => {
    settle = resolve;
  });
  const late = (): NodeJS.Timeout => setTimeout(() => settle(undefined), silenceMs);
  let timer = late();
  const forget = dialog.onNotify((request) => {
    const status = sipfragStatus(request);
    if (status === undefined) return;
    clearTimeout(timer);
    timer = late();
    journal.timeline.info('sip', `NOTIFY: the far end's call to ${spec.referTo} has ${status}`, { status });
    if (spec.eventHook !== undefined)
      app.tell(spec.eventHook, { verbId: spec.id, event: 'transfer-status', callStatus: status });
    if (status >= 200) settle(status);
  });
  const onAbort = (): void => settle(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    final,
    stop() {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      forget();
    },
  };
}

/** The status in a NOTIFY of REFER: `SIP/2.0 180 Ringing` as message/sipfrag (RFC 3420). */
function sipfragStatus({ body = '' }: LegRequest): number | undefined {
  const [, status] = /^\s*SIP\/2\.0 +(\d{3})\b/i.exec(body) ?? [];
  return status === undefined ? undefined : Number(status);
}
