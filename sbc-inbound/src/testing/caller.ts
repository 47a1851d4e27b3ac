import { createUserAgent, type Dialog, type OutgoingCall, type SipMessage, type UserAgent } from '@ringwire/sip';
import { startAudio, type TestAudio } from './media.js';
import type { Teardown } from './stores.js';

/** A carrier's telephone. */
export interface TestCaller {
  agent: UserAgent;
  audio: TestAudio;
  /** Calls a number at the edge. */
  call(sipPort: number, number: string, headers?: Record<string, string>): OutgoingCall;
}

/** The number that the seed leads to an application. */
export const NUMBER = '15551234567';

/** Opens a telephone; an address that is no carrier's makes it a stranger. */
export async function startCaller(
  t: Teardown,
  host = '127.0.0.1',
  transport: 'udp' | 'tcp' = 'udp',
): Promise<TestCaller> {
  // To and Request-URI of a call over UDP say nothing of it, as most telephones'.
  const over = transport === 'udp' ? '' : `;transport=${transport}`;
  const agent = await createUserAgent({
    listen: [{ transport, host, port: 0 }],
    user: '15550001111',
    displayName: 'Anna',
  });
  t.teardown(() => agent.stop());
  const audio = await startAudio(t);
  return {
    agent,
    audio,
    call: (sipPort, number, headers = {}) =>
      agent.invite({ uri: `sip:${number}@127.0.0.1:${sipPort}${over}`, sdp: audio.sdp, headers }),
  };
}

/** The final response of a call that must fail. */
export async function refusal(call: OutgoingCall): Promise<SipMessage> {
  const error = await call.answered.then(
    () => new Error('the call was answered'),
    (failure: { response?: SipMessage }) => failure,
  );
  if (error instanceof Error && 'response' in error && error.response) return error.response as SipMessage;
  throw error;
}

/** Resolves when the dialog is over. */
export function ended(dialog: Dialog): Promise<{ by: string; request?: SipMessage }> {
  return new Promise((resolve) => dialog.once('ended', resolve));
}
