import type { RecognitionEvent, RecognitionOrder, RecognitionSession, Recognizer } from '../speech/recognizer.js';
import { Channel } from './fakes.js';

/** A vendor that hears what the test says. */
export class FakeRecognizer implements Recognizer {
  readonly orders: RecognitionOrder[] = [];
  /** Those that listen. */
  readonly listeners: ((event: RecognitionEvent) => void)[] = [];
  failures: Error[] = [];
  written = 0;
  closed = 0;
  readonly #opened = new Channel<RecognitionOrder>();

  constructor(readonly vendor = 'google') {}

  sampleRateFor(): 8000 {
    return 8000;
  }

  speaks(): boolean {
    return true;
  }

  async open(order: RecognitionOrder, onEvent: (event: RecognitionEvent) => void): Promise<RecognitionSession> {
    this.orders.push(order);
    const failure = this.failures.shift();
    if (failure) throw failure;
    this.listeners.push(onEvent);
    this.#opened.post(order);
    return {
      write: (samples) => {
        this.written += samples.length;
      },
      close: async () => {
        this.closed += 1;
      },
    };
  }

  /** The next session that was opened. */
  opened(): Promise<RecognitionOrder> {
    return this.#opened.take('recognition session');
  }

  /** The newest session hears this. */
  hear(transcript: string, { isFinal = true, confidence = 0.9 } = {}): void {
    this.say({
      type: 'heard',
      speech: { isFinal, alternatives: [{ transcript, confidence }], evt: { raw: transcript } },
    });
  }

  say(event: RecognitionEvent): void {
    this.listeners.at(-1)?.(event);
  }
}
