import type { LegRate } from '@ringwire/rtp';
import type { Attachment, AttachmentContext } from '../attachment.js';
import { VoiceDetector, type VoiceSettings } from '../detectors/voice-detector.js';

/** Voice activity that is wanted. */
export interface VoiceActivitySpec extends VoiceSettings {
  /** Whether it ends after the first change. */
  oneShot: boolean;
}

/** The peer began or stopped talking. */
export interface VoiceActivityEvent {
  talking: boolean;
  levelDb: number;
}

/** Reports when the peer begins and stops talking. */
export class VoiceActivity implements Attachment {
  readonly rateHz: LegRate = 8000;
  ended = false;
  readonly #detector: VoiceDetector;
  readonly #oneShot: boolean;
  readonly #report: (event: VoiceActivityEvent) => void;

  constructor(spec: VoiceActivitySpec, context: AttachmentContext<VoiceActivityEvent>) {
    this.#detector = new VoiceDetector(spec);
    this.#oneShot = spec.oneShot;
    this.#report = (event) => context.report(event);
  }

  heardTick(frame: Int16Array): void {
    const detector = this.#detector;
    if (!detector.process(frame)) return;
    this.#report({ talking: detector.talking, levelDb: Math.round(detector.levelDb * 10) / 10 });
    this.ended = this.#oneShot;
  }

  close(): void {
    this.ended = true;
  }
}
