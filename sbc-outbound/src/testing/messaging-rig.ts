/** Messaging over a real Redis, with carriers of a test in memory. */
import { randomUUID } from 'node:crypto';
import {
  type Account,
  type ApplicationNotice,
  applicationQueue,
  closeRedis,
  createEventSink,
  createMetrics,
  EVENT_STREAM,
  type EventEnvelope,
  fraudGuard,
  type HttpMessageGateway,
  type MessageRecord,
  type OutboundItem,
  type OutboundMessage,
  openRedis,
  outboundQueue,
  type PhoneNumber,
  ProvisioningSnapshot,
  type Redis,
  type SmppGateway,
  submitMessage,
  type VoipCarrier,
  type WorkQueue,
} from '@ringwire/common';
import type { FraudPolicyRow } from '@ringwire/common/fraud/policy.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { carrier } from '@ringwire/common/testing/routing-rows.js';
import { startTestRedis, type TestServer } from '@ringwire/common/testing/services.js';
import { until } from '@ringwire/common/testing/until.js';
import type { Teardown } from '@ringwire/sbc-inbound/testing/stores.js';
import { type Messaging, type MessagingOptions, startMessaging } from '../messages/messaging.js';

/** A carrier's rows. */
export interface CarrierOf {
  sid?: string;
  carrier?: Partial<VoipCarrier>;
  smpp?: (Partial<SmppGateway> & { port: number })[];
  http?: Partial<HttpMessageGateway>;
}

/** Redis that all tests of a file share, empty for each. */
export interface MessagingRig {
  readonly redis: Redis;
  readonly server: TestServer;
  readonly queue: WorkQueue<OutboundItem>;
  readonly notices: WorkQueue<ApplicationNotice>;
  /** Starts messaging with these carriers; `change` replaces them. */
  start(
    t: Teardown,
    carriers: readonly CarrierOf[],
    options?: Partial<MessagingOptions> & {
      numbers?: PhoneNumber[];
      fraudPolicies?: FraudPolicyRow[];
      accounts?: Account[];
    },
  ): Promise<{ messaging: Messaging; change: (carriers: readonly CarrierOf[]) => void }>;
  /** Puts a message into the queue. */
  submit(more?: Partial<OutboundMessage>): Promise<OutboundMessage>;
  /** Waits for the message's final record. */
  outcome(message: OutboundMessage): Promise<MessageRecord>;
  /** Events of a kind, in order. */
  events(type: 'message.changed' | 'message.receipt' | 'alert'): Promise<EventEnvelope[]>;
  /** Waits until this many notices for applications are due, and takes them. */
  inbound(count: number): Promise<ApplicationNotice[]>;
  /** Forgets everything, between tests. */
  clear(): Promise<void>;
}

const smppLogin = { systemId: 'ringwire', password: 'secret', enquireLinkMs: null };

function snapshotOf(
  carriers: readonly CarrierOf[],
  phoneNumbers: PhoneNumber[],
  fraudPolicies: FraudPolicyRow[],
  accounts: Account[],
): ProvisioningSnapshot {
  const sidOf = ({ sid }: CarrierOf, index: number): string => sid ?? `c${index + 1}`;
  return new ProvisioningSnapshot(
    {
      serviceProviders: [],
      accounts,
      applications: [],
      webhooks: [],
      sipGateways: [],
      phoneNumbers,
      fraudPolicies,
      voipCarriers: carriers.map((one, index) => carrier(sidOf(one, index), { smpp: smppLogin, ...one.carrier })),
      smppGateways: carriers.flatMap((one, index) =>
        (one.smpp ?? []).map((gateway, n) => ({
          smppGatewaySid: `${sidOf(one, index)}-${n}`,
          voipCarrierSid: sidOf(one, index),
          address: '127.0.0.1',
          outbound: true,
          inbound: true,
          isPrimary: true,
          useTls: false,
          maxPerSecond: null,
          windowSize: 10,
          ...gateway,
        })),
      ),
      httpMessageGateways: carriers.flatMap((one, index) =>
        one.http === undefined
          ? []
          : [
              {
                httpMessageGatewaySid: `h${index}`,
                voipCarrierSid: sidOf(one, index),
                vendor: 'twilio' as const,
                baseUrl: null,
                username: 'AC1',
                password: 'secret',
                inboundToken: 'token',
                isActive: true,
                ...one.http,
              },
            ],
      ),
    },
    [],
    0,
  );
}

/** Starts Redis. */
export async function startMessagingRig(t: Teardown): Promise<MessagingRig> {
  const logger = silentLogger();
  const server = await startTestRedis();
  const redis = openRedis({ host: server.host, port: server.port }, { logger, name: 'test' });
  const testSink = createEventSink({ redis, source: 'test', logger });
  t.teardown(async () => {
    await testSink.close();
    await closeRedis(redis);
    await server.stop();
  });
  const queue = outboundQueue(redis);
  const notices = applicationQueue(redis);
  const events = async (type: string): Promise<EventEnvelope[]> => {
    const entries = await redis.xrange(EVENT_STREAM, '-', '+');
    const all = entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as EventEnvelope);
    return all.filter((event) => event.type === type);
  };
  return {
    redis,
    server,
    queue,
    notices,
    events,
    async start(t, carriers, { numbers = [], fraudPolicies = [], accounts = [], ...options } = {}) {
      let snapshot = snapshotOf(carriers, numbers, fraudPolicies, accounts);
      const listeners: ((snapshot: ProvisioningSnapshot) => void)[] = [];
      const sink = createEventSink({ redis, source: 'sbc-outbound:test', logger });
      const metrics = createMetrics({ name: 'test', instanceId: 'test' });
      const fraud = fraudGuard({ redis, logger, metrics, owner: 'test', deadlineMs: 20_000 });
      const messaging = await startMessaging({
        fraud,
        redis,
        sink,
        logger,
        metrics,
        provisioning: {
          snapshot: () => snapshot,
          reload: async () => snapshot,
          onChange: (listener) => void listeners.push(listener),
          close: async () => {},
        },
        allowPrivate: true,
        toUser: async () => ({ kind: 'refused', detail: 'no users here' }),
        retryForMs: 60_000,
        backoffMs: 50,
        ...options,
        timings: { reconnectMs: 50, maxReconnectMs: 200, throttleMs: 100, ...options.timings },
      });
      t.teardown(async () => {
        await messaging.close();
        fraud.close();
        await sink.close();
      });
      return {
        messaging,
        change(next) {
          snapshot = snapshotOf(next, numbers, fraudPolicies, accounts);
          for (const listener of listeners) listener(snapshot);
        },
      };
    },
    async submit(more = {}) {
      const message: OutboundMessage = {
        messageSid: randomUUID(),
        accountSid: 'acc',
        serviceProviderSid: 'sp',
        applicationSid: null,
        from: '15550001111',
        to: '15552223333',
        text: 'hello',
        media: [],
        carrier: null,
        statusHook: null,
        createdAt: Date.now(),
        ...more,
      };
      await submitMessage({ queue, sink: testSink }, message);
      return message;
    },
    outcome: (message) =>
      until(`outcome of ${message.messageSid}`, async () => {
        const records = (await events('message.changed')).map((event) => event.data as MessageRecord);
        return records.find((row) => row.messageSid === message.messageSid && row.status !== 'queued');
      }),
    async inbound(count) {
      const taken: ApplicationNotice[] = [];
      await until(`${count} notices`, async () => {
        for (const notice of await notices.take(count, 60_000)) {
          taken.push(notice.item);
          await notices.done(notice);
        }
        return taken.length >= count;
      });
      return taken;
    },
    clear: async () => void (await redis.flushall()),
  };
}
