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
  #leg: PlacedLeg | undefined;
  #isEnded = false;
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

  async bridge(): Promise<void> {
    if (!this.#endpoint) throw new Error('the dialled leg has no media');
    await this.options.bridge(this.#endpoint);
  }

  async end(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#tellEnd();
    await this.#leg?.end();
    await this.#endpoint?.destroy();
    this.onReleased();
  }

  async #dial(target: DialTarget, { answerMs, onProgress, ...dial }: DialOptions): Promise<DialOutcome> {
    const { dialler, mediaServer, caller } = this.options;
    const endpoint = await mediaServer.createEndpoint({ callSid: this.callSid });
    this.#endpoint = endpoint;
    if (this.#isEnded) {
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
    leg.onEnd(() => void this.end());
    await endpoint.modify(outcome.sdp);
    return outcome;
  }
}
