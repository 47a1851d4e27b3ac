/**
 * call-status: prints one line per state of a call: trying, in-progress, completed and so on. An application names
 * this hook as its call status hook; what it answers is ignored.
 */
import { Router } from 'express';
import { readHook } from './hook.js';

/** One line about a call status hook; control characters cannot break out of the line. */
export function statusLine(body: unknown): string {
  const hook = readHook(body);
  const parties = `${hook.from ?? '?'} -> ${hook.to ?? '?'}`;
  const sip = hook.sip_status === undefined ? '' : ` (${hook.sip_status} ${hook.sip_reason ?? ''})`;
  const duration = hook.duration === undefined ? '' : ` after ${hook.duration} s`;
  const line = `call ${hook.call_sid ?? '?'} ${hook.direction ?? ''} ${parties}: ${hook.call_status ?? '?'}${sip}${duration}`;
  return line.replace(/\p{Cc}/gu, ' ');
}

/** `POST /call-status`: prints the status. */
export const callStatus: Router = Router();

callStatus.post('/call-status', (request, response) => {
  console.log(statusLine(request.body));
  response.sendStatus(204);
});
