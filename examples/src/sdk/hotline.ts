/**
 * hotline: callers wait in a queue, with their place told, until an agent takes the first of them; and a conference room for the agents.
 * Which of the three a call is for is told by the number that was called.
 */
import { WebhookResponse } from '@jambonz/sdk/webhook';
import express from 'express';
import { type ListenOptions, type RunningExample, serve } from './serve.js';

/** Which number is what. */
export interface HotlineNumbers {
  /** Callers who want help. */
  callers: string;
  /** Agents who take the next caller. */
  agents: string;
}

/** What the conference's status hook said. */
export interface RoomEvent {
  event: string;
  members: number;
}

/** Starts it. Whoever calls another number meets the others in a room. */
export function startHotline(
  numbers: HotlineNumbers,
  options: ListenOptions = {},
  onRoomEvent: (event: RoomEvent) => void = () => {},
): Promise<RunningExample> {
  const app = express();
  app.use(express.json({ limit: '1mb' }));

  app.post('/', (request, response) => {
    const { to } = request.body as { to: string };
    const answer = new WebhookResponse();
    if (to === numbers.callers) {
      answer
        .enqueue({ name: 'support', waitHook: '/waiting', actionHook: '/served' })
        .say({ text: 'Thank you for your call. Goodbye.' })
        .hangup();
    } else if (to === numbers.agents) {
      answer.dequeue({ name: 'support', timeout: 30, beep: true, actionHook: '/taken' });
    } else {
      answer.conference({ name: 'agents', beep: true, statusHook: '/room', statusEvents: ['join', 'leave', 'end'] });
    }
    response.json(answer);
  });

  // Asked again and again while somebody waits; only say, play, pause, leave and tag are run.
  app.post('/waiting', (request, response) => {
    const { queue_position: place } = request.body as { queue_position: number };
    response.json(new WebhookResponse().say({ text: `You are number ${place + 1}.` }).pause({ length: 5 }));
  });

  app.post(['/served', '/taken'], (_request, response) => {
    response.json(new WebhookResponse().hangup());
  });

  app.post('/room', (request, response) => {
    onRoomEvent(request.body as RoomEvent);
    response.sendStatus(204);
  });

  app.post('/status', (_request, response) => {
    response.sendStatus(204);
  });

  return serve(app, options);
}
