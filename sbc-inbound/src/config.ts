import { type ConfigOf, flag, integer, oneOf, privateAddresses, text } from '@ringwire/common';
import type { DigestAlgorithm } from '@ringwire/common/sip/digest/response.js';
import { edgeVars } from '@ringwire/common/sip/edge-config.js';
import { registrarVars } from './registrar/config.js';
import { stirVars } from './stir/config.js';

/** What a challenge asks for, by what `SIP_DIGEST` says. */
export const DIGEST_ALGORITHMS = {
  'SHA-256,MD5': ['SHA-256', 'MD5'],
  'MD5,SHA-256': ['MD5', 'SHA-256'],
  'SHA-256': ['SHA-256'],
  MD5: ['MD5'],
} as const satisfies Record<string, readonly [DigestAlgorithm, ...DigestAlgorithm[]]>;

/** How callers are admitted. */
export const admissionVars = {
  TEAMS_NETWORKS: text({
    default: '52.112.0.0/14,52.120.0.0/14',
    doc: 'IPv4 networks from which Microsoft Teams calls; the domain that is called says for which tenant',
  }),
  TEAMS_REQUIRE_TLS: flag({
    default: true,
    doc: 'whether calls of Microsoft Teams must come over TLS; `false` where a proxy of ours ends it',
  }),
  SHIELD_BAN_MINUTES: integer({
    default: 60,
    min: 0,
    max: 525_600,
    doc: 'how long a source is banned that floods, guesses or scans; 0: never',
  }),
  SIP_DIGEST: oneOf(Object.keys(DIGEST_ALGORITHMS) as (keyof typeof DIGEST_ALGORITHMS)[], {
    default: 'SHA-256,MD5',
    doc: 'hash algorithms that a challenge asks for, the preferred one first; clients that look at the first only and know MD5 need `MD5,SHA-256`',
  }),
  HOOK_ALLOW_PRIVATE: privateAddresses({
    default: false,
    doc: 'which private addresses registration hooks may reach: none, `loopback` or all',
  }),
};

/** What sbc-inbound reads from its environment. */
export const inboundVars = { ...edgeVars, ...admissionVars, ...stirVars, ...registrarVars };

/** How callers are admitted. */
export type AdmissionConfig = ConfigOf<typeof admissionVars>;
