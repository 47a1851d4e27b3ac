import type { NgValue } from './ng-client.js';

/**
 * How media travels on one leg: `plain` RTP, `srtp` (SDES, as Teams and many carriers do it) or `webrtc` (DTLS-SRTP with ICE).
 */
export type MediaProfile = 'plain' | 'srtp' | 'webrtc';

/** How media travels on the leg to somebody whom we call, as his rows say and not his offer. */
export interface FarMedia {
  profile: 'plain' | 'srtp';
  /** Keeps the `=` at the end of SRTP keys, which some peers insist on. */
  padCrypto: boolean;
  /** Takes ICE away even where our side has it. */
  removeIce: boolean;
  /** Offers SDES only: no DTLS fingerprint beside it. */
  dtlsOff: boolean;
  /** Codec names in order of preference, others are not offered; empty: what our side offers. */
  codecs: readonly string[];
}

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
export function relayParams(leg: MediaProfile | FarMedia): Record<string, NgValue> {
  const params = typeof leg === 'string' ? structuredClone(PROFILES[leg]) : farParams(leg);
  return { ...params, replace: ['origin', 'session-connection'], 'record call': 'no' };
}

/** What an offer says of codecs, besides {@link relayParams}: those that the other side lacks are transcoded. */
export function codecParams(leg: MediaProfile | FarMedia): Record<string, NgValue> {
  if (typeof leg === 'string' || leg.codecs.length === 0) return {};
  return { codec: { strip: ['all'], offer: [...leg.codecs, 'telephone-event'], transcode: [...leg.codecs] } };
}

function farParams({ profile, padCrypto, removeIce, dtlsOff }: FarMedia): Record<string, NgValue> {
  if (profile === 'plain') return structuredClone(PROFILES.plain);
  return {
    'transport-protocol': 'RTP/SAVP',
    ICE: removeIce ? 'remove' : 'default',
    ...(dtlsOff ? { DTLS: 'off' } : {}),
    ...(padCrypto ? { SDES: ['pad'] } : {}),
    flags: ['port latching'],
    'rtcp-mux': [removeIce ? 'demux' : 'accept'],
  };
}
