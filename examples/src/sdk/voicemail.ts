/**
 * voicemail: a message of at most a minute, written down as it is spoken. Made with `@jambonz/node-client`, the older of the two client
 * packages, to show that applications written with it run as well.
 */
import nodeClient from '@jambonz/node-client';
import express from 'express';
import { type ListenOptions, type RunningExample, serve } from './serve.js';

const { WebhookResponse } = nodeClient;

/** Starts it. @param onWords hears what was said, as far as it was understood */
export function startVoicemail(
  options: ListenOptions = {},
  onWords: (callSid: string, words: string) => void = () => {},
): Promise<RunningExample> {
  const app = express();
  app.use(express.json({ limit: '1mb' }));

  app.post('/', (_request, response) => {
    const answer = new WebhookResponse();
    answer
      .say({ text: 'Please say your name after the tone.' })
      .config({ record: { action: 'startCallRecording' } })
      .play({ url: 'tone_stream://%(300,0,1000)' })
      .gather({ input: ['speech'], timeout: 10, actionHook: '/words' });
    response.json(answer);
  });

  app.post('/words', (request, response) => {
    const { call_sid: callSid, speech } = request.body as {
      call_sid: string;
      speech?: { alternatives: { transcript: string }[] };
    };
    const words = speech?.alternatives[0]?.transcript ?? '';
    onWords(callSid, words);
    const answer = new WebhookResponse();
    answer.say({ text: words === '' ? 'I heard nothing. Goodbye.' : 'Thank you. Goodbye.' }).hangup();
    response.json(answer);
  });

  app.post('/status', (_request, response) => {
    response.sendStatus(204);
  });

  return serve(app, options);
}
