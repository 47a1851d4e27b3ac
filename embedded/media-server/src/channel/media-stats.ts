import type { LegStats } from '../media/protocol.js';
import type { Channel } from './channel.js';

/**
 * Sets the channel variables with which FreeSWITCH tells of media, under its names: `uuid_set_media_stats` does, and the end of a call.
 * `rtp_audio_rtcp_…` are what the peer's last sender report says that it has sent. Not of FreeSWITCH: `rtp_audio_rtcp_round_trip_ms`, while it is
 * known.
 */
export function setMediaStats(channel: Channel, stats: LegStats): void {
  for (const [name, value] of Object.entries(variablesOf(stats))) {
    channel.setVariable(`rtp_audio_${name}`, value === undefined ? undefined : String(value));
  }
}

function variablesOf(stats: LegStats): Record<string, number | string | undefined> {
  return {
    in_raw_bytes: stats.bytesIn,
    in_media_bytes: stats.bytesIn,
    in_packet_count: stats.packetsIn,
    in_media_packet_count: stats.mediaPacketsIn,
    in_skip_packet_count: stats.latePackets,
    in_jitter_packet_count: stats.mediaPacketsIn,
    in_dtmf_packet_count: stats.dtmfPacketsIn,
    in_cng_packet_count: stats.comfortNoisePacketsIn,
    in_flush_packet_count: stats.badPackets + stats.strayPackets + stats.unauthenticPackets,
    // FreeSWITCH's own jitter buffer counts frames here; ours is not made of such.
    in_largest_jb_size: 0,
    // FreeSWITCH gives variances (ms²).
    in_jitter_min_variance: (stats.minJitterMs ** 2).toFixed(2),
    in_jitter_max_variance: (stats.maxJitterMs ** 2).toFixed(2),
    in_jitter_loss_rate: (stats.lossPercent / 100).toFixed(2),
    in_jitter_burst_rate: (stats.gaps > 0 ? stats.lostPackets / stats.gaps : 0).toFixed(2),
    in_mean_interval: stats.meanIntervalMs.toFixed(2),
    in_flaw_total: stats.lostPackets,
    in_quality_percentage: (stats.rFactor / 0.932).toFixed(2),
    in_mos: stats.mos.toFixed(2),
    out_raw_bytes: stats.bytesOut,
    out_media_bytes: stats.bytesOut,
    out_packet_count: stats.packetsOut,
    out_media_packet_count: stats.packetsOut - stats.dtmfPacketsOut - stats.comfortNoisePacketsOut,
    out_skip_packet_count: 0,
    out_dtmf_packet_count: stats.dtmfPacketsOut,
    out_cng_packet_count: stats.comfortNoisePacketsOut,
    rtcp_packet_count: stats.rtcpPeerPackets,
    rtcp_octet_count: stats.rtcpPeerOctets,
    rtcp_round_trip_ms: stats.roundTripMs > 0 ? stats.roundTripMs.toFixed(2) : undefined,
  };
}
