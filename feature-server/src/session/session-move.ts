import { randomUUID } from 'node:crypto';
import { MOVED } from '@ringwire/common/sip/move-call.js';
import type { VerbSpec } from '@ringwire/verb-specs';
import { headerValue } from '../sip/header-value.js';
import type { CallLedger } from './call-ledger.js';
import type { CallLeg, LegEnd } from './call-leg.js';
import type { Journal } from './journal.js';
import type { MovedCall } from './moved-calls.js';

/** The BYE of a leg whose REFER found it gone is there already, or never comes; nor does the edge's word about a leg that is over. */
const BYE_GRACE_MS = 500;

/** A session's way to other feature servers. */
export interface CallMoves {
  /** Keeps the call for whoever is given the id. */
  save(id: string, call: Omit<MovedCall, 'from' | 'accountSid' | 'application'>): Promise<void>;
  drop(id: string): void;
}

/** A call that another feature server has begun. */
export interface ResumedCall extends Pick<MovedCall, 'from' | 'verbs' | 'endsAt' | 'continued'> {
  /** Resolves when the edge has put us in its place; rejects where it does not. */
  committed: Promise<void>;
}

/** What {@link SessionMove} is made of. */
export interface SessionMoveOptions {
  callSid: string;
  leg: CallLeg;
  journal: Journal;
  ledger: Pick<CallLedger, 'takeOver' | 'remove'>;
  /** Missing: the call stays here. */
  moves: CallMoves | undefined;
  resumed: ResumedCall | undefined;
  /** The call as it stands. */
  state(): Omit<MovedCall, 'from' | 'accountSid' | 'application'>;
  /** The call is over, or away. */
  isOver(): boolean;
}

/** Gives a call to another feature server, or takes one over from another. */
export class SessionMove {
  /** Set while the call is on its way to another one: hears whether the BYE to our leg says that it has got there. */
  #onBye: ((isMoved: boolean) => void) | undefined;
  #isTaking: boolean;
  #isGiving = false;
  #endOfTaken: LegEnd | undefined;
  /** Rejects soon after the end of a leg over which the edge has not said that the call is ours. */
  readonly #tooLate = tooLate();

  constructor(private readonly options: SessionMoveOptions) {
    this.#isTaking = options.resumed !== undefined;
  }

  /** How the leg of a call ended that was just being taken over. */
  get endOfTaken(): LegEnd | undefined {
    return this.#endOfTaken;
  }

  /** Whether it is being given away: the other one goes on with the call as it was before. */
  get isGiving(): boolean {
    return this.#isGiving;
  }

  /** Whether the call goes on at the feature server at `ip:port`, and nothing more is to be told of it here. Never rejects. */
  async give(sipAddress: string, spec: VerbSpec, carried?: Readonly<Record<string, unknown>>): Promise<boolean> {
    this.#isGiving = true;
    try {
      return await this.#give(sipAddress, spec, carried);
    } finally {
      this.#isGiving = false;
    }
  }

  async #give(sipAddress: string, spec: VerbSpec, carried?: Readonly<Record<string, unknown>>): Promise<boolean> {
    const { leg, journal, moves, state, isOver } = this.options;
    const id = randomUUID();
    try {
      if (!moves || !leg.isAnswered) throw new Error('it cannot be moved');
      const { verbs, ...call } = state();
      await moves.save(id, { ...call, verbs: [spec, ...verbs], ...(carried && { carried }) });
    } catch (err) {
      const text = err instanceof Error ? err.message : String(err);
      journal.timeline.error('call', `the call was not moved to the feature server at ${sipAddress}: ${text}`);
      return false;
    }
    if (isOver()) return false;
    const outcome = await this.#refer(`<sip:context-${id}@${sipAddress}>`);
    if (outcome === true) {
      journal.timeline.info('call', `the call goes on at the feature server at ${sipAddress}`);
      return true;
    }
    moves.drop(id);
    const text = `the call was not moved to the feature server at ${sipAddress}: ${outcome || 'it is over'}`;
    journal.timeline.error('call', text);
    return false;
  }

  /** True where it is done; else the status of the answer, or false. */
  async #refer(referTo: string): Promise<number | boolean> {
    const { leg, journal } = this.options;
    const bye = new Promise<boolean>((resolve) => {
      this.#onBye = resolve;
    });
    const headers = { 'Refer-To': referTo, 'Referred-By': referTo };
    const reply = leg.request({ method: 'REFER', headers }).then(
      ({ status }) => status === 202 || status,
      (err: unknown) => {
        journal.log.debug({ err }, 'REFER was not answered');
        // Where our leg is over its BYE says whether for the other one.
        return Promise.race([bye, new Promise<boolean>((resolve) => setTimeout(() => resolve(false), BYE_GRACE_MS))]);
      },
    );
    try {
      return await Promise.race([reply, bye]);
    } finally {
      this.#onBye = undefined;
    }
  }

  /**
   * Answers the edge and takes the call. False where it is not ours in the end: then nothing is to be told of it here. Never rejects.
   * @param onLost - it turns out later that somebody has told the call's end: it is none of ours any more
   */
  async take(
    { from, committed }: ResumedCall,
    { prepare, put, onLost }: { prepare(): Promise<string>; put(): void; onLost(): void },
  ): Promise<boolean> {
    const { leg, journal, ledger, callSid } = this.options;
    try {
      await leg.answer(await prepare());
      await Promise.race([committed, this.#tooLate.promise]);
      // From the edge's word on the call is ours, and its end too where the caller has hung up meanwhile.
      put();
      if (!(await ledger.takeOver(callSid, from, onLost)))
        throw new Error(`${from}, or another one for it, has ended it`);
    } catch (err) {
      const text = err instanceof Error ? err.message : String(err);
      journal.log.warn({ err, from }, 'a call was not taken over');
      if (leg.isAnswered) void leg.hangup({});
      else leg.reject(503, undefined, { 'X-Reason': headerValue(text) });
      ledger.remove(callSid);
      return false;
    } finally {
      clearTimeout(this.#tooLate.timer);
    }
    this.#isTaking = false;
    journal.timeline.info('call', `the call was taken over from ${from}`);
    return true;
  }

  /** Whether the end of our leg is none of the call's: it goes on, or ends, elsewhere. */
  isAwayWith(end: LegEnd): boolean {
    if (this.#isTaking) {
      this.#endOfTaken = end;
      this.#tooLate.timer = setTimeout(() => this.#tooLate.reject(new Error('its leg is over')), BYE_GRACE_MS);
      return true;
    }
    if (!this.#onBye) return false;
    const isMoved = end.how === 'bye' && Object.values(end.headers).includes(MOVED);
    this.#onBye(isMoved);
    return isMoved;
  }
}

function tooLate(): { promise: Promise<never>; reject(error: Error): void; timer: NodeJS.Timeout | undefined } {
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<never>((_, fail) => {
    reject = fail;
  });
  // Whoever waits gets the error; where nobody does, the rejection would end the process.
  promise.catch(() => {});
  return { promise, reject, timer: undefined };
}
