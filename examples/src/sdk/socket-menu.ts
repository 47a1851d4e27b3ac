/**
 * socket-menu: the same kind of menu over one WebSocket per call. Hooks are events of the session, named as the verb names them; the first
 * list of verbs is sent with `send()`, each answer to a hook with `reply()`. State is a variable: the socket lasts as long as the call.
 */
import { createServer } from 'node:http';
import { createEndpoint } from '@jambonz/sdk/websocket';
import { type ListenOptions, type RunningExample, serve } from './serve.js';

/** Starts it. */
export function startSocketMenu(options: ListenOptions = {}): Promise<RunningExample> {
  const server = createServer();
  const service = createEndpoint({ server })({ path: '/' });

  service.on('session:new', (session) => {
    let heard = 0;
    session
      .on('/choice', ({ digits, reason }: { digits?: string; reason: string }) => {
        heard += 1;
        if (reason === 'timeout') session.say({ text: 'I did not hear anything. Goodbye.' }).hangup().reply();
        // A redirect asks again, under the name that it gives.
        else if (digits === '9') session.redirect({ actionHook: '/operator' }).reply();
        else
          session
            .say({ text: `You pressed ${digits}, after ${heard} tries.` })
            .hangup()
            .reply();
      })
      .on('/operator', () => {
        session.say({ text: 'The operator is not at her desk. Goodbye.' }).hangup().reply();
      })
      .on('error', () => {
        // The platform connects again by itself, and the call goes on meanwhile.
      });
    session
      .say({ text: 'Hello.' })
      .gather({ input: ['digits'], numDigits: 1, timeout: 8, actionHook: '/choice', say: { text: 'Press a key.' } })
      .send();
  });

  return serve(server, options, 'ws');
}
