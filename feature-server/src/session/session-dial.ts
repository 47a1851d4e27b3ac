import type { MediaEndpoint } from '../media/media.js';
import type { CallDial, DialledParty, DialOptions } from '../verbs/call-dial.js';
import type { AdultStart, LeavingLeg } from './adulting.js';
import { CallerAsParty } from './caller-as-party.js';
import type { ChildCalls } from './child-calls.js';
import { Party, type PartyOptions } from './dialled-party.js';
import type { DialTarget } from './dialler.js';
import { type TalkEnd, TalkPath } from './talk-path.js';
import type { Talk, Talks, Telephone } from './talks.js';

/** What {@link SessionDial} is made of. */
export interface SessionDialOptions extends PartyOptions {
  /** The legs as calls of their own. */
  children: ChildCalls;
  /** Joins the call's own media with that of a party. */
  bridge(other: MediaEndpoint): Promise<void>;
  /** The call's own media, once there is some. */
  endpoint(): MediaEndpoint | undefined;
  /** Has it at the media server again where it was released. @throws MediaServerError */
  anchor(): Promise<void>;
  /** The call's own leg as one of two who talk with each other. */
  asEnd(): TalkEnd;
  callSid: string;
  /** See {@link CallDial.releasesMedia}. */
  releasesMedia: boolean;
  /** Talks of this process. */
  talks: Talks;
  /** The caller's telephone, where he is a user. */
  telephone(): Telephone | undefined;
  /** A leg becomes a call of its own. */
  onAdult(leaving: LeavingLeg, start: AdultStart): void;
  onHandedOver(one: DialledParty, other: DialledParty): void;
}

/** The legs that a call has placed, from their INVITE to their end. */
export class SessionDial implements CallDial {
  readonly #parties = new Set<DialledParty>();

  constructor(private readonly options: SessionDialOptions) {}

  call(target: DialTarget, dial: DialOptions): DialledParty {
    const { from, displayName } = this.options.caller();
    const child = this.options.children.make({
      to: target.address,
      from: dial.callerId ?? from,
      callerName: dial.callerName ?? displayName,
      ...(dial.tag && { tag: dial.tag }),
    });
    const party = new Party(target, dial, child, this.options, () => this.#parties.delete(party));
    this.#parties.add(party);
    return party;
  }

  get releasesMedia(): boolean {
    return this.options.releasesMedia;
  }

  pathWith(party: DialledParty): TalkPath | undefined {
    if (!(party instanceof Party) || !this.owns(party)) return undefined;
    const { asEnd, journal } = this.options;
    return new TalkPath({
      ...{ caller: asEnd(), callee: party.asEnd, journal },
      bridge: () => this.bridge(party),
      // Silence for ever is worse than the end: the caller goes on with what comes after it.
      onBroken: () => void party.end(),
    });
  }

  async bridge(party: DialledParty): Promise<void> {
    await Promise.all([this.options.anchor(), party.anchor()]);
    if (!party.endpoint) throw new Error('the dialled leg has no media');
    // The caller may transfer it and hang up: the media server would end it together with him.
    await party.endpoint.outlive();
    await this.options.bridge(party.endpoint);
  }

  async unbridge(): Promise<void> {
    await this.options.endpoint()?.unbridge();
  }

  async adult(party: DialledParty, start: AdultStart): Promise<boolean> {
    if (!(party instanceof Party) || !this.owns(party)) return false;
    await party.anchor();
    await this.unbridge();
    const leaving = party.leave();
    if (!leaving) return false;
    this.options.onAdult(leaving, start);
    return true;
  }

  owns(party: DialledParty): boolean {
    return this.#parties.has(party);
  }

  giveAway(party: DialledParty): void {
    this.#parties.delete(party);
    if (party instanceof Party) this.options.children.release(party.child);
  }

  adopt(party: DialledParty): void {
    this.#parties.add(party);
    void party.ended.then(() => this.#parties.delete(party));
  }

  async end(party: DialledParty): Promise<void> {
    if (this.#parties.has(party)) await party.end();
  }

  handOver(one: DialledParty, other: DialledParty): void {
    this.giveAway(one);
    this.giveAway(other);
    this.options.onHandedOver(one, other);
  }

  get telephone(): Telephone | undefined {
    return this.options.telephone();
  }

  asParty(life: { ended: Promise<void>; end(): void }): DialledParty {
    return new CallerAsParty(this.options.callSid, this.options, life);
  }

  publish(talk: Talk): () => void {
    return this.options.talks.add(talk);
  }

  findTalk({ talk }: DialTarget): Talk | undefined {
    const { accountSid } = this.options.caller();
    return talk && this.options.talks.find({ accountSid, ...talk });
  }

  /** Ends what is left; never rejects. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#parties].map((party) => party.end()));
  }
}
