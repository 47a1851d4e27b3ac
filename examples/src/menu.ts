/**
 * menu: asks for a key and branches. `gather` speaks a prompt, collects one digit, and posts it to its action hook;
 * the verbs that the hook answers replace what was left of the document. `tag` puts data of our own on the call:
 * it comes back as `customer_data` in every later hook, for example in the call status at the end of the call.
 */
import { verbs } from '@ringwire/verb-specs';
import { Router } from 'express';
import { readHook } from './hook.js';

const DEPARTMENTS: ReadonlyMap<string, string> = new Map([
  ['1', 'sales'],
  ['2', 'support'],
]);

/** `POST /menu`: asks. `POST /menu/choice`: acts on the answer. */
export const menu: Router = Router();

menu.post('/menu', (_request, response) => {
  response.json(
    verbs().gather({
      input: ['digits'],
      numDigits: 1,
      finishOnKey: '#',
      timeout: 5,
      actionHook: '/menu/choice',
      say: { text: 'Welcome to Ringwire. For sales, press 1. For support, press 2.' },
    }),
  );
});

menu.post('/menu/choice', (request, response) => {
  const { reason, digits } = readHook(request.body);
  const department = DEPARTMENTS.get(digits ?? '');
  if (department !== undefined) {
    const answer = verbs()
      .tag({ data: { department } })
      .say({ text: `You chose ${department}. Thank you.` });
    response.json(answer.hangup());
  } else if (reason === 'timeout') {
    response.json(verbs().say({ text: 'I did not hear anything. Goodbye.' }).hangup());
  } else {
    response.json(verbs().say({ text: 'Sorry, that is not one of the choices. Goodbye.' }).hangup());
  }
});
