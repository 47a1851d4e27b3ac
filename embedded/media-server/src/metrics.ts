import type { Metrics } from '@ringwire/common/metrics/metrics.js';
import type { SipCounters } from '@ringwire/sip';
import type { ServerCounters } from './counters.js';
import type { WorkerStats } from './media/protocol.js';

/** Where the numbers come from when metrics are scraped. */
export interface MetricSources {
  sessions: () => number;
  rtpPorts: () => number;
  conferences: () => number;
  eslClients: () => number;
  counters: ServerCounters;
  media: () => WorkerStats;
  sip: () => SipCounters | undefined;
}

/** Registers the media server's measurements; all are read when asked for, nothing is pushed on the call path. */
export function registerMetrics(metrics: Metrics, sources: MetricSources): void {
  const define = (name: string, help: string, read: () => number): void => {
    metrics.number({ name: `media_server_${name}`, help, read });
  };
  const { counters } = sources;
  define('sessions', 'Live channels', sources.sessions);
  define('rtp_ports_in_use', 'RTP ports in use', sources.rtpPorts);
  define('conferences', 'Conferences in progress', sources.conferences);
  define('esl_clients', 'Clients connected to the event socket', sources.eslClients);
  define('sessions_total', 'Channels answered', () => counters.sessionsTotal);
  define('sessions_rejected_total', 'INVITEs refused', () => counters.sessionsRejected);
  define('calls_placed_total', 'Calls placed', () => counters.callsPlaced);
  define('calls_placed_failed_total', 'Placed calls that were not answered', () => counters.callsPlacedFailed);
  define(
    'event_socket_lost_total',
    'Channels whose client could not be reached or went away',
    () => counters.eventSocketLost,
  );
  define('esl_commands_total', 'Event socket commands', () => counters.eslCommands);
  define('esl_bad_commands_total', 'Event socket commands refused', () => counters.eslBadCommands);
  define('esl_auth_failures_total', 'Wrong event socket passwords', () => counters.eslAuthFailures);
  define('esl_events_sent_total', 'Events sent to clients', () => counters.eslEventsSent);
  define('esl_events_lost_total', 'Events lost by clients that do not read', () => counters.eslEventsLost);
  define('plays_total', 'Playbacks started', () => counters.playsStarted);
  define('plays_not_found_total', 'Playbacks whose file could not be played', () => counters.playsNotFound);
  define('url_fetches_total', 'URLs fetched for playing', () => counters.urlFetches);
  define('url_fetch_failures_total', 'URLs that could not be fetched', () => counters.urlFetchFailures);
  define('url_cache_hits_total', 'URLs played from the cache', () => counters.urlCacheHits);
  define('dtmf_total', 'Digits received', () => counters.dtmfReceived);
  define('media_thread_restarts_total', 'Media threads that died and were replaced', () => counters.workerRestarts);
  define('forks_total', 'Audio forks started', () => counters.forksStarted);
  define('fork_dropped_ms_total', 'Audio that forks dropped because it was not taken', () => counters.forkDroppedMs);
  define('ticks_total', '20 ms ticks of the media threads', () => sources.media().ticks);
  define('late_ticks_total', 'Ticks more than 5 ms late', () => sources.media().lateTicks);
  define('skipped_ticks_total', 'Ticks given up after a stall', () => sources.media().skippedTicks);
  define('rtp_packets_in_total', 'RTP packets received', () => sources.media().packetsIn);
  define('rtp_packets_out_total', 'RTP packets sent', () => sources.media().packetsOut);
  define('rtp_bad_packets_total', 'Datagrams that are not RTP', () => sources.media().badPackets);
  define('rtp_stray_packets_total', 'RTP packets from a wrong source', () => sources.media().strayPackets);
  define('rtp_late_packets_total', 'RTP packets that came too late', () => sources.media().latePackets);
  define('rtcp_packets_in_total', 'RTCP packets received', () => sources.media().rtcpReportsIn);
  define('rtcp_packets_out_total', 'RTCP packets sent', () => sources.media().rtcpReportsOut);
  define(
    'rtcp_bad_packets_total',
    'RTCP packets dropped: malformed, of a wrong source or not authentic',
    () => sources.media().rtcpBadPackets,
  );
  define('sip_bad_messages_total', 'SIP messages that could not be parsed', () => sources.sip()?.parseErrorTotal ?? 0);
  define('sip_requests_total', 'SIP requests received', () => sources.sip()?.requestsReceived ?? 0);
}
