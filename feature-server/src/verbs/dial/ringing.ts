import type { DialSpec, HookSpec } from '@ringwire/verb-specs';
import type { DialledParty } from '../call-dial.js';
import { secondsToMs } from '../quantities.js';
import type { VerbContext } from '../verb.js';
import { confirm } from './confirm.js';
import { type DialResult, noAnswer, statusWord } from './result.js';
import { RingBack } from './ring-back.js';
import type { CalledTarget } from './targets.js';

/** jambonz's time to ring. */
const DEFAULT_TIMEOUT_MS = 60_000;

/** Why a telephone stops to ring where another one has the call: it is not to show a missed call (RFC 3326). */
const ELSEWHERE = { Reason: 'SIP;cause=200;text="Call completed elsewhere"' };

/** Who has answered, where somebody has, and what the action hook is told. */
export interface Answer {
  winner?: DialledParty;
  result: DialResult;
}

/** The legs of one `dial` while they ring: all at once; the first to answer, and to take the call where he is asked to, has it. */
export class Ringing {
  readonly #parties: readonly DialledParty[];
  readonly #ringBack: RingBack;
  /** Ends what is asked of those who have answered, once somebody has the call. */
  readonly #decided = new AbortController();

  constructor(
    private readonly ctx: VerbContext,
    spec: DialSpec,
    private readonly targets: readonly CalledTarget[],
    private readonly signal: AbortSignal,
  ) {
    this.#ringBack = new RingBack(ctx, spec, signal);
    this.#parties = targets.map(({ target, onRinging }) => {
      const party: DialledParty = ctx.dial.call(target, {
        ...(spec.callerId !== undefined && { callerId: spec.callerId }),
        ...(spec.callerName !== undefined && { callerName: spec.callerName }),
        // Who is hidden behind another number is not to be named beside it.
        forwardsIdentity: spec.forwardPAI ?? spec.callerId === undefined,
        ...(spec.codecs && { codecs: spec.codecs }),
        ...(spec.tag && { tag: spec.tag }),
        // Whoever says 0 means nothing (jambonz).
        answerMs: secondsToMs(spec.timeout) || DEFAULT_TIMEOUT_MS,
        onProgress: (status, sdp) => {
          ctx.journal.timeline.info('sip', `${target.address}: ${status}`, { status, callSid: party.callSid });
          if (status === 180 || status === 183) onRinging?.(party);
          if (sdp !== '') this.#ringBack.earlyMedia(party, sdp);
          else if (status === 180 || status === 183) ctx.call.ring();
        },
      });
      return party;
    });
  }

  /** Resolves when somebody has taken the call, nobody can any more, or the verb is ended; the others are released then. */
  async answered(): Promise<Answer> {
    const answer = await this.#first();
    this.#decided.abort();
    // Nobody's BYE keeps the two apart: the others' end is awaited by {@link close}.
    const why = answer.winner && ELSEWHERE;
    for (const party of this.#parties) if (party !== answer.winner) void party.end(why);
    await this.#ringBack.stop();
    return answer;
  }

  /** Ends what is left; never rejects. */
  async close(): Promise<void> {
    this.#decided.abort();
    await this.#ringBack.stop();
    await Promise.all(this.#parties.map((party) => this.ctx.dial.end(party)));
  }

  #first(): Promise<Answer> {
    return new Promise((resolve) => {
      const { signal } = this;
      let waiting = this.#parties.length;
      const gaveUp = (): void => resolve({ result: notAnswered(this.#parties[0]) });
      if (signal.aborted) return gaveUp();
      if (waiting === 0) return resolve({ result: { dialCallStatus: 'failed', dialSipStatus: 400 } });
      signal.addEventListener('abort', gaveUp, { once: true });
      for (const [index, party] of this.#parties.entries()) {
        void this.#outcomeOf(party, this.targets[index]).then((answer) => {
          waiting--;
          if (answer.winner || waiting === 0) resolve(answer);
        });
      }
    });
  }

  async #outcomeOf(party: DialledParty, called: CalledTarget | undefined): Promise<Answer> {
    const outcome = await party.outcome;
    const dialCallSid = party.callSid;
    if (!outcome.ok) {
      const { status, outerCallId: dialSbcCallid } = outcome;
      const outer = dialSbcCallid !== undefined && { dialSbcCallid };
      return { result: { dialCallStatus: statusWord(status), dialSipStatus: status, dialCallSid, ...outer } };
    }
    const accept = called?.accept ?? confirmBy(called?.confirmHook);
    if (accept) {
      // Whoever heard its announcement hears nothing of what it is asked.
      await this.#ringBack.stop();
      const over = AbortSignal.any([this.signal, this.#decided.signal]);
      if (!(await accept(party, over))) {
        await party.end();
        return { result: notAnswered(party) };
      }
    }
    const dialSbcCallid = outcome.outerCallId;
    const result = { dialCallStatus: 'completed', dialSipStatus: 200, dialCallSid } as const;
    return { winner: party, result: { ...result, ...(dialSbcCallid && { dialSbcCallid }) } };
  }
}

function notAnswered(party: DialledParty | undefined): DialResult {
  const dialSbcCallid = party?.outerCallId;
  return { ...noAnswer(party?.callSid), ...(dialSbcCallid !== undefined && { dialSbcCallid }) };
}

const confirmBy = (hook: HookSpec | undefined): CalledTarget['accept'] =>
  hook === undefined ? undefined : (party, over) => confirm(party, hook, over);
