import { SAMPLES_PER_PACKET, ToneGenerator, type ToneProgram } from '@ringwire/rtp';

/** Where the phone takes what it sends: 20 ms at a time. */
export interface AudioSource {
  /** Fills `frame` (160 samples at 8 kHz) and returns true, or returns false when it has nothing more. */
  fill(frame: Int16Array): boolean;
}

/** Sends samples (8 kHz) once; the last frame is filled up with silence. */
export function samplesSource(samples: Int16Array): AudioSource {
  let at = 0;
  return {
    fill(frame) {
      if (at >= samples.length) return false;
      const piece = samples.subarray(at, at + SAMPLES_PER_PACKET);
      frame.fill(0);
      frame.set(piece);
      at += piece.length;
      return true;
    },
  };
}

/** Sends a tone program as long as it lasts. */
export function toneSource(program: ToneProgram): AudioSource {
  const generator = new ToneGenerator(program);
  return {
    fill(frame) {
      frame.fill(0);
      return generator.read(frame, SAMPLES_PER_PACKET) > 0;
    },
  };
}
