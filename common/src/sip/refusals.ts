import { randomUUID } from 'node:crypto';
import { createTimeline } from '../events/timeline.js';
import type { EventSink } from '../events/types.js';
import type { Metrics } from '../metrics/metrics.js';
import type { EdgeMetrics } from './edge-metrics.js';
import type { SipRequest } from './stack.js';

/** Why an INVITE became no call. */
export interface RefusedInvite {
  status: number;
  /** For people, on the timeline; may say more than the response does. */
  cause: string;
  /** Short constant by which it is counted. */
  metric: string;
  /** The call sid that a trusted sender gave; otherwise a new one. */
  callSid?: string;
}

/** Tells of INVITEs that leave no call record, because nobody knows whose they are. */
export interface Refusals {
  /** Counts the refusal, and writes one timeline entry of level error, the call's first and last, while there is room. */
  tell(request: SipRequest, refused: RefusedInvite): void;
}

/** Entries per second, and at once. Anybody can send such INVITEs: more would let a flood push calls out of the stream. */
const ENTRIES_PER_SECOND = 20;
/** Longer Call-IDs and call sids are no keys of anything. */
const MAX_ID = 255;
/** Of what a stranger wrote, this much is shown. */
const MAX_SHOWN = 128;

const clip = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, MAX_SHOWN);

/** @param options.now - monotonic clock in ms */
export function refusals(options: {
  sink: EventSink;
  edgeMetrics: EdgeMetrics;
  metrics: Metrics;
  now?: () => number;
}): Refusals {
  const { sink, edgeMetrics, metrics, now = () => performance.now() } = options;
  const untold = metrics.counter({
    name: 'ringwire_refusals_untold_total',
    help: 'Refused INVITEs without a timeline entry, because there were too many at once',
  });
  let room = ENTRIES_PER_SECOND;
  let filledAt = now();
  const takeRoom = (): boolean => {
    const at = now();
    room = Math.min(ENTRIES_PER_SECOND, room + ((at - filledAt) * ENTRIES_PER_SECOND) / 1000);
    filledAt = at;
    if (room < 1) return false;
    room -= 1;
    return true;
  };
  return {
    tell(request, { status, cause, metric, callSid }) {
      edgeMetrics.rejected(metric);
      if (!takeRoom()) {
        untold.inc();
        return;
      }
      const sipCallId = request.get('Call-ID') ?? '';
      const timeline = createTimeline(sink, {
        callSid: callSid && callSid.length <= MAX_ID ? callSid : randomUUID(),
        ...(sipCallId && sipCallId.length <= MAX_ID ? { sipCallId } : {}),
      });
      const source = `${request.protocol}/${request.source_address}:${request.source_port}`;
      timeline.error('call', `INVITE from ${source} to ${clip(request.uri)} refused with ${status}: ${clip(cause)}`, {
        final: true,
        answered: false,
        sipStatus: status,
        reason: metric,
        source,
        userAgent: clip(request.get('User-Agent') ?? ''),
      });
    },
  };
}
