import type { NgValue } from './ng-client.js';

/**
 * How media travels on one leg: `plain` RTP, `srtp` (SDES, as Teams and many carriers do it) or `webrtc` (DTLS-SRTP with ICE).
 */
export type MediaProfile = 'plain' | 'srtp' | 'webrtc';

/** How media travels on the leg to somebody whom we call, as his rows say and not his offer. */
export interface FarMedia {
  profile: MediaProfile;
  /** Keeps the `=` at the end of SRTP keys, which some peers insist on. */
  padCrypto: boolean;
  /** Takes ICE away even where our side has it. */
  removeIce: boolean;
  /** Offers SDES only: no DTLS fingerprint beside it. */
  dtlsOff: boolean;
  /** Codec names in order of preference, others are not offered; empty: what our side offers. */
  codecs: readonly string[];
  /** `tones`: keys are heard there, as DTMF in the sound, and never telephone events (RFC 4733). Missing: as the two sides agree. */
  keys?: 'tones';
}

/** The profile that an offer asks for, from its media lines. An SDP without audio counts as plain. */
export function profileOf(sdp: string): MediaProfile {
  const protocols = Array.from(sdp.matchAll(/^m=\S+ \d+(?:\/\d+)? (\S+)/gm), (match) => match[1]!.toUpperCase());
  if (protocols.length === 0 || protocols.every((protocol) => !protocol.includes('SAVP'))) return 'plain';
  return protocols.every((protocol) => protocol === 'RTP/SAVP') ? 'srtp' : 'webrtc';
}

/** Suites that authenticate and do not encrypt: whoever chose one would have a call over SRTP in clear. */
const ENCRYPTED_ONLY = ['no-NULL_HMAC_SHA1_80', 'no-NULL_HMAC_SHA1_32'];

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

/** Media to a browser that registered over WebSocket. */
export const BROWSER: FarMedia = {
  profile: 'webrtc',
  padCrypto: false,
  removeIce: false,
  dtlsOff: false,
  codecs: [],
};

/** Media that is encrypted with keys in the SDP (RFC 4568), and no other way. */
export const SDES: FarMedia = { profile: 'srtp', padCrypto: false, removeIce: true, dtlsOff: true, codecs: [] };

/** What carriers and media servers can be relied on to have, keys included. */
const TELEPHONY = ['PCMU', 'PCMA', 'telephone-event'];

/**
 * What an offer says of codecs, besides {@link relayParams}: those that the other side lacks are transcoded. Between a browser
 * and the rest, Opus turns into G.711: over the Internet it copes with loss, and the rest need not have it.
 *
 * @param sdp the offer
 * @param from how media travels on the offering side
 * @param to how it travels on the other
 */
export function codecParams(
  sdp: string,
  from: MediaProfile | FarMedia,
  to: MediaProfile | FarMedia,
): Record<string, NgValue> {
  if (hearsTones(to)) return { codec: withoutEvents(codecsFor(sdp, from, to)) };
  const codec = codecsFor(sdp, from, to);
  // Who is to get telephone events is offered them, though the other side has none.
  if (hearsTones(from)) return { codec: { ...codec, transcode: listOf(codec.transcode, 'telephone-event') } };
  return Object.keys(codec).length === 0 ? {} : { codec };
}

type Codecs = Partial<Record<'strip' | 'mask' | 'offer' | 'consume' | 'transcode', string[]>>;

const hearsTones = (leg: MediaProfile | FarMedia): boolean => typeof leg !== 'string' && leg.keys === 'tones';

const listOf = (known: readonly string[] | undefined, one: string): string[] => [
  ...(known ?? []).filter((name) => name !== one),
  one,
];

/** rtpengine takes the events itself then: it makes tones of them, and events of the tones that come. */
function withoutEvents(codec: Codecs): Codecs {
  const isOther = (name: string): boolean => name !== 'telephone-event';
  const rest = Object.entries(codec).map(([what, names]) => [what, names.filter(isOther)] as const);
  return { ...Object.fromEntries(rest), consume: listOf(codec.consume, 'telephone-event') };
}

function codecsFor(sdp: string, from: MediaProfile | FarMedia, to: MediaProfile | FarMedia): Codecs {
  if (typeof to !== 'string' && to.codecs.length > 0) {
    return { strip: ['all'], offer: [...to.codecs, 'telephone-event'], transcode: [...to.codecs] };
  }
  const [isFromBrowser, isToBrowser] = [from, to].map((leg) => nameOf(leg) === 'webrtc');
  if (isFromBrowser === isToBrowser) return {};
  // Every browser has Opus (RFC 7874 §3); offered G.711 beside it, rtpengine 10.5 would send that.
  const opus = ['opus', 'telephone-event'];
  if (isToBrowser) return { strip: ['all'], consume: ['PCMU', 'PCMA'], transcode: opus };
  // With G.711 still in the browser's offer rtpengine 10.5 would answer that, as it needs no transcoding.
  if (/^a=rtpmap:\d+ opus\//im.test(sdp)) return { strip: ['all'], consume: ['opus'], transcode: [...TELEPHONY] };
  return { mask: ['all'], transcode: [...TELEPHONY] };
}

const nameOf = (leg: MediaProfile | FarMedia): MediaProfile => (typeof leg === 'string' ? leg : leg.profile);

function farParams({ profile, padCrypto, removeIce, dtlsOff }: FarMedia): Record<string, NgValue> {
  if (profile === 'plain') return structuredClone(PROFILES.plain);
  // It cannot do without ICE, whatever the other side has.
  if (profile === 'webrtc') return { ...structuredClone(PROFILES.webrtc), ICE: 'force' };
  return {
    'transport-protocol': 'RTP/SAVP',
    ICE: removeIce ? 'remove' : 'default',
    ...(dtlsOff ? { DTLS: 'off' } : {}),
    SDES: [...ENCRYPTED_ONLY, ...(padCrypto ? ['pad'] : [])],
    flags: ['port latching'],
    'rtcp-mux': [removeIce ? 'demux' : 'accept'],
  };
}
