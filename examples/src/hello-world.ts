/**
 * hello-world: the smallest application. The platform posts the call's data here when a call comes in; the answer is
 * a list of verbs, which it runs one after another. When no verb is left, the call ends.
 */
import { verbs } from '@ringwire/verb-specs';
import { Router } from 'express';

/** `POST /hello-world`: greets the caller. */
export const helloWorld: Router = Router();

helloWorld.post('/hello-world', (_request, response) => {
  response.json(verbs().say({ text: 'Hello! This is Ringwire. Have a nice day.' }).hangup());
});
