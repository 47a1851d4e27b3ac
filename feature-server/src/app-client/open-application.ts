import type { Journal } from '../session/journal.js';
import type { AddressGuard } from './address-guard.js';
import type { Hook, HookType } from './application.js';
import { type ApplicationClients, ApplicationRouter } from './application-router.js';
import { HttpApplication } from './http-application.js';
import type { HttpClient } from './http-exchange.js';
import { WebSocketApplication } from './ws-application.js';
import type { ConversationLimits } from './ws-application-options.js';

/** What the applications of all calls share. */
export interface ApplicationParts {
  http: HttpClient;
  guard: AddressGuard;
  sockets: ConversationLimits;
  onExchange?: (type: HookType, outcome: string, ms: number) => void;
}

/** Which application of which call. */
export interface ApplicationOf {
  /** Where it is; its URL is empty where every hook has an absolute one. */
  hook: Hook;
  callSid: string;
  journal: Journal;
  /** 32 hexadecimal digits. */
  traceId: string;
  webhookSecret: string | null;
  /** Whether something else can take over when a socket stays lost. */
  hasFallback?: boolean;
  /** Of a session that another process has begun: with what. */
  opening?: object;
}

/** The application of a call, over whatever its hooks' URLs say. */
export function openApplication(parts: ApplicationParts, of: ApplicationOf): ApplicationRouter {
  const { http, guard, sockets, onExchange } = parts;
  const { journal, callSid, traceId, webhookSecret, hasFallback = false } = of;
  // Of the application that the session is at; who hears of it later has not been told anything.
  let { opening } = of;
  const shared = { journal, traceId, ...(onExchange && { onExchange }) };
  const clients: ApplicationClients = {
    overHttp: (hook) =>
      new HttpApplication({
        ...shared,
        client: http,
        callHook: hook,
        ...(webhookSecret !== null && { webhookSecret }),
      }),
    overSocket: (hook, base) =>
      new WebSocketApplication({
        ...shared,
        hook,
        base,
        callSid,
        guard,
        limits: sockets,
        hasFallback,
        ...(opening && { opening }),
      }),
    of: ({ hook, ...child }) => openApplication(parts, { hook, ...child, traceId, webhookSecret }),
  };
  const router = new ApplicationRouter(of.hook, clients);
  opening = undefined;
  return router;
}
