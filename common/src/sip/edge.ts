import type { Express } from 'express';
import { ConfigError } from '../config/read-config.js';
import { mysqlConfig, redisConfig } from '../config/variables.js';
import { type Database, openDatabase } from '../db/database.js';
import { type ClosableEventSink, createEventSink } from '../events/sink.js';
import type { CallDirection } from '../events/types.js';
import { AddressGuard } from '../http/address-guard.js';
import { type HttpServer, startHttpServer } from '../http/server.js';
import type { ProcessContext } from '../lifecycle/run-process.js';
import { type CallLimits, callLimits } from '../limits/call-limits.js';
import type { Logger } from '../log/logger.js';
import { directRelay, type MediaRelay, rtpengineRelay } from '../media-relay/media-relay.js';
import { openNgClient } from '../media-relay/ng-client.js';
import { createMetrics, type Metrics } from '../metrics/metrics.js';
import { loadProvisioning, type Provisioning } from '../provisioning/provisioning.js';
import { type Announcement, announce } from '../redis/announce.js';
import { type CallRegistry, callRegistry } from '../redis/call-registry.js';
import { closeRedis, openRedis, type Redis } from '../redis/connection.js';
import {
  FEATURE_SERVERS,
  type FeatureServerInfo,
  featureServerKey,
  SBCS,
  type SbcInfo,
  SUSPECTED_FEATURE_SERVERS,
  sbcKey,
} from '../redis/keys.js';
import { type InstanceWatch, watchInstances } from '../redis/watch-instances.js';
import type { BridgedCall } from './bridged-call.js';
import type { BridgedCallContext } from './bridged-call-plan.js';
import { type ConnectedSrf, connectSrf } from './connect-srf.js';
import type { EdgeConfig } from './edge-config.js';
import { type EdgeMetrics, edgeMetrics } from './edge-metrics.js';
import { type FeatureServerSources, featureServerSources } from './feature-server-sources.js';
import { type FeatureServerWatch, watchFeatureServers } from './feature-server-watch.js';
import { watchLink } from './link.js';
import { type LiveCalls, liveCalls } from './live-calls.js';
import { type LoadGuard, loadGuard } from './load-guard.js';
import { type Ipv4Network, parseNetworks } from './networks.js';
import { releaseOrphans } from './orphans.js';
import { watchReachability } from './reachability.js';
import { type Refusals, refusals } from './refusals.js';
import { relayHealth } from './relay-health.js';
import { asSipStack, type SipStack } from './stack.js';
import { processTag } from './takeover-routing.js';

/** An edge process's parts, connected and running. */
export interface Edge {
  readonly instanceId: string;
  /** Never asked on the path of a call. */
  readonly db: Database;
  readonly redis: Redis;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly edgeMetrics: EdgeMetrics;
  readonly refusals: Refusals;
  readonly stack: SipStack;
  readonly bridging: BridgedCallContext;
  readonly sink: ClosableEventSink;
  readonly registry: CallRegistry;
  readonly provisioning: Provisioning;
  /** Places of calls, for this edge's direction. */
  readonly limits: CallLimits;
  readonly featureServers: InstanceWatch<FeatureServerInfo>;
  /** The edges that are alive, this one among them. */
  readonly edges: InstanceWatch<SbcInfo>;
  readonly featureServerWatch: FeatureServerWatch;
  readonly sources: FeatureServerSources;
  readonly privateNetworks: readonly Ipv4Network[];
  /** Whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly Ipv4Network[];
  readonly calls: LiveCalls<BridgedCall>;
  readonly guard: LoadGuard;
  /** `ip:port` of the edge's SIP server as feature servers reach it. */
  readonly sipAddress: string;
  readonly http: HttpServer;
  /** False once draining has begun. */
  readonly accepting: boolean;
  /** Takes no more calls; resolves when the last has ended. */
  drain(): Promise<void>;
  /** Ends the calls that are left, then everything else. Safe to call more than once. */
  close(): Promise<void>;
}

/** How long the BYEs and records of the last calls may take when the process ends. */
const STOP_CALLS_DEADLINE_MS = 3_000;

function networksOf(config: EdgeConfig, variable: 'PRIVATE_NETWORK_CIDR' | 'TRUSTED_PROXY_CIDR'): Ipv4Network[] {
  const list = config[variable];
  const networks = parseNetworks(list ?? '');
  if (networks) return networks;
  const expected = 'IPv4 networks such as 10.0.0.0/8,192.168.1.5';
  throw new ConfigError([{ variable, value: JSON.stringify(list), expected }]);
}

function relayOf(config: EdgeConfig, logger: Logger): MediaRelay {
  const host = config.RTPENGINE_HOST;
  if (host === undefined) return directRelay();
  const port = config.RTPENGINE_PORT;
  const direction = config.RTPENGINE_DIRECTION?.split(',').map((name) => name.trim());
  if (direction && (direction.length !== 2 || direction.includes(''))) {
    const value = JSON.stringify(config.RTPENGINE_DIRECTION);
    throw new ConfigError([
      { variable: 'RTPENGINE_DIRECTION', value, expected: 'two interface names such as public,private' },
    ]);
  }
  return rtpengineRelay({
    ng: openNgClient({ host, port, logger }),
    description: `rtpengine at ${host}:${port}`,
    ...(direction ? { direction: [direction[0]!, direction[1]!] as const } : {}),
    logger,
  });
}

/** The connections of an edge to its stores, without the SIP server. */
interface Stores {
  db: Database;
  redis: Redis;
  sink: ClosableEventSink;
  registry: CallRegistry;
  provisioning: Provisioning;
  limits: CallLimits;
  featureServers: InstanceWatch<FeatureServerInfo>;
  edges: InstanceWatch<SbcInfo>;
}

async function openStores(
  ctx: ProcessContext,
  config: EdgeConfig,
  role: CallDirection,
  metrics: Metrics,
): Promise<Stores> {
  const { logger, instanceId } = ctx;
  const db = openDatabase(mysqlConfig(config), { logger });
  const redis = openRedis(redisConfig(config), { logger, name: ctx.name });
  const sink = createEventSink({ redis, source: `${ctx.name}:${instanceId}`, logger, metrics });
  const registry = callRegistry({ redis, owner: instanceId, logger });
  const featureServers = watchInstances<FeatureServerInfo>({
    redis,
    setKey: FEATURE_SERVERS,
    keyOf: featureServerKey,
    logger,
  });
  const edges = watchInstances<SbcInfo>({ redis, setKey: SBCS, keyOf: sbcKey, logger });
  const encryptionSecret = config.ENCRYPTION_SECRET;
  const provisioning = await loadProvisioning({ db, redis, logger, metrics, encryptionSecret });
  const limits = callLimits({
    redis,
    direction: role,
    owner: instanceId,
    limitOf: (scope, sid) => provisioning.snapshot().callLimit(scope, sid),
    expiryMs: config.CALL_COUNT_EXPIRY_MS,
    deadlineMs: config.CALL_LIMIT_TIMEOUT_MS,
    logger,
    metrics,
  });
  return { db, redis, sink, registry, provisioning, limits, featureServers, edges };
}

async function closeStores(stores: Stores): Promise<void> {
  stores.featureServers.close();
  stores.edges.close();
  await stores.provisioning.close();
  await stores.registry.close();
  await stores.limits.close();
  await stores.sink.close();
  await closeRedis(stores.redis);
  await stores.db.close();
}

function connect(ctx: ProcessContext, config: EdgeConfig, role: CallDirection): Promise<ConnectedSrf> {
  return connectSrf({
    host: config.DRACHTIO_HOST,
    port: config.DRACHTIO_PORT,
    secret: config.DRACHTIO_SECRET.reveal(),
    tags: [role, processTag(ctx.instanceId)],
    logger: ctx.logger,
  });
}

/**
 * Builds an edge: connects to the stores and the SIP server, serves HTTP, and announces itself. The edge takes calls as soon
 * as `takeCalls` has registered its handlers, which happens before it announces itself.
 */
export async function openEdge(options: {
  ctx: ProcessContext;
  config: EdgeConfig;
  role: CallDirection;
  routes?: (app: Express, edge: Pick<Edge, 'sources' | 'redis' | 'logger'>) => void;
  takeCalls: (edge: Edge) => void | Promise<void>;
}): Promise<Edge> {
  const { ctx, config, role } = options;
  const { logger, instanceId } = ctx;
  const privateNetworks = networksOf(config, 'PRIVATE_NETWORK_CIDR');
  const trustedProxies = networksOf(config, 'TRUSTED_PROXY_CIDR');
  const relay = relayOf(config, logger);
  const { RTPENGINE_HOST: host, RTPENGINE_PORT: port } = config;
  const rtpengine = host === undefined ? undefined : relayHealth(relay, { host, port }, logger);
  const metrics = createMetrics({ name: ctx.name, instanceId });
  const stores = await openStores(ctx, config, role, metrics);
  const sources = featureServerSources(stores.featureServers, privateNetworks, stores.edges);
  const srf = await connect(ctx, config, role);
  const link = watchLink(asSipStack(srf));
  const featureServerWatch = watchFeatureServers(stores.featureServers, watchReachability(link, stores.featureServers));
  const calls = liveCalls<BridgedCall>();
  const counts = edgeMetrics(metrics, role, () => calls.size);
  const guard = loadGuard({ maxCalls: config.MAX_CALLS, maxLagMs: config.MAX_EVENT_LOOP_LAG_MS });
  const sipAddress = config.SIP_ADDRESS ?? srf.link.sipAddresses[0] ?? '';
  let accepting = true;
  const http = await startHttpServer({
    host: config.HTTP_HOST,
    port: config.HTTP_PORT,
    metrics,
    logger,
    health: async () => {
      const rtpengineAnswers = await rtpengine?.answers();
      return {
        healthy: link.up && accepting && rtpengineAnswers !== false,
        facts: {
          calls: calls.size,
          accepting,
          sipServer: link.up,
          redis: stores.redis.status,
          media: relay.description,
          ...(rtpengineAnswers === undefined ? {} : { rtpengine: rtpengineAnswers }),
          featureServers: stores.featureServers.list().length,
          lagMs: Math.round(guard.lagMs),
        },
      };
    },
    routes: (app) => options.routes?.(app, { sources, redis: stores.redis, logger }),
  });
  let announcement: Announcement | undefined;
  let closing: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    accepting = false;
    await calls.stopAll(STOP_CALLS_DEADLINE_MS);
    await announcement?.close();
    guard.close();
    await http.close(0);
    srf.link.close();
    relay.close();
    featureServerWatch.close();
    await closeStores(stores);
  };
  const edge: Edge = {
    instanceId,
    logger,
    metrics,
    edgeMetrics: counts,
    refusals: refusals({ sink: stores.sink, edgeMetrics: counts, metrics }),
    stack: link.stack,
    bridging: {
      link,
      relay,
      orphans: releaseOrphans(link, logger),
      calls,
      keepaliveMs: config.KEEPALIVE_MS,
      farKeepaliveMs: config.FAR_KEEPALIVE_MS,
      allowsBypass: config.ALLOW_MEDIA_BYPASS,
      answerMs: config.ANSWER_TIMEOUT_MS,
      siprec: {
        guard: new AddressGuard({ allowPrivate: config.SIPREC_ALLOW_PRIVATE }),
        answerMs: config.SIPREC_ANSWER_TIMEOUT_MS,
      },
      onGone: featureServerWatch.onGone,
      featureServerAt: featureServerWatch.at,
      suspect(featureServer) {
        // Who is wrongly named here answers whoever looks.
        stores.redis
          .sadd(SUSPECTED_FEATURE_SERVERS, featureServer)
          .catch((err: unknown) => logger.warn({ err, featureServer }, 'dead feature server was not told of'));
      },
    },
    ...stores,
    featureServerWatch,
    sources,
    privateNetworks,
    trustedProxies,
    calls,
    guard,
    sipAddress,
    http,
    get accepting() {
      return accepting;
    },
    async drain() {
      accepting = false;
      await announcement?.update();
      await calls.empty();
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
  await options.takeCalls(edge);
  const info = (): SbcInfo => ({
    instanceId,
    role,
    privateSipAddress: sipAddress,
    calls: calls.size,
    accepting: accepting && guard.overloaded(calls.size) === null,
  });
  announcement = announce({ redis: stores.redis, setKey: SBCS, key: sbcKey(instanceId), instanceId, info, logger });
  await announcement.ready;
  return edge;
}
