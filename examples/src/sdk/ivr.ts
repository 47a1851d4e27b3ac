/**
 * ivr: a menu over HTTP webhooks. Every answer is a list of verbs; `gather` posts what was keyed to its `actionHook`, whose answer goes on.
 * A wrong key gets two more tries, counted by the application: HTTP applications keep their own state, by `call_sid`.
 */
import { WebhookResponse } from '@jambonz/sdk/webhook';
import express from 'express';
import { type ListenOptions, type RunningExample, serve } from './serve.js';

const DEPARTMENTS: ReadonlyMap<string, string> = new Map([
  ['1', 'sales'],
  ['2', 'support'],
]);
const MAX_TRIES = 3;

const ask = (answer: WebhookResponse, prompt: string): WebhookResponse =>
  answer.gather({
    input: ['digits'],
    numDigits: 1,
    timeout: 8,
    actionHook: '/choice',
    say: { text: `${prompt} For sales, press 1. For support, press 2.` },
  });

/** Starts it. @param onStatus hears how each call goes */
export function startIvr(
  options: ListenOptions = {},
  onStatus: (callSid: string, status: string) => void = () => {},
): Promise<RunningExample> {
  /** Wrong keys by call; forgotten when the call is over. */
  const tries = new Map<string, number>();
  const app = express();
  app.use(express.json({ limit: '1mb' }));

  app.post('/', (_request, response) => {
    response.json(ask(new WebhookResponse(), 'Welcome.'));
  });

  app.post('/choice', (request, response) => {
    const { call_sid: callSid, digits } = request.body as { call_sid: string; digits?: string };
    const answer = new WebhookResponse();
    const department = DEPARTMENTS.get(digits ?? '');
    const count = (tries.get(callSid) ?? 0) + 1;
    if (department !== undefined) {
      // What is tagged comes back as customer_data in every later hook.
      answer
        .tag({ data: { department } })
        .say({ text: `You chose ${department}. Goodbye.` })
        .hangup();
    } else if (count < MAX_TRIES) {
      tries.set(callSid, count);
      ask(answer, 'Sorry, that is not one of the choices.');
    } else {
      answer.say({ text: 'Please call again. Goodbye.' }).hangup();
    }
    response.json(answer);
  });

  app.post('/status', (request, response) => {
    const { call_sid: callSid, call_status: status } = request.body as { call_sid: string; call_status: string };
    if (['completed', 'failed', 'busy', 'no-answer'].includes(status)) tries.delete(callSid);
    onStatus(callSid, status);
    response.sendStatus(204);
  });

  return serve(app, options);
}
