import type { NgValue } from './ng-client.js';

/**
 * How media travels on one leg: `plain` RTP, `srtp` (SDES, as Teams and many carriers do it) or `webrtc` (DTLS-SRTP with ICE).
 */
export type MediaProfile = 'plain' | 'srtp' | 'webrtc';

/** The profile that an offer asks for, from its media lines. An SDP without audio counts as plain. */
export function profileOf(sdp: string): MediaProfile {
  const protocols = Array.from(sdp.matchAll(/^m=\S+ \d+(?:\/\d+)? (\S+)/gm), (match) => match[1]!.toUpperCase());
  if (protocols.length === 0 || protocols.every((protocol) => !protocol.includes('SAVP'))) return 'plain';
  return protocols.every((protocol) => protocol === 'RTP/SAVP') ? 'srtp' : 'webrtc';
}

const PROFILES: Record<MediaProfile, Record<string, NgValue>> = {
  plain: {
    'transport-protocol': 'RTP/AVP',
    ICE: 'remove',
    DTLS: 'off',
    SDES: 'off',
    flags: ['port latching'],
    'rtcp-mux': ['accept'],
  },
  srtp: {
    'transport-protocol': 'RTP/SAVP',
    ICE: 'default',
    SDES: 'off',
    flags: ['generate mid', 'SDES-no', 'port latching'],
    'rtcp-mux': ['accept'],
  },
  webrtc: {
    'transport-protocol': 'UDP/TLS/RTP/SAVPF',
    ICE: 'default',
    SDES: 'off',
    flags: ['generate mid', 'SDES-no', 'port latching'],
    'rtcp-mux': ['require'],
  },
};

/** The `ng` parameters with which rtpengine writes an SDP for a leg of that profile. */
export function relayParams(profile: MediaProfile): Record<string, NgValue> {
  return { ...structuredClone(PROFILES[profile]), replace: ['origin', 'session-connection'], 'record call': 'no' };
}
