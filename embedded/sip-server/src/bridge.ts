import { on } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@ringwire/common/log/logger.js';
import {
  bracketed,
  type ClientTransaction,
  ShortLivedMap,
  type SipClock,
  systemClock,
  type TransactionLayer,
} from '@ringwire/sip';
import { Answering, CLIENT_LOST } from './answering.js';
import { parseAppMessage } from './app-message.js';
import type { BridgeContext } from './bridge-context.js';
import { CallRecords } from './call-records.js';
import type { ClientRegistry } from './control/client-registry.js';
import type { ControlClient } from './control/control-client.js';
import type { ControlHandler } from './control/control-protocol.js';
import type { OutboundConnections } from './control/outbound-connections.js';
import { hangUp } from './dialog-requests.js';
import { DialogStore } from './dialog-store.js';
import { CommandError } from './errors.js';
import { FlowWatch } from './flow-watch.js';
import type { RequestHandler } from './http/request-handler.js';
import { Incoming } from './incoming.js';
import type { NatDetection } from './nat.js';
import { Outgoing } from './outgoing.js';
import { refuse } from './pending-servers.js';
import { proxyForApplication } from './proxy/command.js';
import type { SipProxy } from './proxy/proxy.js';
import type { RequestPolicy } from './request-policy.js';
import type { ServerCounters } from './server-counters.js';
import { type DefaultRefresher, SessionTimers } from './session-timer.js';
import { Subscriptions } from './subscriptions.js';

const SWEEP_MS = 1000;
/** How long a server that stops waits for the answers to its BYEs and CANCELs. */
const FAREWELL_MS = 1000;
/** Reason of BYEs of a server that stops. */
const STOPPED = 'SIP;cause=503;text="server stopped"';
/** A transaction that ends without final response. */
const ENDS = ['timeout', 'transportError', 'terminated'];

/** What the bridge is made of. */
export interface BridgeOptions {
  layer: TransactionLayer;
  registry: () => ClientRegistry;
  counters: ServerCounters;
  /** Request-handlers, and the connections to applications that they ask for. */
  handlers: readonly RequestHandler[];
  outbound: () => OutboundConnections;
  policy: RequestPolicy;
  /** How peers behind NAT are recognised. */
  nat: NatDetection;
  proxy: SipProxy;
  logger: Logger;
  /** Who refreshes sessions of callers that do not say. @defaultValue 'none' */
  sessionRefresher?: DefaultRefresher;
  /** Runs session timers and the repetition of reliable provisional responses. @defaultValue the system's */
  clock?: SipClock;
}

/** Connects the transaction layer with the applications at the control port. */
export class SipBridge implements ControlHandler {
  private readonly context: BridgeContext;
  private readonly answering: Answering;
  private readonly incoming: Incoming;
  private readonly outgoing: Outgoing;
  private readonly subscriptions: Subscriptions;
  private readonly sweeper: NodeJS.Timeout;

  constructor({
    layer,
    registry,
    counters,
    handlers,
    outbound,
    policy,
    nat,
    proxy,
    logger,
    sessionRefresher,
    clock = systemClock,
  }: BridgeOptions) {
    const context: BridgeContext = {
      layer,
      get registry() {
        return registry();
      },
      dialogs: new DialogStore(),
      pendingServers: new ShortLivedMap(),
      pendingClients: new ShortLivedMap(),
      proxy,
      counters,
      records: new CallRecords(registry),
      policy,
      nat,
      flows: new FlowWatch(layer, registry),
      logger,
    };
    this.context = context;
    const sessions = new SessionTimers(context, sessionRefresher, clock);
    const subscriptions = new Subscriptions((transaction) => this.incoming.receive(transaction));
    this.subscriptions = subscriptions;
    const answering = new Answering(context, sessions, clock);
    this.answering = answering;
    this.incoming = new Incoming({ context, handlers, outbound, answering, sessions, subscriptions });
    this.outgoing = new Outgoing(context, sessions, subscriptions);
    layer.on('request', (transaction) => this.incoming.receive(transaction));
    layer.on('ack', (ack, source) => this.incoming.receiveAck(ack, source));
    layer.on('strayAck', (ack, source) => {
      if (!proxy.forwardAck(ack, source)) layer.counters.strayAcks++;
    });
    layer.on('transportFailed', ({ message }, { method, destination, request }) => {
      const { transport, host, port } = destination;
      const to = `${transport}/${bracketed(host)}:${port}`;
      logger.info({ cause: message, to, method, callId: request.get('Call-ID') }, 'a request was not delivered');
    });
    layer.on('listenerError', (err) => logger.error({ err }, 'a SIP event was not handled'));
    this.sweeper = setInterval(() => this.incoming.sweep(performance.now()), SWEEP_MS);
  }

  /** Confirmed dialogs. */
  get dialogCount(): number {
    return this.context.dialogs.size;
  }

  /** Dialogs of INVITEs without final answer. */
  get earlyDialogCount(): number {
    return this.context.dialogs.earlySize;
  }

  /** Confirmed dialogs by who began them: a peer or an application. Looks at each. */
  get dialogsByOrigin(): { inbound: number; outbound: number } {
    return this.context.dialogs.countByOrigin();
  }

  /** Addresses of record that were registered over connections that are open. */
  get watchedFlows(): number {
    return this.context.flows.size;
  }

  /** Requests that wait for an application, and requests of applications that wait for the network. */
  get pendingCounts(): { server: number; client: number } {
    return { server: this.context.pendingServers.size, client: this.context.pendingClients.size };
  }

  sip(client: ControlClient, messageId: string, parts: readonly string[], text: string): void {
    const [transactionId = '', dialogId = '', proxy = ''] = parts;
    this.attempt(client, messageId, () => {
      const message = parseAppMessage(text);
      if (message.startLine.startsWith('SIP/')) this.answering.respond(client, messageId, transactionId, message);
      else this.outgoing.send(client, messageId, transactionId, dialogId, proxy, message);
    });
  }

  proxy(client: ControlClient, messageId: string, parts: readonly string[], text: string): void {
    this.attempt(client, messageId, () => proxyForApplication(this.context, client, messageId, parts, text));
  }

  /** Does what an application asks for, or tells it why not. */
  private attempt(client: ControlClient, messageId: string, command: () => void): void {
    try {
      command();
    } catch (err) {
      this.context.counters.refusedCommands++;
      if (!(err instanceof CommandError)) this.context.logger.error({ err }, 'command failed');
      const reason = err instanceof Error ? err.message : String(err);
      client.reply(messageId, 'NOK', reason.replace(/[|\r\n]/g, ' '));
    }
  }

  /** Answers 503 for a lost application, ends its dialogs, cancels its INVITEs. */
  lost(client: ControlClient): void {
    const { counters, logger } = this.context;
    counters.clientsLost++;
    const { dialogs } = this.end((owner) => owner === client, CLIENT_LOST);
    counters.dialogsLost += dialogs;
    logger.info({ dialogs }, 'application disconnected');
  }

  /** Ends what is under way, and waits a little for those that have to hear of it. */
  async farewell(): Promise<void> {
    const { sent } = this.end(() => true, STOPPED);
    const waiting = new AbortController();
    const answered = sent.map(async (transaction) => {
      for await (const [response] of on(transaction, 'response', { signal: waiting.signal, close: ENDS })) {
        if (response.status >= 200) return;
      }
    });
    const enough = delay(FAREWELL_MS, undefined, { signal: waiting.signal });
    await Promise.race([Promise.all(answered), enough]);
    // Who lost the race rejects with the abort: there is nothing more to tell.
    for (const loser of [...answered, enough]) loser.catch(() => {});
    waiting.abort();
  }

  /** Refuses, cancels and hangs up what belongs to some applications; returns what peers have to answer. */
  private end(isOf: (owner: ControlClient) => boolean, reason: string) {
    const { pendingServers, pendingClients, dialogs } = this.context;
    const sent: ClientTransaction[] = [];
    for (const pending of pendingServers.values()) {
      if (!pending.client || !isOf(pending.client)) continue;
      refuse(this.context, pending, pending.transaction.method === 'BYE' ? 200 : 503);
    }
    for (const { client, transaction } of pendingClients.values()) {
      if (!isOf(client) || transaction.method !== 'INVITE') continue;
      transaction.cancel();
      sent.push(transaction);
    }
    // Early dialogs end with their INVITE, which was refused or cancelled just now.
    const owned = dialogs.all().filter((dialog) => isOf(dialog.client) && !dialog.early);
    for (const dialog of owned)
      hangUp(this.context, dialog, reason, undefined, (transaction) => sent.push(transaction));
    return { dialogs: owned.length, sent };
  }

  close(): void {
    this.context.proxy.close();
    clearInterval(this.sweeper);
    this.subscriptions.close();
    this.context.dialogs.clear();
  }
}
