import { type ConfigOf, flag, integer, optionalText, privateAddresses } from '../config/read-config.js';
import { drachtioVars, encryptionVars, httpVars, mysqlVars, redisVars } from '../config/variables.js';

/** What both edges read from their environment. */
export const edgeVars = {
  ...mysqlVars,
  ...redisVars,
  ...drachtioVars,
  ...httpVars,
  ...encryptionVars,
  SIP_ADDRESS: optionalText({
    doc: "ip:port under which feature servers reach the edge's SIP server; by default taken from its answer to authenticate",
  }),
  RTPENGINE_HOST: optionalText({ doc: 'host of rtpengine; unset: media flows direct' }),
  RTPENGINE_PORT: integer({ default: 22_222, min: 1, max: 65_535, doc: "UDP port of rtpengine's ng control protocol" }),
  RTPENGINE_DIRECTION: optionalText({
    doc: "names of rtpengine's interfaces towards the caller and the callee, as `public,private`; unset: it has one",
  }),
  ALLOW_MEDIA_BYPASS: flag({
    default: false,
    doc: 'whether far ends may send their media to each other past rtpengine, where an application asks for it (exitMediaPath); both edges must allow it',
  }),
  PRIVATE_NETWORK_CIDR: optionalText({
    doc: 'source networks that are ours, as `10.0.0.0/8,192.168.0.0/16`, besides the live feature servers',
  }),
  TRUSTED_PROXY_CIDR: optionalText({
    doc: 'networks of our proxies in front of the edge, whose X-Forwarded-For is believed; unset: nobody is',
  }),
  MAX_CALLS: integer({ default: 500, min: 1, doc: 'calls that this process takes; more are refused with 503' }),
  MAX_EVENT_LOOP_LAG_MS: integer({
    default: 200,
    min: 0,
    doc: 'new calls are refused with 503 while timers run later than this (90th percentile); 0: never',
  }),
  CALL_COUNT_EXPIRY_MS: integer({
    default: 30_000,
    min: 500,
    doc: 'how long the calls of a process that died count against the limits of accounts, applications and service providers',
  }),
  CALL_LIMIT_TIMEOUT_MS: integer({
    default: 2_000,
    min: 50,
    doc: 'how long a call waits for Redis to say whether a limit is reached; then it is let in',
  }),
  KEEPALIVE_MS: integer({
    default: 8_000,
    min: 100,
    doc: 'how often the feature server side of a call is asked whether it lives',
  }),
  FAR_KEEPALIVE_MS: integer({
    default: 60_000,
    min: 0,
    doc: 'how often the far end of a call is asked whether it is there, 0: never; a telephone that lost its power says no BYE',
  }),
  SIPREC_ALLOW_PRIVATE: privateAddresses({
    default: false,
    doc: 'which private addresses the recording servers (SIPREC) of applications may be at: none, `loopback` or all',
  }),
  SIPREC_ANSWER_TIMEOUT_MS: integer({
    default: 2_000,
    min: 100,
    max: 10_000,
    doc: 'how long a recording server (SIPREC) may take to answer before the next is asked',
  }),
  ANSWER_TIMEOUT_MS: integer({ default: 180_000, min: 1_000, doc: 'how long a call may ring' }),
};

/** The configuration of an edge. */
export type EdgeConfig = ConfigOf<typeof edgeVars>;
