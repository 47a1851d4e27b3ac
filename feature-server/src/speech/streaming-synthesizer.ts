import type { VoiceSettings } from './synthesizer.js';

/** What a {@link SpeechFeed} tells. */
export interface SpeechFeedListener {
  /** There is room for another piece, after there was none. */
  onRoom(): void;
  /** Everything that was given has been heard, or could not be spoken. */
  onEmpty(): void;
}

/** One voice that speaks text while it still grows. A vendor that streams opens a connection for it. */
export interface SpeechFeed {
  /** Whether another piece is taken. */
  readonly hasRoom: boolean;
  /** Nothing is being spoken, and nothing waits to be. */
  readonly isEmpty: boolean;
  /** Speaks a piece after what was given before. */
  speak(piece: string): void;
  /** What was heard since this was last asked for: whole pieces, and of the one that plays, or was cut, as much as was heard of it. */
  heard(): string;
  /** Stops, and drops what waits. Resolves when nothing is heard any more; never rejects. */
  clear(): Promise<void>;
  /** The same for good. */
  close(): Promise<void>;
}

/** A speech vendor that takes text while it grows: the door for vendors with streaming connections. */
export interface StreamingSynthesizer {
  /** jambonz's vendor identifier, in lower case. */
  readonly vendor: string;
  /**
   * Opens a stream into a call.
   * @throws SynthesisError
   */
  open(settings: VoiceSettings, listener: SpeechFeedListener): Promise<SpeechFeed>;
}
