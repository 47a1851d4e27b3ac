import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { startHttpServer } from '@ringwire/common/http/server.js';
import type { Logger } from '@ringwire/common/log/logger.js';
import { createMetrics } from '@ringwire/common/metrics/metrics.js';
import { bracketed } from '@ringwire/sip';
import { ApiCommands } from './api/api-commands.js';
import { createApplicationRunner } from './channel/applications.js';
import { ChannelRegistry } from './channel/channel-registry.js';
import { tellProblem } from './channel/tell-problem.js';
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
import { Originator } from './originate/originator.js';
import { Scheduler } from './scheduler.js';
import { describeUptime, SessionMeter } from './session-meter.js';
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
/** What URLs that are fetched or played may take beside what is kept, whatever that is: a small cache must not keep calls from playing. */
const MIN_PASSING_BYTES = 256 * 1024 * 1024;

/** Starts everything; resolves when it listens. Rejects when a port cannot be had. */
export async function startMediaServer(
  options: ServerOptions,
  logger: Logger,
  instanceId: string,
): Promise<MediaServer> {
  const counters = new ServerCounters();
  const bus = new EventBus(randomUUID(), options.sip.host);
  const scheduler = new Scheduler(bus);
  const channels = new ChannelRegistry((uuid) => void scheduler.deleteGroup(uuid));
  const pool = new MediaPool({
    workers: options.workers,
    host: options.rtpAddress,
    minPort: options.rtpPorts.min,
    maxPort: options.rtpPorts.max,
    quarantineMs: options.rtpQuarantineMs,
    relatchAfterMs: options.rtpRelatchMs,
    codecs: options.codecs,
    realtime: options.realtime,
    preloadDecoders: options.preloadDecoders,
    onWorkerLost: (error) => {
      counters.workerRestarts++;
      logger.error({ err: error }, 'media thread lost, calls on it are hung up');
    },
  });
  const ownCache = options.cacheDir === undefined;
  const cacheDir = options.cacheDir ?? (await mkdtemp(join(tmpdir(), 'media-server-')));
  const urls = new UrlCache(cacheDir, counters, {
    guard: new AddressGuard({ allowPrivate: options.fetchPrivate }),
    maxBytes: options.cacheBytes,
    maxPassingBytes: Math.max(options.cacheBytes, MIN_PASSING_BYTES),
  });
  const playlists = new Playlists({
    soundsDir: options.soundsDir,
    urls,
    counters,
    onProblem: (uuid, problem, what) => {
      logger.warn({ channel: uuid, problem }, 'cannot play');
      tellProblem(channels.get(uuid), problem, what);
    },
  });
  const conferences = new Conferences({
    bus,
    pool,
    playlists,
    profiles: options.conferenceProfiles,
    domain: options.sip.host,
  });
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
  const meter = new SessionMeter(options.maxSessions);
  const startedMs = Date.now();
  const api = new ApiCommands({
    channels,
    conferences,
    counters,
    playlists,
    sipAddress: () => sip.address,
    rtpAddress: options.rtpAddress,
    meter,
    bus,
    globals: new Map([
      ['hostname', hostname()],
      ['core_uuid', bus.coreUuid],
      ['local_ip_v4', options.sip.host],
    ]),
    logger,
    startedMs,
    originator: new Originator((target) => sip.place(target)),
    scheduler,
  });
  const guard = new LoginGuard(options.password);
  const context: ConnectionContext = { bus, channels, api, counters, guard };
  const sip = new SipEndpoint({
    ...options.sip,
    meter,
    session: { codecs: options.codecs, rtcpIntervalMs: options.rtcpIntervalMs },
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
    conferences: () => conferences.all().length,
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
  const heartbeat = startHeartbeat({ bus, channels, counters, meter, startedMs, intervalMs: options.heartbeatMs });
  return {
    sip: sip.address,
    esl: `${bracketed(options.esl.host)}:${eslPort}`,
    httpPort: http.port,
    counters,
    channels,
    conferences,
    pool,
    async close() {
      clearInterval(heartbeat);
      scheduler.close();
      const hangups = channels.all().map((channel) => channel.hangup('NORMAL_CLEARING'));
      await Promise.race([Promise.all(hangups), new Promise((resolve) => setTimeout(resolve, CLOSE_CALLS_MS).unref())]);
      await Promise.all([listener.close(), sip.stop(), pool.stop(), http.close(100)]);
      await urls.close();
      if (ownCache) await rm(cacheDir, { recursive: true, force: true });
    },
  };
}

interface HeartbeatSources {
  bus: EventBus;
  channels: ChannelRegistry;
  counters: ServerCounters;
  meter: SessionMeter;
  startedMs: number;
  intervalMs: number;
}

function startHeartbeat({ bus, channels, counters, meter, ...times }: HeartbeatSources): NodeJS.Timeout {
  let busyBefore = process.cpuUsage();
  return setInterval(() => {
    const busy = process.cpuUsage(busyBefore);
    busyBefore = process.cpuUsage();
    const idle = 100 - (busy.user + busy.system) / (times.intervalMs * 10 * availableParallelism());
    const uptimeMs = Date.now() - times.startedMs;
    const perSecond = meter.perSecond;
    bus.emit('HEARTBEAT', [
      ['Event-Info', 'System Ready'],
      ['Up-Time', describeUptime(uptimeMs)],
      ['FreeSWITCH-Version', SERVER_VERSION],
      ['Uptime-msec', String(uptimeMs)],
      ['Session-Count', String(channels.size)],
      ['Max-Sessions', String(meter.maxSessions)],
      // What may still begin in this second, as in FreeSWITCH.
      ['Session-Per-Sec', String(Math.max(0, meter.maxPerSecond - perSecond.now))],
      ['Session-Per-Sec-Last', String(perSecond.last)],
      ['Session-Per-Sec-Max', String(perSecond.peak)],
      ['Session-Per-Sec-FiveMin', String(perSecond.peakFiveMinutes)],
      ['Session-Since-Startup', String(counters.sessionsTotal)],
      ['Session-Peak-Max', String(meter.peak)],
      ['Session-Peak-FiveMin', String(meter.peakFiveMinutes(channels.size))],
      ['Idle-CPU', Math.min(Math.max(idle, 0), 100).toFixed(6)],
    ]);
  }, times.intervalMs);
}
