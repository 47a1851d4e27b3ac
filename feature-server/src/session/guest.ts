import type { Logger } from '@ringwire/common';
import { CallGoneError, MediaServerError } from '../errors.js';
import type { MediaEndpoint, MediaServer } from '../media/media.js';
import type { DialledParty } from '../verbs/call-dial.js';
import type { CallLeg } from './call-leg.js';
import { joinMedia } from './caller-as-party.js';
import { joinTalks, type Talk } from './talks.js';

/** What admitting guests needs of the process. */
export interface GuestOptions {
  mediaServer: MediaServer;
  logger: Logger;
  callSid: string;
  /** Takes two parties that no session has any more. */
  handOver(one: DialledParty, other: DialledParty): void;
  /** The leg holds nothing any more. */
  onReleased(): void;
}

/**
 * Somebody whom another feature server sends: he takes the place of a user's telephone in a talk of this process (INVITE with Replaces, RFC 3891). Never
 * rejects: the leg is answered or refused, and a talk that he does not get stays as it was.
 */
export async function admitGuest(leg: CallLeg, talk: Talk, options: GuestOptions): Promise<void> {
  const done = talk.reserve();
  if (!done) {
    leg.reject(491, 'Request Pending', {});
    options.onReleased();
    return;
  }
  const guest = new Guest(leg, options);
  try {
    await guest.answer();
    if (talk.isClosed()) throw new CallGoneError('whom he is to talk with is gone');
    await joinTalks(guest.asTalk(), talk, options.handOver);
    talk.release();
  } catch (err) {
    const isMedia = err instanceof MediaServerError;
    if (!isMedia && !(err instanceof CallGoneError)) options.logger.error({ err }, 'a guest could not be admitted');
    if (!leg.isAnswered) leg.reject(isMedia ? 503 : 500, undefined, {});
    // Once both were given away nobody else hangs up on the user.
    if (guest.hasLeft) talk.release();
    await guest.end();
  } finally {
    done();
  }
}

class Guest implements DialledParty {
  readonly callSid: string;
  readonly ended: Promise<void>;
  /** The feature server that sent him takes his transfers. */
  readonly telephone = undefined;
  readonly verbs = undefined;
  readonly outcome = Promise.resolve({ ok: true, sdp: '', outerCallId: undefined } as const);
  /** Whether he has been given to a talk. */
  hasLeft = false;
  #endpoint: MediaEndpoint | undefined;
  #ending: Promise<void> | undefined;
  #tellEnd: () => void = () => {};

  constructor(
    private readonly leg: CallLeg,
    private readonly options: GuestOptions,
  ) {
    this.callSid = options.callSid;
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    leg.onEnd(() => void this.end());
  }

  get endpoint(): MediaEndpoint | undefined {
    return this.#endpoint;
  }

  get isEnded(): boolean {
    return this.#ending !== undefined;
  }

  /** @throws MediaServerError, CallGoneError */
  async answer(): Promise<void> {
    const { leg } = this;
    const endpoint = await this.options.mediaServer.createEndpoint({ remoteSdp: leg.remoteSdp, callSid: this.callSid });
    this.#endpoint = endpoint;
    if (this.isEnded) {
      await endpoint.destroy();
      throw new CallGoneError('the guest gave up');
    }
    endpoint.onLost(() => void this.end());
    leg.onModify((sdp) => (sdp === '' ? Promise.resolve(endpoint.localSdp) : endpoint.modify(sdp)));
    leg.onDigit((key, durationMs) => endpoint.passKey({ key, ...(durationMs !== undefined && { durationMs }) }));
    await endpoint.outlive();
    await leg.answer(endpoint.localSdp);
  }

  asTalk(): Talk {
    return {
      telephone: undefined,
      callSid: this.callSid,
      goesOn: false,
      bridged: Promise.resolve(),
      isClosed: () => this.isEnded,
      reserve: () => () => {},
      leave: () => {
        this.hasLeft = true;
        return this;
      },
      admit: () => {},
      release: () => {},
      note: () => {},
    };
  }

  onTransfer(): void {}

  /** He is nowhere else. */
  async anchor(): Promise<void> {}

  async join(other: DialledParty): Promise<void> {
    await joinMedia(this, other);
  }

  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#tellEnd();
    if (this.leg.isAnswered) await this.leg.hangup({});
    await this.#endpoint?.destroy();
    this.options.onReleased();
  }
}
