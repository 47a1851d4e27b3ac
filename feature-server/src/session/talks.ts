import type { DialogTags, Replaces } from '@ringwire/common/sip/replaces.js';
import { MediaServerError } from '../errors.js';
import type { DialledParty } from '../verbs/call-dial.js';

/** A user's telephone in a call: who he is, and its dialog with the edge. */
export interface Telephone {
  accountSid: string;
  /** `alice@example.com`. */
  user: string;
  /** Of the outer leg: the telephone knows no other dialog. */
  dialog: { callId: string } & DialogTags;
}

/** A talk as a REFER names it, by whom. */
export interface NamedTalk extends Pick<Telephone, 'accountSid' | 'user'> {
  replaces: Replaces;
}

/** One of the two ends of what `dial` has connected, seen from the user who sits there: somebody else may be given his place. */
export interface Talk {
  /** Absent: nobody can name this talk. */
  readonly telephone: Telephone | undefined;
  /** The session in which it is. */
  readonly callSid: string;
  /** Whether the session lives on without the user: he was called by it. */
  readonly goesOn: boolean;
  /** Resolves when the two hear each other, or will not any more. */
  readonly bridged: Promise<void>;
  /** Whether whom the user talks with is not to be had any more: their `dial` is over. */
  isClosed(): boolean;
  /** Keeps other transfers away until what it returns is called; undefined while there is one, or nobody to be transferred. */
  reserve(): (() => void) | undefined;
  /** Gives away whom the user talks with. He himself stays, alone, until {@link release}. */
  leave(): DialledParty;
  /** Somebody else's party takes the user's place where the session {@link goesOn}. */
  admit(party: DialledParty): void;
  /** Hangs up on the user. */
  release(): void;
  /** Writes on the timeline of the session. */
  note(text: string): void;
}

/** The talks of this process whose users have telephones that may name them. Who adds one removes it. */
export class Talks {
  readonly #byCallId = new Map<string, Talk>();

  get count(): number {
    return this.#byCallId.size;
  }

  /** @returns what removes it */
  add(talk: Talk): () => void {
    const callId = talk.telephone?.dialog.callId;
    if (callId === undefined) return () => {};
    this.#byCallId.set(callId, talk);
    return () => {
      if (this.#byCallId.get(callId) === talk) this.#byCallId.delete(callId);
    };
  }

  /** The talk of a user that a Replaces names; undefined where it is somebody else's, or a tag is wrong (RFC 3891 §3). */
  find({ accountSid, user, replaces: { callId, toTag, fromTag } }: NamedTalk): Talk | undefined {
    const talk = this.#byCallId.get(callId);
    const telephone = talk?.telephone;
    if (telephone?.accountSid !== accountSid || telephone.user.toLowerCase() !== user.toLowerCase()) return undefined;
    const { dialog } = telephone;
    return dialog.toTag === toTag && dialog.fromTag === fromTag ? talk : undefined;
  }
}

/**
 * Lets those talk with each other with whom a user talks in two calls: each takes the user's place in the other's call. Nobody waits for anything before
 * both are given away, so that the user may hang up at once. The caller has reserved both, and releases the user.
 *
 * @param handOver - takes two parties that no session has any more
 * @throws MediaServerError; nothing is left of the talks then
 */
export async function joinTalks(
  one: Talk,
  other: Talk,
  handOver: (one: DialledParty, other: DialledParty) => void,
): Promise<void> {
  const parties = [one.leave(), other.leave()] as const;
  const [first, second] = parties;
  if (!one.goesOn && !other.goesOn) handOver(first, second);
  one.admit(second);
  other.admit(first);
  try {
    await Promise.all([one.bridged, other.bridged]);
    // `dial` may have ended meanwhile: nobody is to hear what the caller does next.
    if (parties.some(({ isEnded }) => isEnded)) throw new MediaServerError('one of the two is gone');
    await first.join(second);
  } catch (error) {
    for (const party of parties) void party.end();
    throw error;
  }
  one.note(`those of calls ${one.callSid} and ${other.callSid} talk with each other`);
  if (other.callSid !== one.callSid)
    other.note(`those of calls ${other.callSid} and ${one.callSid} talk with each other`);
}
