/** Base of every error this package throws or returns; match on `code` across packages, never on the text. */
export abstract class RtpError extends Error {
  /** Stable machine-readable reason, such as `wav/truncated`. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A WAV file that cannot be read: not RIFF/WAVE, truncated before its audio, or in a format this reader does not know. */
export class WavFormatError extends RtpError {
  constructor(reason: 'not-wave' | 'truncated' | 'unsupported', message: string) {
    super(`wav/${reason}`, message);
  }
}

/** Why a recording cannot go on. */
export type RecordingProblem = 'disk-full' | 'disk-too-slow' | 'write-failed' | 'not-a-file';

/** A recording that could not be written; what was written before is a playable file. */
export class RecordingError extends RtpError {
  constructor(
    readonly problem: RecordingProblem,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`recording/${problem}`, message, options);
  }
}

/** A session description that cannot be used: broken lines, or an offer without audio that both sides know. */
export class SdpError extends RtpError {
  constructor(reason: 'syntax' | 'no-audio' | 'no-common-codec' | 'no-address' | 'no-crypto', message: string) {
    super(`sdp/${reason}`, message);
  }
}

/** A tone description that is not in the supported subset of FreeSWITCH's TGML. */
export class ToneSyntaxError extends RtpError {
  constructor(message: string) {
    super('tone/syntax', message);
  }
}

/** No free UDP port was left in the range given. */
export class PortRangeExhaustedError extends RtpError {
  constructor(
    readonly minPort: number,
    readonly maxPort: number,
  ) {
    super('rtp/ports-exhausted', `no free even UDP port between ${minPort} and ${maxPort}`);
  }
}
