import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startHttpServer } from '@ringwire/common/http/server.js';
import type { Logger } from '@ringwire/common/log/logger.js';
import { createMetrics } from '@ringwire/common/metrics/metrics.js';
import { ApiCommands } from './api/api-commands.js';
import { createApplicationRunner } from './channel/applications.js';
import { ChannelRegistry } from './channel/channel-registry.js';
import { Conferences } from './conference/conferences.js';
import { ServerCounters } from './counters.js';
import type { ConnectionContext } from './event-socket/connection.js';
import { EventBus, SERVER_VERSION } from './event-socket/event-bus.js';
import { connectOutbound, EslListener } from './event-socket/listener.js';
import { LoginGuard } from './event-socket/login-guard.js';
import { Playlists } from './files/playlists.js';
import { UrlCache } from './files/url-cache.js';
import { MediaPool } from './media/media-pool.js';
import { registerMetrics } from './metrics.js';
import type { ServerOptions } from './options.js';
import { SipEndpoint } from './sip/sip-endpoint.js';

/** A running media server. */
export interface MediaServer {
  /** `ip:port` of the SIP endpoint. */
  sip: string;
  /** `ip:port` of the event socket. */
  esl: string;
  httpPort: number;
  counters: ServerCounters;
  channels: ChannelRegistry;
  conferences: Conferences;
  pool: MediaPool;
  /** Hangs up every call and gives back everything. */
  close(): Promise<void>;
}

/** Longest time that hanging up all calls may take. */
const CLOSE_CALLS_MS = 500;

/** Starts everything; resolves when it listens. Rejects when a port cannot be had. */
export async function startMediaServer(
  options: ServerOptions,
  logger: Logger,
  instanceId: string,
): Promise<MediaServer> {
  const counters = new ServerCounters();
  const channels = new ChannelRegistry();
  const bus = new EventBus(randomUUID(), options.sip.host);
  const pool = new MediaPool({
    workers: options.workers,
    host: options.rtpAddress,
    minPort: options.rtpPorts.min,
    maxPort: options.rtpPorts.max,
    quarantineMs: options.rtpQuarantineMs,
    codecs: options.codecs,
    onWorkerLost: (error) => {
      counters.workerRestarts++;
      logger.error({ err: error }, 'media thread lost, calls on it are hung up');
    },
  });
  const ownCache = options.cacheDir === undefined;
  const cacheDir = options.cacheDir ?? (await mkdtemp(join(tmpdir(), 'media-server-')));
  const playlists = new Playlists({
    soundsDir: options.soundsDir,
    urls: new UrlCache(cacheDir, counters),
    counters,
    onProblem: (channel, problem) => logger.warn({ channel, problem }, 'cannot play'),
  });
  const conferences = new Conferences({ bus, pool, playlists, domain: options.sip.host });
  const runApplication = createApplicationRunner({
    playlists,
    conferences,
    onUnknown: (application, channel) => {
      counters.eslBadCommands++;
      logger.warn({ application, channel: channel.uuid }, 'invalid application');
    },
    onFailed: (application, channel, error) =>
      logger.error({ err: error, application, channel: channel.uuid }, 'application failed'),
  });
  const api = new ApiCommands({
    channels,
    conferences,
    counters,
    sipAddress: () => sip.address,
    maxSessions: options.maxSessions,
    startedMs: Date.now(),
  });
  const guard = new LoginGuard(options.password);
  const context: ConnectionContext = { bus, channels, api, counters, guard };
  const sip = new SipEndpoint({
    ...options.sip,
    maxSessions: options.maxSessions,
    codecs: options.codecs,
    pool,
    channels,
    counters,
    logger,
    channelOptions: { bus, runApplication },
    connectClient: (target, channel, onLost) => connectOutbound(target, channel, context, onLost),
  });
  const listener = new EslListener(context);
  const metrics = createMetrics({ name: 'media-server', instanceId });
  registerMetrics(metrics, {
    sessions: () => channels.size,
    rtpPorts: () => pool.legCount,
    eslClients: () => listener.connectionCount,
    counters,
    media: () => pool.stats(),
    sip: () => sip.agent?.counters,
  });
  await pool.start();
  await sip.start();
  const eslPort = await listener.listen(options.esl.host, options.esl.port);
  const http = await startHttpServer({
    host: options.esl.host,
    port: options.httpPort,
    metrics,
    logger,
    health: async () => ({ healthy: true, facts: { sessions: channels.size } }),
  });
  const heartbeat = startHeartbeat(bus, channels, counters, options);
  return {
    sip: sip.address,
    esl: `${options.esl.host}:${eslPort}`,
    httpPort: http.port,
    counters,
    channels,
    conferences,
    pool,
    async close() {
      clearInterval(heartbeat);
      const hangups = channels.all().map((channel) => channel.hangup('NORMAL_CLEARING'));
      await Promise.race([Promise.all(hangups), new Promise((resolve) => setTimeout(resolve, CLOSE_CALLS_MS).unref())]);
      await Promise.all([listener.close(), sip.stop(), pool.stop(), http.close(100)]);
      if (ownCache) await rm(cacheDir, { recursive: true, force: true });
    },
  };
}

function startHeartbeat(
  bus: EventBus,
  channels: ChannelRegistry,
  counters: ServerCounters,
  options: ServerOptions,
): NodeJS.Timeout {
  let before = 0;
  const started = Date.now();
  return setInterval(() => {
    const perSecond = ((counters.sessionsTotal - before) * 1000) / options.heartbeatMs;
    before = counters.sessionsTotal;
    bus.emit('HEARTBEAT', [
      ['Event-Info', 'System Ready'],
      ['Up-Time', `0 years, 0 days, 0 hours, 0 minutes, ${Math.floor((Date.now() - started) / 1000)} seconds`],
      ['FreeSWITCH-Version', SERVER_VERSION],
      ['Uptime-msec', String(Date.now() - started)],
      ['Session-Count', String(channels.size)],
      ['Max-Sessions', String(options.maxSessions)],
      ['Session-Per-Sec', String(Math.ceil(perSecond))],
      ['Session-Since-Startup', String(counters.sessionsTotal)],
      ['Idle-CPU', '100.000000'],
      ['Heartbeat-Interval', String(Math.round(options.heartbeatMs / 1000))],
    ]);
  }, options.heartbeatMs);
}
