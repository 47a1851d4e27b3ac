import type { BridgedCallPlan } from '@ringwire/common/sip/bridged-call-plan.js';
import type { CallJournal } from '@ringwire/common/sip/call-journal.js';
import type { LegFailure, LegTarget } from '@ringwire/common/sip/place-leg.js';
import type { SipHeaders } from '@ringwire/common/sip/stack.js';
import type { SetupObserver } from '@ringwire/common/sip/two-leg-setup.js';
import type { UriParts } from '@ringwire/common/sip/uri.js';
import { splitUri, unescaped } from '@ringwire/common/sip/uri.js';

/** How a call goes on its way. */
export interface Way
  extends Pick<BridgedCallPlan, 'nextTarget' | 'observer' | 'farEnd' | 'outwardStatus' | 'mayBePickedUp'> {
  /** What the feature server hears of who is called. */
  readonly answerHeaders?: SipHeaders | undefined;
  /** The URI of the user who is called. */
  readonly userUri?: string | undefined;
}

/** Where a 3xx points to. */
export interface Redirect {
  uri: string;
  target: UriParts;
}

/** Redirects of one call that are followed: more would let two telephones send it back and forth. */
const MAX_REDIRECTS = 5;

/** The Contacts of a 3xx that can be called, without the headers that a URI may carry (RFC 3261 §19.1.5). */
function redirectsOf({ contacts }: LegFailure): Redirect[] {
  return (contacts ?? []).flatMap((contact) => {
    const uri = contact.replace(/\?.*$/s, '');
    const target = splitUri(uri);
    const isReadable = target && target.scheme !== 'tel' && target.host !== '' && unescaped(target.user ?? '') !== null;
    return isReadable ? [{ uri, target }] : [];
  });
}

/** draft-levy-sip-diversion: who sent the call on, before those who did earlier. */
function diverted(leg: LegTarget, diversion: string): LegTarget {
  const [name = 'Diversion', earlier] = Object.entries(leg.headers).find(([one]) => /^diversion$/i.test(one)) ?? [];
  const headers = { ...leg.headers, [name]: earlier === undefined ? diversion : `${diversion}, ${earlier}` };
  const { alongside } = leg;
  return { ...leg, headers, ...(alongside ? { alongside: alongside.map((one) => diverted(one, diversion)) } : {}) };
}

/** Where a redirect leads, and whether whoever is there may redirect again. */
export interface Followed {
  way: Way;
  mayRedirect: boolean;
}

/** Judges a redirect: a text says why it is not followed. */
export type Follow = (
  redirect: Redirect,
  journal: CallJournal,
) => Promise<((journal: CallJournal) => Followed) | string>;

/**
 * Lets those who are called send the call on with a 3xx: to each Contact, best first, until one can be reached. What is not followed is said on the timeline, and
 * the last failure told on as it is.
 *
 * @param called - the URI of who is called
 */
export function redirectable<T extends { ok: true; plan(journal: CallJournal): Way } | { ok: false }>(
  destination: T,
  called: string,
  follow: Follow,
): T {
  if (!destination.ok) return destination;
  return {
    ...destination,
    plan: (journal: CallJournal) => new RedirectedCall(destination.plan(journal), called, journal, follow).way,
  };
}

class RedirectedCall {
  #current: Followed;
  #diversion: string | undefined;
  readonly #seen: Set<string>;
  readonly #waiting: Redirect[] = [];

  constructor(
    first: Way,
    private called: string,
    private readonly journal: CallJournal,
    private readonly follow: Follow,
  ) {
    this.#current = { way: first, mayRedirect: true };
    this.#seen = new Set([called]);
  }

  /** As a bridged call asks for it: each part is that of whoever is called now. */
  get way(): Way {
    const { farEnd, mayBePickedUp = false } = this.#current.way;
    const answerHeaders = (): SipHeaders | undefined => this.#current.way.answerHeaders;
    const userUri = (): string | undefined => this.#current.way.userUri;
    const now = (): SetupObserver | undefined => this.#current.way.observer;
    return {
      farEnd,
      mayBePickedUp,
      get answerHeaders() {
        return answerHeaders();
      },
      get userUri() {
        return userUri();
      },
      nextTarget: (failure) => this.#nextTarget(failure),
      outwardStatus: (failure) => this.#current.way.outwardStatus?.(failure),
      observer: {
        progress: (target, response) => now()?.progress?.(target, response),
        answered: (target, response) => now()?.answered?.(target, response),
        // Absent where the call itself tells of failures.
        get failed() {
          return now()?.failed;
        },
      } as SetupObserver,
    };
  }

  async #nextTarget(failure?: LegFailure): Promise<LegTarget | null> {
    const { way, mayRedirect } = this.#current;
    const next = await way.nextTarget(failure);
    if (next) return this.#shown(next);
    if (mayRedirect && failure?.kind === 'refused') this.#waiting.unshift(...redirectsOf(failure));
    for (let redirect = this.#waiting.shift(); redirect; redirect = this.#waiting.shift()) {
      const target = await this.#to(redirect);
      if (target) return target;
    }
    return null;
  }

  async #to(redirect: Redirect): Promise<LegTarget | null> {
    const { timeline } = this.journal;
    if (this.#seen.has(redirect.uri)) return null;
    if (this.#seen.size > MAX_REDIRECTS) {
      timeline.warn('routing', `redirect to ${redirect.uri} is not followed: there were ${MAX_REDIRECTS}`);
      return null;
    }
    this.#seen.add(redirect.uri);
    const followed = await this.follow(redirect, this.journal);
    if (typeof followed === 'string') {
      timeline.warn('routing', `redirect to ${redirect.uri} is not followed: ${followed}`);
      return null;
    }
    timeline.info('routing', `redirected to ${redirect.uri}`);
    this.#current = followed(this.journal);
    this.#diversion = `<${this.called}>;reason=unknown`;
    this.called = redirect.uri;
    const target = await this.#current.way.nextTarget();
    return target && this.#shown(target);
  }

  #shown(target: LegTarget): LegTarget {
    if (this.#diversion === undefined) return target;
    // A carrier's own diversion (`VoipCarrier.diversion`) is the only one that it takes.
    const hasOwn = !this.#current.mayRedirect && Object.keys(target.headers).some((name) => /^diversion$/i.test(name));
    return hasOwn ? target : diverted(target, this.#diversion);
  }
}
