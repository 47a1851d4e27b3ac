import { randomUUID } from 'node:crypto';
import type { MediaEndpoint, MediaServer } from '../media/media.js';
import type { CallDial, DialledParty, DialOptions } from '../verbs/verb.js';
import type { DialCaller, Dialler, DialOutcome, DialTarget, PlacedLeg } from './dialler.js';
import type { Journal } from './journal.js';

/** What {@link SessionDial} is made of. */
export interface SessionDialOptions {
  dialler: Dialler;
  mediaServer: MediaServer;
  journal: Journal;
  /** The call that dials, as it is known now. */
  caller(): DialCaller;
  /** Joins the call's own media with that of a party. */
  bridge(other: MediaEndpoint): Promise<void>;
  onHandedOver(one: DialledParty, other: DialledParty): void;
}

/** The legs that a call has placed, from their INVITE to their end. */
export class SessionDial implements CallDial {
  readonly #parties = new Set<Party>();

  constructor(private readonly options: SessionDialOptions) {}

  call(target: DialTarget, dial: DialOptions): DialledParty {
    const party = new Party(target, dial, this.options, () => this.#parties.delete(party));
    this.#parties.add(party);
    return party;
  }

  handOver(one: DialledParty, other: DialledParty): void {
    for (const party of [...this.#parties]) {
      if (party !== one && party !== other) continue;
      party.isHandedOver = true;
      this.#parties.delete(party);
    }
    this.options.onHandedOver(one, other);
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
  isHandedOver = false;
  #endpoint: MediaEndpoint | undefined;
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

  async bridge(): Promise<void> {
    if (!this.#endpoint) throw new Error('the dialled leg has no media');
    // The caller may transfer it and hang up: the media server would end it together with him.
    await this.#endpoint.outlive();
    await this.options.bridge(this.#endpoint);
  }

  async join(other: DialledParty): Promise<void> {
    const theirs = other instanceof Party ? other.#endpoint : undefined;
    if (!this.#endpoint || !theirs) throw new Error('the dialled leg has no media');
    await this.#endpoint.bridge(theirs);
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
    leg.onModify((sdp) => (sdp === '' ? Promise.resolve(endpoint.localSdp) : endpoint.modify(sdp)));
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
