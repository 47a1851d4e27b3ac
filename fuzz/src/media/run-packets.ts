import { Random } from '../random.js';
import type { MediaFailure, MediaInput } from './input.js';
import { PacketTarget } from './packet-target.js';
import { type Memory, noMemory } from './report.js';

/** What packets came to. */
export interface PacketsResult {
  inputs: number;
  kinds: Record<string, number>;
  seconds: number;
  /** After the warm-up and at the end, with no call left. */
  before: Memory;
  after: Memory;
  /** With all calls alive, ten times in a long run. */
  course: Memory[];
  failures: MediaFailure[];
  /** Good calls that were answered and heard in between. */
  probes: number;
  /** What the server says it read: proof that packets came. */
  counts: Record<string, number>;
}

/** What a run of packets is told. */
export interface PacketsOptions {
  count: number;
  seed: number;
  replay?: readonly MediaInput[];
  onFailure: (failure: MediaFailure) => void;
  onProgress: (done: number, total: number) => void;
}

/** The server is waited for so often, so that no socket's buffer runs over. */
const KEEP_UP_EVERY = 500;
const PROBE_EVERY = 10_000;
const PROGRESS_MS = 2000;
/** What one looks for the culprit in. */
const HISTORY = 1500;
const MAX_FAILURES = 20;
/** Servers that are started at most. */
const MAX_STARTS = 6;
const WARM_UP = 50_000;
const COURSE = 10;
/** Transactions of SIP need 32 s to end by themselves. */
const REST_MS = 35_000;
const SHORT_REST_MS = 500;
const COUNTS = [
  'rtp_packets_in_total',
  'rtp_bad_packets_total',
  'rtp_stray_packets_total',
  'rtcp_packets_in_total',
  'rtcp_bad_packets_total',
  'dtmf_total',
  'sip_requests_total',
  'sip_bad_messages_total',
  'esl_commands_total',
  'sessions_total',
  'plays_total',
  'url_fetches_total',
  'forks_total',
];

/** Sends mutated packets to a media server in a process of its own; one that dies is replaced, and the run goes on. */
export async function runPackets({
  count,
  seed,
  replay,
  onFailure,
  onProgress,
}: PacketsOptions): Promise<PacketsResult> {
  const started = performance.now();
  const failures: MediaFailure[] = [];
  const history: MediaInput[] = [];
  const kinds: Record<string, number> = {};
  const counts: Record<string, number> = {};
  let before = noMemory();
  const course: Memory[] = [];
  let after = before;
  let probes = 0;
  let n = 0;
  let starts = 0;
  let told = started;
  const fail = (what: MediaFailure['what'], error: string): void => {
    if (failures.length >= MAX_FAILURES) return;
    const failure: MediaFailure = { part: 'packets', what, error, inputs: [...history] };
    failures.push(failure);
    onFailure(failure);
  };
  const warmUp = Math.min(WARM_UP, Math.floor(count / 4));
  const restMs = count >= WARM_UP ? REST_MS : SHORT_REST_MS;
  const collect = async (target: PacketTarget): Promise<void> => {
    for (const name of COUNTS) counts[name] = (counts[name] ?? 0) + (await target.server.metric(name));
  };
  while (n < count && failures.length < MAX_FAILURES && starts++ < MAX_STARTS) {
    const target = await PacketTarget.start(fail);
    try {
      for (; n < count && failures.length < MAX_FAILURES && !target.server.isGone; n++) {
        const input = replay?.[n] ?? target.make(n, Random.of(seed, n));
        kinds[input.kind] = (kinds[input.kind] ?? 0) + 1;
        history.push(input);
        if (history.length >= 2 * HISTORY) history.splice(0, HISTORY);
        await target.deliver(input);
        if (n % KEEP_UP_EVERY === KEEP_UP_EVERY - 1) await target.keepUp(n);
        if (n % PROBE_EVERY === PROBE_EVERY - 1) {
          await target.probe();
          probes++;
        }
        if (count >= WARM_UP && n % Math.ceil(count / COURSE) === 0) course.push(await target.server.memory());
        if (n === warmUp) {
          before = await target.settle(restMs);
          await target.placeCalls();
        }
        if (performance.now() - told < PROGRESS_MS) continue;
        told = performance.now();
        onProgress(n + 1, count);
      }
      if (target.server.isGone) continue;
      await target.keepUp(n);
      await target.probe();
      probes++;
      await collect(target);
      after = await target.settle(restMs);
    } catch (error) {
      // What fails because the server is gone was told when it went.
      if (!target.server.isGone) fail('probe', error instanceof Error ? (error.stack ?? error.message) : String(error));
      n++;
    } finally {
      await target.stop();
    }
  }
  return {
    inputs: n,
    kinds,
    seconds: (performance.now() - started) / 1000,
    before,
    after,
    course,
    failures,
    probes,
    counts,
  };
}
