/**
 * dial-time: what an application says may depend on the moment. It is asked anew for every call.
 */
import { verbs } from '@ringwire/verb-specs';
import { Router } from 'express';

/** What is said at a given moment, for example `The time is 3:07 PM, universal time.` */
export function timeSentence(now: Date): string {
  const time = now.toLocaleTimeString('en-US', { hour: 'numeric', minute: '2-digit', timeZone: 'UTC' });
  return `The time is ${time}, universal time.`;
}

/** `POST /dial-time`: speaks the current time. */
export const dialTime: Router = Router();

dialTime.post('/dial-time', (_request, response) => {
  response.json(
    verbs()
      .say({ text: timeSentence(new Date()) })
      .hangup(),
  );
});
