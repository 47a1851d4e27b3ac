/**
 * find-me: calls several telephones at once; the first that answers is asked to press 1 (`confirmHook`), so that no answering machine gets the
 * call. The status hook tells of every leg, each with its own `call_sid` and the caller's as `parent_call_sid`.
 */
import { WebhookResponse } from '@jambonz/sdk/webhook';
import express from 'express';
import { type ListenOptions, type RunningExample, serve } from './serve.js';

/** What the status hook said of a leg. */
export interface LegStatus {
  call_sid: string;
  parent_call_sid?: string;
  direction: string;
  call_status: string;
}

/** Starts it. @param sipUris whom to call, at once */
export function startFindMe(
  sipUris: readonly string[],
  options: ListenOptions = {},
  onStatus: (leg: LegStatus) => void = () => {},
): Promise<RunningExample> {
  const app = express();
  app.use(express.json({ limit: '1mb' }));

  app.post('/', (_request, response) => {
    const answer = new WebhookResponse().dial({
      target: sipUris.map((sipUri) => ({ type: 'sip', sipUri })),
      answerOnBridge: true,
      timeout: 30,
      confirmHook: '/confirm',
      actionHook: '/dialled',
    });
    response.json(answer);
  });

  // These verbs run on the leg that answered. When they end without a hang-up, the two are connected.
  app.post('/confirm', (_request, response) => {
    response.json(
      new WebhookResponse().gather({
        input: ['digits'],
        numDigits: 1,
        timeout: 10,
        actionHook: '/confirmed',
        say: { text: 'There is a call for you. Press 1 to take it.' },
      }),
    );
  });

  app.post('/confirmed', (request, response) => {
    const { digits } = request.body as { digits?: string };
    const answer = new WebhookResponse();
    response.json(digits === '1' ? answer.say({ text: 'Connecting.' }) : answer.hangup());
  });

  app.post('/dialled', (request, response) => {
    const { dial_call_status: outcome } = request.body as { dial_call_status: string };
    const answer = new WebhookResponse();
    if (outcome !== 'completed') answer.say({ text: 'Nobody could be reached. Goodbye.' });
    response.json(answer.hangup());
  });

  app.post('/status', (request, response) => {
    onStatus(request.body as LegStatus);
    response.sendStatus(204);
  });

  return serve(app, options);
}
