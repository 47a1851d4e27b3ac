/** What of a call's sound is wanted. */
export interface AudioStreamOptions {
  /** The far end alone, both in one, or the far end left and what it hears right. */
  mixType: 'mono' | 'mixed' | 'stereo';
  /** Hz. */
  sampleRate: 8000 | 16000;
  /** Sound goes back to the far end, too: L16 mono at this rate, by {@link AudioStream.send}. */
  back?: { sampleRate: number };
}

/** A piece of sound. */
export interface AudioFrame {
  /** Left and right in turns where it is stereo. */
  samples: Int16Array;
  /** Where in the stream it begins: ms of sound that the media server has sent before, whatever was paused. */
  atMs: number;
}

/**
 * A call's sound as it comes. Frames are for one reader, who gets them in order; the loop ends with the stream, whoever ended it. A
 * reader who is slow loses the oldest sound.
 */
export interface AudioStream extends AsyncIterable<AudioFrame> {
  readonly channels: 1 | 2;
  readonly sampleRate: number;
  /** Resolves when no further sound comes. */
  readonly ended: Promise<void>;
  /** `silence`: silence comes meanwhile, else nothing. Never rejects, nor does {@link resume}. */
  pause(how: 'pause' | 'silence'): Promise<void>;
  resume(): Promise<void>;
  /** Sound for the far end. @returns false, with nothing sent, while too much of it waits to be taken */
  send(samples: Int16Array): boolean;
  /** A text frame to the media server's module: `{ type: 'mark', data: { name } }`. */
  sendText(message: unknown): void;
  /** Calls back for each text frame of the module that is JSON. */
  onText(listener: (message: unknown) => void): void;
  /** Drops what was sent and is not played yet; never rejects. */
  clear(): Promise<void>;
  /** Ends it; never rejects. */
  close(): Promise<void>;
}

/** Where a call's sound is had. */
export interface AudioTap {
  /**
   * Resolves when the sound is about to come.
   * @throws MediaServerError
   */
  open(options: AudioStreamOptions): Promise<AudioStream>;
}
