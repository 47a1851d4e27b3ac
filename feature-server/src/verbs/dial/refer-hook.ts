import type { DialSpec, VerbSpec } from '@ringwire/verb-specs';
import type { ReferRequest } from '../../session/call-leg.js';
import { referDetails } from '../../session/refer-details.js';
import type { DialledParty } from '../call-dial.js';
import type { Conversation } from '../conversation.js';
import type { TransferOptions, VerbContext } from '../verb.js';

/**
 * `referHook`: a REFER of either leg is told to the application; the verbs that it answers are what the other leg goes on with. Without verbs the
 * transfer is done as the telephone has asked for it, where it may be.
 */
export function askAboutTransfers(
  ctx: VerbContext,
  { referHook }: DialSpec,
  conversation: () => Conversation | undefined,
  signal: AbortSignal,
): { caller: TransferOptions; callee: TransferOptions } {
  if (referHook === undefined) return { caller: {}, callee: {} };
  const ask = async (
    refer: ReferRequest,
    leg: VerbContext,
    other: VerbContext | undefined,
    goOn: (verbs: VerbSpec[]) => Promise<boolean>,
  ): Promise<boolean> => {
    const referred = other && { referredCallSid: other.call.callSid };
    const details = referDetails(refer, { referringCallSid: leg.call.callSid, ...referred });
    const reply = await leg.app.ask(referHook, { referDetails: details }, new AbortController().signal);
    return reply?.verbs?.length ? goOn(reply.verbs) : false;
  };
  const party = (): DialledParty | undefined => conversation()?.party;
  return {
    caller: {
      toAnybody: true,
      ask: (refer) => {
        const callee = party();
        return ask(refer, ctx, callee?.verbs?.ctx, async (verbs) => {
          // He may have hung up by now.
          const isReplaced = signal.aborted && !ctx.call.isOver;
          return !isReplaced && callee !== undefined && !callee.isEnded && ctx.dial.adult(callee, { verbs });
        });
      },
    },
    callee: {
      toAnybody: true,
      ask: (refer) => {
        return ask(refer, party()?.verbs?.ctx ?? ctx, ctx, async (verbs) => {
          if (signal.aborted) return false;
          ctx.call.redirect(verbs);
          return true;
        });
      },
    },
  };
}
