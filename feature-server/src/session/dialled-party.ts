import type { MediaEndpoint, MediaServer } from '../media/media.js';
import type { DialledParty, DialOptions, TransferHandler, TransferOptions } from '../verbs/verb.js';
import { joinMedia } from './caller-as-party.js';
import type { ChildCall } from './child-calls.js';
import type { DialCaller, DialledUser, Dialler, DialOutcome, DialTarget, PlacedLeg } from './dialler.js';
import type { Journal } from './journal.js';
import type { Telephone } from './talks.js';
import { transferOf } from './transfer-target.js';

const TERMINATED = { ok: false, status: 487, reason: 'Request Terminated' } as const;

/** What a {@link Party} needs of the call that places it. */
export interface PartyOptions {
  dialler: Dialler;
  mediaServer: MediaServer;
  /** Of the call that dials. */
  journal: Journal;
  /** The call that dials, as it is known now. */
  caller(): DialCaller;
  /** Whether the account has a user of this name. */
  isUser(name: string): boolean;
}

/** Somebody whom a call has called: a leg and its media, from the INVITE to the end of both. */
export class Party implements DialledParty {
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
    /** The same leg as its status hooks, and who controls it, see it. */
    readonly child: ChildCall,
    private readonly options: PartyOptions,
    private readonly onReleased: () => void,
  ) {
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    this.#takeCommands();
    this.outcome = this.#dial(target, dial).catch(async (err: unknown): Promise<DialOutcome> => {
      const reason = err instanceof Error ? err.message : String(err);
      options.journal.log.warn({ err, callSid: this.callSid }, 'a leg could not be placed');
      return this.#fail({ ok: false, status: 503, reason });
    });
  }

  get callSid(): string {
    return this.child.callSid;
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

  end(headers: Record<string, string> = {}): Promise<void> {
    this.#ending ??= this.#end(headers);
    return this.#ending;
  }

  /** What can be done to the leg at any time. */
  #takeCommands(): void {
    const { commands, info } = this.child;
    commands.on('hangup', ({ headers }) => {
      void this.end(headers);
      return { ok: true };
    });
    commands.on('call:status', ({ callStatus }) => {
      const isAnswered = info.answeredAt !== undefined;
      if ((callStatus === 'completed') !== isAnswered) {
        const reason = isAnswered ? 'the leg is answered' : 'the leg is not answered';
        return { ok: false, because: 'wrong state', reason };
      }
      void this.end();
      return { ok: true };
    });
  }

  async #end(headers: Record<string, string>): Promise<void> {
    this.#tellEnd();
    if (this.child.info.answeredAt !== undefined) this.child.ended('jambonz');
    await this.#leg?.end(headers);
    // Whoever gave up does not wait for what the far end says to it.
    this.child.refused(TERMINATED);
    await this.#endpoint?.destroy();
    this.onReleased();
  }

  async #fail(outcome: Extract<DialOutcome, { ok: false }>): Promise<DialOutcome> {
    this.child.refused(outcome);
    await this.end();
    return outcome;
  }

  async #dial(target: DialTarget, { answerMs, onProgress, ...dial }: DialOptions): Promise<DialOutcome> {
    const { dialler, mediaServer, caller } = this.options;
    const { child } = this;
    const endpoint = await mediaServer.createEndpoint({ callSid: this.callSid });
    this.#endpoint = endpoint;
    if (this.isEnded) {
      await endpoint.destroy();
      return TERMINATED;
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
      callId: child.callId,
      offer: endpoint.localSdp,
      answerMs,
      onProgress: (status, sdp) => {
        child.progress(status, sdp);
        onProgress(status, sdp);
      },
    });
    this.#leg = leg;
    endpoint.onLost(() => {
      child.lost();
      void this.end();
    });
    const outcome = await leg.outcome;
    if (!outcome.ok) return this.#fail(outcome);
    this.#user = outcome;
    child.answered(outcome);
    // Whoever ended it while it was being answered has told nobody yet.
    if (this.isEnded) child.ended('jambonz');
    leg.onDigit((key, durationMs) => endpoint.passKey({ key, ...(durationMs !== undefined && { durationMs }) }));
    leg.onModify(async (remoteSdp, isReplaced) => {
      const localSdp = remoteSdp === '' ? endpoint.localSdp : await endpoint.modify(remoteSdp);
      if (isReplaced) this.#user = undefined;
      return localSdp;
    });
    leg.onEnd((end) => {
      this.#hasHungUp = true;
      if (end.how === 'bye') child.ended('caller', end.headers);
      else child.lost();
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
