/** Callers of a {@link PlatformRig} who are told apart by their tones, and told what to do each for himself. */
import { until } from '@ringwire/common/testing/until.js';
import type { PhoneCall, PlaceCallOptions } from '@ringwire/phone';
import { tone, toneShare } from '@ringwire/rtp';
import type { PlatformRig } from './platform-rig.js';

/** A caller, who speaks one tone all the time. */
export interface Caller {
  callSid: string;
  call: PhoneCall;
  /** Resolves when the tone of another is the better part, or a good part, of what he hears. */
  hears(hz: number): Promise<void>;
  /** Whether he hears it at this moment. */
  hearsNow(hz: number): boolean;
}

const TALK_MS = 30_000;
/** What is judged of what was heard last. */
const WINDOW = 2_400;
const IS_HEARD = 0.2;

/** Lets callers call whose application answers each with verbs of his own. */
export function callersOf(rig: PlatformRig) {
  const verbsOf = new Map<string, unknown[]>();
  let made = 0;
  rig.app.on('/hook', (response, { json }) => {
    const verbs = verbsOf.get(String(json.call_sid)) ?? [];
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(verbs));
  });
  return async (hz: number, verbs: unknown[], options: Partial<PlaceCallOptions> = {}): Promise<Caller> => {
    const callSid = `caller-${++made}`;
    verbsOf.set(callSid, verbs);
    const headers = { ...options.headers, 'X-Call-Sid': callSid };
    const call = await rig.call({ play: tone(hz, TALK_MS), ...options, headers });
    await call.answered();
    const share = (of: number): number => {
      const heard = call.heardSoFar();
      return heard.length < WINDOW ? 0 : toneShare(heard, of, 8_000, heard.length - WINDOW, heard.length);
    };
    return {
      callSid,
      call,
      hears: async (of) => {
        await until(`${of} Hz is heard by ${callSid}`, () => share(of) > IS_HEARD);
      },
      hearsNow: (of) => share(of) > IS_HEARD,
    };
  };
}
