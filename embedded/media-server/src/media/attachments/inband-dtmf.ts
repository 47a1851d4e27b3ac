import type { LegRate } from '@ringwire/rtp';
import type { Attachment, AttachmentContext } from '../attachment.js';
import { DETECTOR_RATE_HZ, DtmfDetector, type HeardDigit } from '../detectors/dtmf-detector.js';

/** Reports the digits that the peer sends as tones, each when it has ended. */
export class InbandDtmf implements Attachment {
  readonly rateHz: LegRate = DETECTOR_RATE_HZ;
  readonly ended = false;
  readonly #detector: DtmfDetector;

  constructor(context: AttachmentContext<HeardDigit>) {
    this.#detector = new DtmfDetector((digit) => context.report(digit));
  }

  heardTick(frame: Int16Array): void {
    this.#detector.process(frame);
  }

  close(): void {
    this.#detector.flush();
  }
}
