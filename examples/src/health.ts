/**
 * health: lets a monitor see that the applications are up.
 */
import { Router } from 'express';

/** `GET /health`: 200 while the process answers. */
export const health: Router = Router();

health.get('/health', (_request, response) => {
  response.json({ status: 'ok' });
});
