import { randomUUID } from 'node:crypto';
import type { MediaEndpoint, MediaServer } from '../media/media.js';
import type { CallDial, DialledParty, DialOptions, TransferHandler, TransferOptions } from '../verbs/verb.js';
import { CallerAsParty, joinMedia } from './caller-as-party.js';
import type { DialCaller, DialledUser, Dialler, DialOutcome, DialTarget, PlacedLeg } from './dialler.js';
import type { Journal } from './journal.js';
import type { Talk, Talks, Telephone } from './talks.js';
import { transferOf } from './transfer-target.js';

/** What {@link SessionDial} is made of. */
export interface SessionDialOptions {
  dialler: Dialler;
  mediaServer: MediaServer;
  journal: Journal;
  /** The call that dials, as it is known now. */
  caller(): DialCaller;
  /** Joins the call's own media with that of a party. */
  bridge(other: MediaEndpoint): Promise<void>;
  /** The call's own media, once there is some. */
  endpoint(): MediaEndpoint | undefined;
  callSid: string;
  /** Talks of this process. */
  talks: Talks;
  /** The caller's telephone, where he is a user. */
  telephone(): Telephone | undefined;
  /** Whether the account has a user of this name. */
  isUser(name: string): boolean;
  onHandedOver(one: DialledParty, other: DialledParty): void;
}

/** The legs that a call has placed, from their INVITE to their end. */
export class SessionDial implements CallDial {
  readonly #parties = new Set<DialledParty>();

  constructor(private readonly options: SessionDialOptions) {}

  call(target: DialTarget, dial: DialOptions): DialledParty {
    const party = new Party(target, dial, this.options, () => this.#parties.delete(party));
    this.#parties.add(party);
    return party;
  }

  async bridge(party: DialledParty): Promise<void> {
    if (!party.endpoint) throw new Error('the dialled leg has no media');
    // The caller may transfer it and hang up: the media server would end it together with him.
    await party.endpoint.outlive();
    await this.options.bridge(party.endpoint);
  }

  owns(party: DialledParty): boolean {
    return this.#parties.has(party);
  }

  giveAway(party: DialledParty): void {
    this.#parties.delete(party);
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
    return new CallerAsParty(this.options.callSid, this.options.endpoint(), life);
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

class Party implements DialledParty {
  readonly callSid = randomUUID();
  readonly outcome: Promise<DialOutcome>;
  readonly ended: Promise<void>;
  #endpoint: MediaEndpoint | undefined;
  #user: (DialledUser & { outerCallId: string | undefined }) | undefined;
  #leg: PlacedLeg | undefined;
  #ending: Promise<void> | undefined;
  #hasHungUp = false;
  #tellEnd: () => void = () => {};

  constructor(
    target: DialTarget,
    dial: DialOptions,
    private readonly options: SessionDialOptions,
    private readonly onReleased: () => void,
  ) {
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    this.outcome = this.#dial(target, dial).catch(async (err: unknown): Promise<DialOutcome> => {
      await this.end();
      const reason = err instanceof Error ? err.message : String(err);
      options.journal.log.warn({ err, callSid: this.callSid }, 'a leg could not be placed');
      return { ok: false, status: 503, reason };
    });
  }

  get isEnded(): boolean {
    return this.#ending !== undefined;
  }

  get endpoint(): MediaEndpoint | undefined {
    return this.#endpoint;
  }

  get telephone(): Telephone | undefined {
    const { accountSid } = this.options.caller();
    return this.#user && telephoneOf(accountSid, this.#user);
  }

  onTransfer(handler: TransferHandler | undefined, { toAnybody = false }: TransferOptions = {}): void {
    const { isUser, journal } = this.options;
    this.#leg?.onRefer(
      handler &&
        ((refer) => {
          const { user, mayCallUsers = false } = this.#user ?? {};
          const asked = transferOf(refer, { user, mayCallUsers, mayCallAnybody: toAnybody, isUser });
          const status = !asked.ok ? asked.status : handler({ target: asked.target, notify: refer.notify }) ? 202 : 491;
          journal.timeline.info('sip', `REFER of the callee to ${refer.uri}: ${status}`, { callSid: this.callSid });
          return status;
        }),
    );
  }

  async join(other: DialledParty): Promise<void> {
    await joinMedia(this, other);
  }

  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#tellEnd();
    await this.#leg?.end();
    await this.#endpoint?.destroy();
    this.onReleased();
  }

  async #dial(target: DialTarget, { answerMs, onProgress, ...dial }: DialOptions): Promise<DialOutcome> {
    const { dialler, mediaServer, caller } = this.options;
    const endpoint = await mediaServer.createEndpoint({ callSid: this.callSid });
    this.#endpoint = endpoint;
    if (this.isEnded) {
      await endpoint.destroy();
      return { ok: false, status: 487, reason: 'Request Terminated' };
    }
    const known = caller();
    const leg = dialler.place({
      target,
      caller: {
        ...known,
        ...(dial.callerId !== undefined && { from: dial.callerId }),
        ...(dial.callerName !== undefined && { displayName: dial.callerName }),
        ...(!dial.forwardsIdentity && { identity: {} }),
      },
      callSid: this.callSid,
      offer: endpoint.localSdp,
      answerMs,
      onProgress: (status) => onProgress(status),
    });
    this.#leg = leg;
    endpoint.onLost(() => void this.end());
    const outcome = await leg.outcome;
    if (!outcome.ok) {
      await this.end();
      return outcome;
    }
    this.#user = outcome;
    leg.onDigit((key, durationMs) => endpoint.passKey({ key, ...(durationMs !== undefined && { durationMs }) }));
    leg.onModify(async (remoteSdp, isReplaced) => {
      const localSdp = remoteSdp === '' ? endpoint.localSdp : await endpoint.modify(remoteSdp);
      if (isReplaced) this.#user = undefined;
      return localSdp;
    });
    leg.onEnd(() => {
      this.#hasHungUp = true;
      void this.end();
    });
    await Promise.race([takeUp(endpoint, outcome), this.ended]);
    // Who hangs up at once has answered all the same; otherwise the media server lost the leg, or nobody waits for it.
    if (this.isEnded && !this.#hasHungUp) return { ok: false, status: 503, reason: 'the leg was lost' };
    return outcome;
  }
}

/** Gives the media of a leg what its far end answered. */
export async function takeUp(
  endpoint: MediaEndpoint,
  { sdp, sendKey }: Extract<DialOutcome, { ok: true }>,
): Promise<void> {
  if (sendKey) await endpoint.divertKeys(({ key, durationMs }) => sendKey(key, durationMs));
  await endpoint.modify(sdp);
}

/** The telephone of a user whose dialog the edge has told of; undefined where it has not, or it is nobody's. */
export function telephoneOf(
  accountSid: string,
  { user, outerCallId: callId, outerTags }: DialledUser & { outerCallId: string | undefined },
): Telephone | undefined {
  if (user === undefined || callId === undefined || !outerTags) return undefined;
  return { accountSid, user, dialog: { callId, ...outerTags } };
}
