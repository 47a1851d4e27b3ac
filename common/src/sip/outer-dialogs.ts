import { dialogName, type Replaces } from './replaces.js';
import type { SipDialog, SipResponse } from './stack.js';

/** Early dialogs of one call that are known by name: a proxy behind the far end may fork without end. */
const MAX_EARLY = 20;

/** The name of an established dialog, see `dialogName`. */
export function nameOf({ sip: { callId, localTag, remoteTag } }: SipDialog): string {
  return dialogName({ callId, toTag: localTag, fromTag: remoteTag });
}

/** The telephones that ring for one call, by the names of their early dialogs. */
export class RingingDialogs {
  readonly #names = new Set<string>();

  /** Takes a provisional response. @returns whether there is a dialog more */
  add(response: SipResponse): boolean {
    const name = earlyName(response);
    if (name === null || this.#names.has(name) || this.#names.size >= MAX_EARLY) return false;
    this.#names.add(name);
    return true;
  }

  has(replaces: Replaces): boolean {
    return this.#names.has(dialogName(replaces));
  }

  clear(): void {
    this.#names.clear();
  }

  get names(): readonly string[] {
    return [...this.#names];
  }
}

/** The name of the early dialog that a response to our INVITE makes (RFC 3261 §12.1.2); null where it makes none. */
function earlyName(response: SipResponse): string | null {
  try {
    const callId = response.get('Call-ID');
    const toTag = response.getParsedHeader('from').params.tag;
    const fromTag = response.getParsedHeader('to').params.tag;
    return callId && toTag && fromTag ? dialogName({ callId, toTag, fromTag }) : null;
  } catch {
    // drachtio-srf throws on what it cannot read.
    return null;
  }
}
