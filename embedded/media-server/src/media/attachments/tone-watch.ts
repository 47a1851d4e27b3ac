import type { LegRate } from '@ringwire/rtp';
import type { Attachment, AttachmentContext } from '../attachment.js';
import { type Beep, BeepDetector } from '../detectors/beep-detector.js';
import { CADENCE_SETS, CadenceDetector } from '../detectors/cadence.js';
import { ToneMeter } from '../detectors/tone-meter.js';
import type { Side } from '../protocol.js';

/** What is listened for, and on which side. */
export type ToneWatchSpec = { side: Side } & (
  | {
      watch: 'tone';
      /** Sound together; up to 16. */
      frequenciesHz: number[];
      /** How often it must be heard, half a second apart, no more than 5 s between two. */
      hits: number;
      /** How long it must last to be heard. @defaultValue 60 */
      minMs?: number;
      /** Longest disturbance within it, which must not be silence. @defaultValue 0 */
      maxGapMs?: number;
    }
  /** Call progress tones of a country: a key of {@link CADENCE_SETS}. */
  | { watch: 'cadence'; set: string }
  | { watch: 'beep' }
);

/** A tone was heard: the frequencies, a call progress tone, or a beep. */
export type ToneWatchEvent = { type: 'tone' } | { type: 'cadence'; name: string } | ({ type: 'beep' } & Beep);

const FRAME_MS = 20;
/** Three frames in a row. */
const MIN_MS = 60;
const MIN_SHARE = 0.6;
const BETWEEN_HITS_MS = 500;
const HIT_EXPIRES_MS = 5000;

/** Listens for tones on one side of a leg. A watch for given frequencies ends when they have been heard; the others go on. */
export class ToneWatch implements Attachment {
  readonly rateHz: LegRate = 8000;
  ended = false;
  heardTick?: (frame: Int16Array) => void;
  sentTick?: (frame: Int16Array) => void;

  constructor(spec: ToneWatchSpec, context: AttachmentContext<ToneWatchEvent>) {
    const listen = this.#listener(spec, context);
    if (spec.side === 'read') this.heardTick = listen;
    else this.sentTick = listen;
  }

  close(): void {
    this.ended = true;
  }

  #listener(spec: ToneWatchSpec, context: AttachmentContext<ToneWatchEvent>): (frame: Int16Array) => void {
    if (spec.watch === 'beep') {
      const detector = new BeepDetector((beep) => context.report({ type: 'beep', ...beep }));
      return (frame) => detector.process(frame);
    }
    if (spec.watch === 'cadence') {
      const tones = CADENCE_SETS.get(spec.set) ?? [];
      const detector = new CadenceDetector(tones, (name) => context.report({ type: 'cadence', name }));
      return (frame) => detector.process(frame);
    }
    return this.#countHits(spec, context);
  }

  #countHits(
    { frequenciesHz, hits, minMs = MIN_MS, maxGapMs = 0 }: Extract<ToneWatchSpec, { watch: 'tone' }>,
    context: AttachmentContext<ToneWatchEvent>,
  ): (frame: Int16Array) => void {
    const meter = new ToneMeter(frequenciesHz);
    const least = 0.25 / frequenciesHz.length;
    let lastedMs = 0;
    let gapMs = 0;
    let counted = 0;
    let sinceHitMs = HIT_EXPIRES_MS;
    return (frame) => {
      meter.process(frame);
      sinceHitMs += FRAME_MS;
      if (sinceHitMs > HIT_EXPIRES_MS) counted = 0;
      let sum = 0;
      let each = true;
      for (let i = 0; i < meter.shares.length; i++) {
        sum += meter.shares[i]!;
        if (meter.shares[i]! < least) each = false;
      }
      if (each && sum >= MIN_SHARE) {
        lastedMs += gapMs + FRAME_MS;
        gapMs = 0;
      } else {
        gapMs += FRAME_MS;
        if (lastedMs === 0 || meter.isSilent || gapMs > maxGapMs) lastedMs = gapMs = 0;
        return;
      }
      if (lastedMs < minMs || (counted > 0 && sinceHitMs < BETWEEN_HITS_MS)) return;
      lastedMs = 0;
      sinceHitMs = 0;
      if (++counted < hits) return;
      this.ended = true;
      context.report({ type: 'tone' });
    };
  }
}
