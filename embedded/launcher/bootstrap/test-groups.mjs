// @ts-check

/**
 * @typedef {object} TestGroup
 * @property {string[]} of compiled test files
 * @property {number} jobs how many at a time
 * @property {number} timeoutSec how long one may take
 */

/** Each file starts a whole platform. */
const END_TO_END = 'test/';
/** Waits for audio most of the time and judges it by 20 ms: not beside tests that take a whole core. */
const REAL_TIME = 'embedded/media-server/';
/** Judge what is heard through a whole platform: beside nothing. */
const ALONE = ['demo', 'dial', 'verbs', 'webrtc'].map((name) => `test/dist/${name}.test.js`);

/**
 * The groups in which the tests run, one after the other.
 * @param {string[]} files
 * @param {number} cores
 * @returns {TestGroup[]}
 */
export function byGroup(files, cores) {
  const isEndToEnd = (/** @type {string} */ file) => file.startsWith(END_TO_END);
  const isRealTime = (/** @type {string} */ file) => file.startsWith(REAL_TIME);
  return [
    // Some compute, some wait for timers of SIP.
    { of: files.filter((file) => !isEndToEnd(file) && !isRealTime(file)), jobs: cores + 1, timeoutSec: 240 },
    // They sleep on audio: two of them take half a core.
    { of: files.filter(isRealTime), jobs: 2 * cores, timeoutSec: 180 },
    {
      of: files.filter((file) => isEndToEnd(file) && !ALONE.includes(file)),
      jobs: Math.min(2, cores),
      timeoutSec: 600,
    },
    { of: files.filter((file) => ALONE.includes(file)), jobs: 1, timeoutSec: 600 },
  ];
}

/** Files that take the longest, which begin first so that none is left over alone; some seconds more or less do not matter. */
const LONGEST = [
  'sbc-inbound/dist/failures',
  'feature-server/dist/feature-server',
  'sbc-outbound/dist/users',
  'sbc-inbound/dist/call-limits',
  'sbc-outbound/dist/trunks/trunk-takeover',
  'sbc-outbound/dist/trunks/trunk-registrar',
  'fuzz/dist/media/run-media',
  'sbc-outbound/dist/messages/smpp',
  'sbc-outbound/dist/outbound-calls',
  'embedded/phone/dist/cli',
  'sbc-outbound/dist/trunks/gateway-pinger',
  'sbc-outbound/dist/gateways',
  'feature-server/dist/messages/message-intake',
  'embedded/sip/dist/connection-guard',
  'sbc-inbound/dist/inbound-calls',
  'sbc-inbound/dist/main',
  'sbc-inbound/dist/stir/stir',
  'common/dist/records/records',
  'api-server/dist/provisioning',
  'common/dist/provisioning/provisioning',
  'verb-specs/dist/faults',
  'embedded/sip-server/dist/session-timer',
  'embedded/sip-server/dist/uac',
  'embedded/sip-server/dist/proxy/forking',
  'embedded/media-server/dist/media/jitter',
  'embedded/media-server/dist/codecs',
  'embedded/media-server/dist/codec-bridges',
  'embedded/media-server/dist/dub',
  'embedded/media-server/dist/play-sources',
  'embedded/media-server/dist/forks/fork',
  'embedded/media-server/dist/hold',
  'embedded/media-server/dist/media/decoding/formats',
  'embedded/media-server/dist/media/frame-reader',
  'embedded/media-server/dist/play',
  'embedded/media-server/dist/fsmrf-fork',
  'embedded/media-server/dist/fsmrf-api/endpoint',
  'embedded/media-server/dist/fsmrf-api/conference-member',
  'embedded/media-server/dist/conference/conference',
  'embedded/media-server/dist/fsmrf-api/endpoint-media',
  'embedded/media-server/dist/packet-times',
  'embedded/media-server/dist/rtcp',
  'embedded/media-server/dist/media/detectors/dtmf-detector',
  'embedded/media-server/dist/detection',
  'embedded/media-server/dist/record-survival',
  'embedded/media-server/dist/collect-digits',
  'embedded/media-server/dist/silence',
  'embedded/media-server/dist/play-many',
  'embedded/media-server/dist/fsmrf',
  'embedded/media-server/dist/srtp',
  'embedded/media-server/dist/fsmrf-api/conference',
  'embedded/media-server/dist/conference/controls',
  'embedded/media-server/dist/fsmrf-api/endpoint-record-speech',
  'test/dist/crash',
  'test/dist/load',
  'test/dist/feature-server-death',
  'test/dist/messages',
  'test/dist/edges',
  'test/dist/verbs',
  'test/dist/webrtc',
];

/** @param {string[]} files */
export function longestFirst(files) {
  const rank = (/** @type {string} */ file) => {
    const found = LONGEST.findIndex((name) => file === `${name}.test.js`);
    return found < 0 ? LONGEST.length : found;
  };
  return [...files].sort((a, b) => rank(a) - rank(b));
}
