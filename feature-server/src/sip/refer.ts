import { parseReplaces } from '@ringwire/common/sip/replaces.js';
import type { SipDialog, SipRequest } from '@ringwire/common/sip/stack.js';
import type { ReferRequest } from '../session/call-leg.js';

/** Refer-To as name-addr or bare URI, with the headers of the new INVITE after `?`. */
const REFER_TO = /^(?:[^<]*<)?\s*((?:sips?|tel):[^<>?\s]{1,512})(\?[^<>\s]*)?/i;

/** What a REFER asks for; null when its Refer-To cannot be read. */
export function readRefer(
  request: Pick<SipRequest, 'get' | 'headers'>,
  notify: (status: number, reason: string) => Promise<void>,
): ReferRequest | null {
  const [, uri, headers = ''] = REFER_TO.exec(request.get('Refer-To')?.trim() ?? '') ?? [];
  if (uri === undefined) return null;
  const refer = { uri, referredBy: request.get('Referred-By'), headers: { ...request.headers }, notify };
  const [, escaped] = /[?&]replaces=([^&]*)/i.exec(headers) ?? [];
  if (escaped === undefined) return refer;
  const replaces = parseReplaces(unescaped(escaped));
  return replaces && { ...refer, replaces };
}

/** A header as it stands in a URI; undefined when it is not escaped as URIs ask for (RFC 3261 §19.1.1). */
function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Whoever does not answer a NOTIFY is waited for no longer than this, he would be kept in the call meanwhile. */
const NOTIFY_DEADLINE_MS = 2_000;

/**
 * Tells the sender of a REFER how the new call goes (RFC 3515 §2.4.5). Never rejects: whoever transfers may be gone by then; resolves when he has
 * answered, at the latest after `deadlineMs`.
 */
export function notifyOfTransfer(
  dialog: Pick<SipDialog, 'connected' | 'request'>,
  status: number,
  reason: string,
  deadlineMs = NOTIFY_DEADLINE_MS,
): Promise<void> {
  if (!dialog.connected) return Promise.resolve();
  return new Promise((resolve) => {
    const late = setTimeout(resolve, deadlineMs);
    dialog.request(
      {
        method: 'NOTIFY',
        headers: {
          Event: 'refer',
          'Subscription-State': status < 200 ? 'active;expires=180' : 'terminated;reason=noresource',
          'Content-Type': 'message/sipfrag;version=2.0',
        },
        body: `SIP/2.0 ${status} ${reason}\r\n`,
      },
      () => {
        clearTimeout(late);
        resolve();
      },
    );
  });
}
