import { randomUUID } from 'node:crypto';
import { DigestClient } from '@ringwire/common/sip/digest-client.js';
import { LinkLostError } from '@ringwire/common/sip/errors.js';
import type { SipLink } from '@ringwire/common/sip/link.js';
import { type OutsideAnswer, sendOutside } from '@ringwire/common/sip/out-of-dialog.js';
import type { SipMessageView, SipResponse } from '@ringwire/common/sip/stack.js';
import { splitUri } from '@ringwire/common/sip/uri.js';
import type { WantedRegistration } from './wanted-registrations.js';

/** How one REGISTER came out. */
export type RegisterOutcome =
  | {
      kind: 'registered';
      reason: string;
      grantedSec: number;
      /** Our contact as the registrar has it. */
      contact: string;
      /** Where the response came from. */
      source: string | null;
      roundTripMs: number;
    }
  /** Somebody said no; `isLasting` when it will say so again: our credentials or we are not wanted. */
  | { kind: 'refused'; reason: string; isLasting: boolean; retryAfterSec: number | null; roundTripMs: number }
  /** Nobody answered, or the request could not be sent. */
  | { kind: 'silent'; reason: string }
  /** Our own SIP server is away: nothing can be said of the registrar. */
  | { kind: 'away' };

/** A longer time that a registrar asks for or grants comes from nobody who means it. */
const MAX_EXPIRES_SEC = 86_400;
/** A request is challenged by the registrar and a proxy before it, each of which may find its nonce stale once. */
const MAX_CHALLENGES = 4;
/** Responses that may be others soon: overload, restart, too many requests. */
const PASSING = new Set([408, 429, 480]);

/**
 * Our REGISTERs to one registrar: they share a Call-ID and count up (RFC 3261 §10.2.4), and answer its challenges, the later ones without being
 * asked again.
 */
export class RegisterSession {
  readonly callId = randomUUID();
  readonly #proof: DigestClient;
  #cseq = 0;
  #expiresSec: number;

  constructor(
    private readonly link: SipLink,
    private readonly wanted: WantedRegistration,
    private readonly options: { expiresSec: number; deadlineMs: number },
  ) {
    this.#proof = new DigestClient(wanted.credentials);
    this.#expiresSec = options.expiresSec;
  }

  /** Number of the last REGISTER. */
  get cseq(): number {
    return this.#cseq;
  }

  /** Registers, or renews. Never throws. */
  async register(): Promise<RegisterOutcome> {
    try {
      const answer = await this.#send(this.wanted.contact, this.#expiresSec, this.options.deadlineMs);
      const shortest = answer.response.status === 423 ? secondsOf(answer.response, 'Min-Expires') : null;
      // RFC 3261 §10.2.8; asked once, so that a registrar that never has enough is refused.
      if (shortest === null || shortest <= this.#expiresSec || shortest > MAX_EXPIRES_SEC) return this.#outcome(answer);
      this.#expiresSec = shortest;
      return this.#outcome(await this.#send(this.wanted.contact, shortest, this.options.deadlineMs));
    } catch (err) {
      // One more may have gone out with credentials, whose number nobody knows: the next one must be higher.
      this.#cseq += MAX_CHALLENGES;
      if (err instanceof LinkLostError) return { kind: 'away' };
      return { kind: 'silent', reason: err instanceof Error ? err.message : String(err) };
    }
  }

  /** Takes a contact out of the registrar's bindings, and no other. Never throws. @returns whether the registrar agreed */
  async unregister(contact: string, deadlineMs: number): Promise<boolean> {
    try {
      const { response } = await this.#send(contact, 0, deadlineMs);
      return response.status < 300;
    } catch {
      this.#cseq += MAX_CHALLENGES;
      // It expires by itself.
      return false;
    }
  }

  async #send(contact: string, expiresSec: number, deadlineMs: number): Promise<OutsideAnswer> {
    const { uri, aor, proxy } = this.wanted;
    const answer = await sendOutside(
      this.link,
      {
        method: 'REGISTER',
        uri,
        headers: {
          From: `<${aor}>`,
          To: `<${aor}>`,
          'Call-ID': this.callId,
          CSeq: `${++this.#cseq} REGISTER`,
          Contact: `<${contact}>${expiresSec === 0 ? ';expires=0' : ''}`,
          Expires: `${expiresSec}`,
          'User-Agent': 'Ringwire',
        },
        ...(proxy === undefined ? {} : { proxy }),
      },
      { deadlineMs, proof: this.#proof },
    );
    this.#cseq = Math.max(this.#cseq, Number.parseInt(answer.sent.get('CSeq') ?? '', 10) || 0);
    return answer;
  }

  #outcome({ response, sent, roundTripMs }: OutsideAnswer): RegisterOutcome {
    const { status } = response;
    const reason = `${status} ${response.reason}`;
    if (status >= 300) {
      const isLasting = status < 500 ? !PASSING.has(status) : status >= 600;
      return { kind: 'refused', reason, isLasting, retryAfterSec: secondsOf(response, 'Retry-After'), roundTripMs };
    }
    const contact = contactsOf(sent)[0]?.uri ?? this.wanted.contact;
    const grantedSec = grantedOf(response, contact, this.#expiresSec);
    if (grantedSec === 0) {
      return {
        kind: 'refused',
        reason: `${reason}, but for no time`,
        isLasting: true,
        retryAfterSec: null,
        roundTripMs,
      };
    }
    const { source_address: source } = response as SipResponse & { source_address?: string };
    return { kind: 'registered', reason, grantedSec, contact, source: source || null, roundTripMs };
  }
}

function secondsOf(response: SipResponse, header: string): number | null {
  const digits = /^\s*(\d{1,9})/.exec(response.get(header) ?? '')?.[1];
  return digits === undefined ? null : Number(digits);
}

function contactsOf(message: SipMessageView): { uri: string; expires: string | undefined }[] {
  try {
    return message.getParsedHeader('contact').map(({ uri, params }) => ({ uri, expires: params.expires }));
  } catch {
    // drachtio-srf throws on a Contact that is missing or that it cannot read.
    return [];
  }
}

/** How long our contact is registered: it is one of those in the response (RFC 3261 §10.3 step 8), with a time of its own or the common one. */
function grantedOf(response: SipResponse, contact: string, requestedSec: number): number {
  const contacts = contactsOf(response);
  const own = contacts.find(({ uri }) => isSame(uri, contact)) ?? (contacts.length === 1 ? contacts[0] : undefined);
  const said = /^\d{1,9}$/.test(own?.expires ?? '') ? Number(own?.expires) : secondsOf(response, 'Expires');
  return Math.min(said ?? requestedSec, MAX_EXPIRES_SEC);
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [splitUri(one), splitUri(other)];
  return a !== null && b !== null && a.user === b.user && a.host === b.host && (a.port ?? 5060) === (b.port ?? 5060);
}
