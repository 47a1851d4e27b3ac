import type { AudioFrame, AudioStream, AudioStreamOptions, AudioTap } from '../media/audio-streams.js';

/** A stream whose sound the test brings. */
export class FakeAudioStream implements AudioStream {
  readonly channels: 1 | 2;
  readonly sampleRate: number;
  readonly ended: Promise<void>;
  readonly told: string[] = [];
  isClosed = false;
  #end: () => void = () => {};
  #waiting: AudioFrame[] = [];
  #wake: () => void = () => {};
  #samples = 0;

  constructor({ mixType, sampleRate }: AudioStreamOptions) {
    this.channels = mixType === 'stereo' ? 2 : 1;
    this.sampleRate = sampleRate;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Brings sound. */
  hear(samples: Int16Array): void {
    this.#waiting.push({ samples, atMs: (this.#samples * 1000) / (this.sampleRate * this.channels) });
    this.#samples += samples.length;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<AudioFrame, void, void> {
    for (;;) {
      const frame = this.#waiting.shift();
      if (frame) yield frame;
      else if (this.isClosed) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  async pause(how: 'pause' | 'silence'): Promise<void> {
    this.told.push(how);
  }

  async resume(): Promise<void> {
    this.told.push('resume');
  }

  send(): boolean {
    return true;
  }

  sendText(): void {}

  onText(): void {}

  async clear(): Promise<void> {}

  async close(): Promise<void> {
    this.isClosed = true;
    this.#wake();
    this.#end();
  }
}

/** Hands out streams that it keeps. */
export class FakeTap implements AudioTap {
  readonly streams: FakeAudioStream[] = [];

  async open(options: AudioStreamOptions): Promise<AudioStream> {
    const stream = new FakeAudioStream(options);
    this.streams.push(stream);
    return stream;
  }
}
