/**
 * devices: the account's device calling application. It is asked what a user's telephone gets for a number that it dials; calls
 * to other users by their names need no application.
 */
import { verbs } from '@ringwire/verb-specs';
import { Router } from 'express';
import { readHook } from './hook.js';

/** The demo's numbers, which carriers reach by themselves. */
const NUMBERS: ReadonlyMap<string, string> = new Map([
  ['15550100', '/hello-world'],
  ['15550101', '/dial-time'],
  ['15550102', '/menu'],
]);

/** `POST /devices`: the number's example goes on with the call. */
export const devices: Router = Router();

devices.post('/devices', (request, response) => {
  const number = (readHook(request.body).to ?? '').replace(/\D/g, '');
  const example = NUMBERS.get(number);
  const answer =
    example === undefined
      ? verbs().say({ text: 'There is nothing at this number.' }).hangup()
      : verbs().redirect({ actionHook: example });
  response.json(answer);
});
