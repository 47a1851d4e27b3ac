import express, { type ErrorRequestHandler, type Express } from 'express';
import { callStatus } from './call-status.js';
import { devices } from './devices.js';
import { dialTime } from './dial-time.js';
import { health } from './health.js';
import { helloWorld } from './hello-world.js';
import { menu } from './menu.js';
import { softphone } from './softphone.js';

/** What a hook may weigh. A hook carries the INVITE and the application's own data; larger is not from a platform. */
const BODY_LIMIT = '1mb';

/** A body that is not JSON, too large or cut off is answered, not logged: it is the sender's fault. */
const answerError: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) {
    next(error);
    return;
  }
  const status = (error as { status?: unknown } | null)?.status;
  const isSendersFault = typeof status === 'number' && status >= 400 && status < 500;
  response.status(isSendersFault ? status : 500).json({ error: isSendersFault ? 'the body cannot be read' : 'failed' });
};

/** All examples as one express application. */
export function createExamples(): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(express.json({ limit: BODY_LIMIT }));
  app.use(helloWorld, dialTime, menu, devices, callStatus, health, softphone);
  app.use((_request, response) => {
    response.status(404).json({ error: 'there is no such example' });
  });
  app.use(answerError);
  return app;
}
