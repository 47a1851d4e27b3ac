import type { BridgeContext, PendingServer } from './bridge-context.js';
import type { ControlClient } from './control/control-client.js';
import type { OutboundConnections } from './control/outbound-connections.js';
import { DialError } from './errors.js';
import type { Instruction } from './http/instruction.js';
import type { RequestHandler } from './http/request-handler.js';

/** What requests are routed with. */
export interface HandlerRoutingOptions {
  context: BridgeContext;
  handlers: readonly RequestHandler[];
  outbound: () => OutboundConnections;
  /** Gives a request to the application that was found. */
  offer: (pending: PendingServer, client: ControlClient) => void;
}

/** Asks the request-handler of a method about each new request, and does what it says. */
export class HandlerRouting {
  constructor(private readonly options: HandlerRoutingOptions) {}

  /** The handler of a method; the one for `*` when none names it. */
  handlerOf(method: string): RequestHandler | undefined {
    const { handlers } = this.options;
    return handlers.find((handler) => handler.handles(method)) ?? handlers.find((handler) => handler.handles('*'));
  }

  /** As drachtio-server: an answer that is no instruction, or none in time, is 500; an application that is not there is 480. */
  async route(pending: PendingServer, handler: RequestHandler): Promise<void> {
    const { counters, logger } = this.options.context;
    const { transaction } = pending;
    const sipCallId = transaction.request.get('Call-ID');
    counters.handlerRequests++;
    try {
      const instruction = await handler.ask(transaction, pending.id);
      if (transaction.isOpen) await this.obey(pending, instruction);
    } catch (err) {
      if (err instanceof DialError) logger.warn({ err, facts: err.facts, sipCallId }, 'application cannot be reached');
      else {
        counters.handlerFailures++;
        logger.warn({ err, sipCallId }, 'request-handler failed');
      }
      this.refuse(pending, err instanceof DialError ? 480 : 500);
    }
  }

  private async obey(pending: PendingServer, instruction: Instruction): Promise<void> {
    const { transaction } = pending;
    switch (instruction.action) {
      case 'route':
        if ('target' in instruction) await this.dial(pending, instruction.target);
        else this.routeByTag(pending, instruction.tag);
        break;
      case 'reject':
        this.refuse(pending, instruction.status, instruction.reason);
        break;
      case 'proxy': {
        const { context } = this.options;
        context.pendingServers.delete(pending.id);
        const failure = context.proxy.start(transaction, instruction.plan);
        if (failure) context.logger.warn({ failure, sipCallId: transaction.request.get('Call-ID') }, 'not proxied');
        break;
      }
      case 'redirect': {
        this.options.context.pendingServers.delete(pending.id);
        const response = transaction.makeResponse(302, 'Moved');
        for (const contact of instruction.contacts) {
          response.add('Contact', contact.includes('<') ? contact : `<${contact}>`);
        }
        transaction.respond(response);
        break;
      }
    }
  }

  private routeByTag(pending: PendingServer, tag: string): void {
    const { registry, counters } = this.options.context;
    const client = registry.select(pending.transaction.method, tag);
    if (client) this.options.offer(pending, client);
    else {
      counters.unroutable++;
      this.refuse(pending, 480);
    }
  }

  private async dial(pending: PendingServer, target: Parameters<OutboundConnections['dial']>[0]): Promise<void> {
    const { transaction } = pending;
    const gone = new AbortController();
    const abort = (): void => gone.abort();
    transaction.once('cancel', abort);
    try {
      const client = await this.options.outbound().dial(target, gone.signal);
      if (transaction.isOpen) this.options.offer(pending, client);
      else client.end();
    } finally {
      transaction.off('cancel', abort);
    }
  }

  private refuse({ id, transaction }: PendingServer, status: number, reason?: string): void {
    this.options.context.pendingServers.delete(id);
    if (transaction.isOpen) transaction.reply(status, reason);
  }
}
