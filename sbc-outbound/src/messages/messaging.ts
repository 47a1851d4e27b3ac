import { rootCertificates } from 'node:tls';
import {
  applicationQueue,
  type ClosableEventSink,
  type FraudGuard,
  type Logger,
  type Metrics,
  outboundQueue,
  type Provisioning,
  type Redis,
  startQueueWorker,
} from '@ringwire/common';
import { AddressGuard, type AllowPrivate } from '@ringwire/common/http/address-guard.js';
import { startClientReceipts } from './client-receipts.js';
import { MessageCarriers } from './message-carriers.js';
import { createReceiver } from './receiver.js';
import type { MessageSenderOptions } from './sender.js';
import { LEASE_MS, MessageSender } from './sender.js';
import type { SmppTimings } from './smpp-link.js';
import { type SmppListener, startSmppServer } from './smpp-server.js';

/** What messaging is made of. The caller closes what it gives. */
export interface MessagingOptions {
  redis: Redis;
  sink: ClosableEventSink;
  provisioning: Provisioning;
  logger: Logger;
  metrics: Metrics;
  /** Which private addresses vendors' base URLs, and SMPP gateways of accounts' own carriers, may be. */
  allowPrivate: AllowPrivate;
  fraud: FraudGuard;
  /** Authorities (PEM) for carriers' TLS, beside those that Node brings. */
  ca?: string;
  toUser: MessageSenderOptions['toUser'];
  retryForMs: number;
  callbackBase?: string;
  backoffMs?: number;
  timings?: Partial<SmppTimings>;
  /** Where carriers and clients may bind to us. @defaultValue nowhere */
  smppListeners?: readonly SmppListener[];
}

/** Text messages of one edge: links to carriers, sending and receiving. */
export interface Messaging {
  readonly carriers: MessageCarriers;
  /** Ports of our SMPP server. */
  readonly smppPorts: readonly number[];
  /** Sends no more; resolves when what is on its way is answered. What comes in is still taken. */
  drain(): Promise<void>;
  /** The same for a few seconds, then ends the links. */
  close(): Promise<void>;
}

/** Messages in hand at a time; each waits for a carrier most of the time. */
const CONCURRENCY = 200;
/** Longer than carriers may take to answer. */
const DRAIN_MS = 20_000;

/** Connects to the carriers' SMPP gateways, lets their clients bind to us, and works on the queue of outbound messages. Rejects when a port cannot be had. */
export async function startMessaging(options: MessagingOptions): Promise<Messaging> {
  const { redis, sink, provisioning, logger, metrics } = options;
  const ca = options.ca === undefined ? undefined : [...rootCertificates, options.ca];
  const guard = new AddressGuard({ allowPrivate: options.allowPrivate });
  const listeners = options.smppListeners ?? [];
  const snapshot = () => provisioning.snapshot();
  const receive = createReceiver({ redis, snapshot, queue: applicationQueue(redis), sink, logger, metrics });
  const timings = options.timings && { timings: options.timings };
  const server =
    listeners.length === 0
      ? undefined
      : await startSmppServer({ listeners, snapshot, receive, logger, metrics, ...timings });
  const clientsOf = (carrierSid: string) => server?.peersOf(carrierSid) ?? [];
  const receipts = server && startClientReceipts({ redis, logger, clientsOf });
  const carriers = new MessageCarriers({
    snapshot,
    receive,
    clientsOf,
    logger,
    metrics,
    guard,
    ...timings,
    ...(ca && { ca }),
  });
  let isClosed = false;
  provisioning.onChange(() => {
    if (isClosed) return;
    carriers.sync();
    server?.sync();
  });
  const queue = outboundQueue(redis);
  const sender = new MessageSender({
    redis,
    queue,
    carriers,
    sink,
    logger,
    metrics,
    guard,
    fraud: options.fraud,
    toUser: options.toUser,
    retryForMs: options.retryForMs,
    concurrency: CONCURRENCY,
    ...(ca && { ca }),
    ...(options.backoffMs !== undefined && { backoffMs: options.backoffMs }),
    ...(options.callbackBase !== undefined && { callbackBase: options.callbackBase }),
  });
  const worker = startQueueWorker({
    redis,
    queue,
    logger,
    concurrency: CONCURRENCY,
    leaseMs: LEASE_MS,
    handle: (taken) => sender.handle(taken),
  });
  return {
    carriers,
    smppPorts: server?.ports ?? [],
    drain: async () => {
      await worker.close(DRAIN_MS);
      server?.drain();
    },
    async close() {
      isClosed = true;
      await Promise.all([worker.close(), receipts?.close()]);
      carriers.close();
      await server?.close();
    },
  };
}
