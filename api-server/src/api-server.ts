import {
  type ApplicationNotice,
  applicationQueue,
  type ClosableEventSink,
  callPlacesKey,
  changeAnnouncer,
  closeRedis,
  createEventSink,
  createMetrics,
  type Database,
  type HealthReport,
  HttpError,
  type Logger,
  type MysqlConfig,
  type OutboundItem,
  openDatabase,
  openRedis,
  outboundQueue,
  type Redis,
  type RedisConfig,
  type Registrations,
  registrations,
  type Secret,
  startHttpServer,
  type WorkQueue,
} from '@ringwire/common';
import { AddressGuard, type AllowPrivate } from '@ringwire/common/http/address-guard.js';
import { AccountStorages, type DefaultStorage } from '@ringwire/common/recordings/account-storage.js';
import { Router } from 'express';
import { accountRoutes } from './accounts/routes.js';
import { applicationRoutes } from './applications/routes.js';
import { authenticate } from './auth/authenticate.js';
import { bannedSourceRoutes } from './banned-sources/routes.js';
import { callHistoryRoutes } from './call-history/routes.js';
import { type CaptureSource, createSipCaptures, type SipCaptures } from './call-history/sip-captures.js';
import { startTimelineHub, type TimelineHub } from './call-history/timeline-hub.js';
import { timelineRoutes } from './call-history/timeline-routes.js';
import { type CallOrders, callOrders } from './calls/call-orders.js';
import { featureServers } from './calls/feature-servers.js';
import { liveCallRoutes } from './calls/live-call-routes.js';
import { type LiveCalls, liveCalls } from './calls/live-calls.js';
import { roomRoutes } from './calls/room-routes.js';
import { callRoutes } from './calls/routes.js';
import { carrierWriteRoutes } from './carriers/carrier-write-routes.js';
import { predefinedCarrierList, predefinedCarrierRoutes } from './carriers/predefined-carrier-routes.js';
import { carrierRoutes } from './carriers/routes.js';
import { sipGatewayRoutes } from './carriers/sip-gateway-routes.js';
import { registeredUserRoutes } from './clients/registered-users.js';
import { clientRoutes } from './clients/routes.js';
import { fraudRoutes } from './fraud/routes.js';
import { lcrRoutes } from './lcr/routes.js';
import { limitRoutes } from './limits/routes.js';
import { messageRoutes } from './messages/routes.js';
import type { PublicAddress } from './messages/signed-request.js';
import { vendorRoutes } from './messages/vendor-routes.js';
import { messagingGatewayRoutes } from './messaging-gateways/routes.js';
import { phoneNumberRoutes } from './phone-numbers/routes.js';
import { recordingRoutes } from './recordings/routes.js';
import { routePreviewRoutes } from './routing/preview-route.js';
import { rateDeckRoutes } from './routing/rate-deck-routes.js';
import { createRoutePreview, type RoutePreview } from './routing/route-preview.js';
import { stirCredentialRoutes } from './stir/routes.js';
import { teamsTenantRoutes } from './teams/routes.js';
import { trunkRoutes } from './trunks/routes.js';
import { startWorkers } from './workers/workers.js';

/** What the routes work with. */
export interface ApiContext {
  readonly db: Database;
  readonly encryptionSecret: Secret;
  /** Where accounts may have SIP sent. */
  readonly sipAddresses: AddressGuard;
  /** Where applications may be asked what environment they want. */
  readonly hookAddresses: AddressGuard;
  /** Where recordings are; the guard judges buckets of accounts. */
  readonly recordings: { readonly storages: AccountStorages; readonly guard: AddressGuard };
  readonly timelineHub: TimelineHub;
  readonly sipCaptures: SipCaptures;
  readonly routePreview: RoutePreview;
  /** Where text messages go that come in and go out. */
  readonly messages: {
    readonly queue: WorkQueue<OutboundItem>;
    readonly notices: WorkQueue<ApplicationNotice>;
    readonly sink: ClosableEventSink;
  };
  /** Ends of the event streams that are open; called when the server drains. */
  readonly openStreams: Set<() => void>;
  readonly callOrders: CallOrders;
  readonly liveCalls: LiveCalls;
  /** Where the users of accounts can be reached. */
  readonly registrations: Registrations;
  /** Has the processes on the call path reload, and waits a little until they have. Does not fail: they reload by themselves after 30 s. */
  provisioningChanged(table: string): Promise<void>;
  /** Calls in progress of an account. @throws HttpError 503 while Redis is away */
  countCalls(serviceProviderSid: string, accountSid: string): Promise<{ inbound: number; outbound: number }>;
}

/** What an API server needs to run. */
export interface ApiServerOptions {
  mysql: MysqlConfig;
  redis: RedisConfig;
  http: { host: string; port: number };
  encryptionSecret: Secret;
  instanceId: string;
  /** Whether the workers that write records run in this process. */
  workers: boolean;
  /** Whether accounts may give gateways private addresses. @defaultValue false */
  allowPrivateSip?: boolean;
  /** Which private addresses applications may be at that are asked for the schema of their environment. @defaultValue none */
  allowPrivateHooks?: AllowPrivate;
  /** Where recordings are of accounts without a bucket. @defaultValue nowhere */
  recordings?: DefaultStorage & { allowPrivate: AllowPrivate };
  /** SIP servers whose last messages go into timelines. @defaultValue none */
  sipCaptures?: readonly CaptureSource[];
  /** By what signatures of vendors' webhooks are checked. @defaultValue as the requests say, without any proxy */
  publicAddress?: PublicAddress;
  logger: Logger;
}

/** A running API server. */
export interface ApiServer {
  readonly url: string;
  readonly port: number;
  /** Ends open event streams and lets requests under way finish. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

const healthCheck = (db: Database, redis: Redis) => async (): Promise<HealthReport> => {
  const [mysql, cache] = await Promise.allSettled([
    db.ping(),
    redis.status === 'ready' ? redis.ping() : Promise.reject(),
  ]);
  return {
    healthy: mysql.status === 'fulfilled' && cache.status === 'fulfilled',
    facts: { mysql: mysql.status === 'fulfilled', redis: cache.status === 'fulfilled' },
  };
};

/** Builds and starts an API server with its workers; resolves when it listens. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { logger, instanceId, encryptionSecret } = options;
  const metrics = createMetrics({ name: 'api-server', instanceId });
  const db = openDatabase(options.mysql, { logger });
  const redis = openRedis(options.redis, { logger, name: `api-server:${instanceId}` });
  const timelineHub = await startTimelineHub({ redis, logger });
  const sink = createEventSink({ redis, source: `api-server:${instanceId}`, logger, metrics });
  const servers = featureServers({ redis, logger, encryptionSecret });
  const changes = changeAnnouncer({ redis, logger });
  const context: ApiContext = {
    db,
    encryptionSecret,
    sipAddresses: new AddressGuard({ allowPrivate: options.allowPrivateSip ?? false }),
    hookAddresses: new AddressGuard({ allowPrivate: options.allowPrivateHooks ?? false }),
    recordings: {
      storages: new AccountStorages(options.recordings ?? { allowPrivate: false }),
      guard: new AddressGuard({ allowPrivate: options.recordings?.allowPrivate ?? false }),
    },
    timelineHub,
    sipCaptures: createSipCaptures(options.sipCaptures ?? [], logger),
    routePreview: createRoutePreview({ db, redis, logger, encryptionSecret }),
    messages: { queue: outboundQueue(redis), notices: applicationQueue(redis), sink },
    openStreams: new Set(),
    registrations: registrations(redis),
    callOrders: callOrders(servers, logger),
    liveCalls: liveCalls({ redis, servers, logger }),
    provisioningChanged: (table) => changes.announce(table),
    async countCalls(serviceProviderSid, accountSid) {
      if (redis.status !== 'ready') throw new HttpError(503, 'calls cannot be counted: redis is away');
      const count = (direction: string): Promise<number> =>
        redis.zcount(callPlacesKey(serviceProviderSid, direction, 'account', accountSid), Date.now(), '+inf');
      return { inbound: await count('inbound'), outbound: await count('outbound') };
    },
  };
  const v1 = Router();
  vendorRoutes(v1, context, {
    metrics,
    logger,
    address: options.publicAddress ?? { trustedProxies: [], baseUrl: undefined },
  });
  predefinedCarrierList(v1);
  v1.use(authenticate(db));
  accountRoutes(v1, context);
  applicationRoutes(v1, context);
  carrierRoutes(v1, context, redis);
  carrierWriteRoutes(v1, context);
  predefinedCarrierRoutes(v1, context);
  sipGatewayRoutes(v1, context);
  lcrRoutes(v1, context);
  clientRoutes(v1, context);
  registeredUserRoutes(v1, context);
  trunkRoutes(v1, context, redis);
  phoneNumberRoutes(v1, context);
  rateDeckRoutes(v1, context);
  routePreviewRoutes(v1, context);
  limitRoutes(v1, context);
  stirCredentialRoutes(v1, context);
  bannedSourceRoutes(v1, redis);
  fraudRoutes(v1, context, redis);
  callRoutes(v1, context);
  liveCallRoutes(v1, context);
  roomRoutes(v1, context, redis);
  teamsTenantRoutes(v1, context);
  callHistoryRoutes(v1, context);
  recordingRoutes(v1, context);
  messageRoutes(v1, context);
  messagingGatewayRoutes(v1, context);
  timelineRoutes(v1, context);
  const http = await startHttpServer({
    ...options.http,
    metrics,
    logger,
    health: healthCheck(db, redis),
    routes: (app) => void app.use('/v1', v1),
  });
  const workers = options.workers ? startWorkers({ db, redis, sink, logger, metrics, instanceId }) : undefined;
  const drain = async (): Promise<void> => {
    for (const end of [...context.openStreams]) end();
    await http.close();
  };
  return {
    url: http.url,
    port: http.port,
    drain,
    async close() {
      await drain();
      await workers?.close();
      await sink.close();
      await timelineHub.close();
      servers.close();
      await context.routePreview.close();
      changes.close();
      await closeRedis(redis);
      await db.close();
    },
  };
}
