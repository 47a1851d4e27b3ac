/**
 * remote-control: calls somebody by REST and steers the call from outside while it goes on. This is what a supervisor's screen or a dialler does;
 * it needs an API key of the account.
 */
import { JambonzClient } from '@jambonz/sdk/client';

/** Where the platform's API is, and whose calls it is about. */
export interface ApiAccess {
  /** `http://127.0.0.1:3000` */
  baseUrl: string;
  accountSid: string;
  apiKey: string;
}

/** Calls a SIP address, and says a text to whoever answers, or runs another application. @returns the call's sid */
export async function callSomebody(
  access: ApiAccess,
  { from, sipUri, callHook, statusHook }: { from: string; sipUri: string; callHook: string; statusHook: string },
): Promise<string> {
  return await new JambonzClient(access).calls.create({
    from,
    to: { type: 'sip', sipUri },
    call_hook: { url: callHook, method: 'POST' },
    call_status_hook: { url: statusHook, method: 'POST' },
  });
}

/** The hands on a call that goes on. */
export function remoteControl(access: ApiAccess, callSid: string) {
  const { calls } = new JambonzClient(access);
  return {
    /** Says something to the one who was called, while he is connected by `dial` or streamed by `listen`. */
    whisper: (text: string) => calls.whisper(callSid, { verb: 'say', text }),
    /** Gives the call to another application. */
    redirect: (url: string) => calls.redirect(callSid, { url, method: 'POST' }),
    hangUp: () => calls.update(callSid, { call_status: 'completed' }),
    /** `in-progress`, `completed`, … */
    status: async () => (await calls.get(callSid)).call_status,
  };
}
