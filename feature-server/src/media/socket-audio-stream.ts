import type { RawData, WebSocket } from 'ws';
import type { AudioFrame, AudioStream } from './audio-streams.js';
import type { AudioFork } from './forks.js';

/** Sound that waits for its reader; what is older is dropped. */
const MAX_WAITING_MS = 30_000;
/** Sound for the far end that waits in the socket. */
const MAX_UNSENT_BYTES = 1024 * 1024;
const BYTES_PER_SAMPLE = 2;

/** What a {@link SocketAudioStream} is made of. */
export interface SocketAudioStreamOptions {
  socket: WebSocket;
  fork: AudioFork;
  channels: 1 | 2;
  sampleRate: number;
}

/** A call's sound that a fork of the media server brings over a WebSocket. */
export class SocketAudioStream implements AudioStream {
  readonly channels: 1 | 2;
  readonly sampleRate: number;
  readonly ended: Promise<void>;
  #waiting: AudioFrame[] = [];
  #waitingSamples = 0;
  #samples = 0;
  /** Bytes of a sample whose rest is in the next frame. */
  #rest: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};
  #isOver = false;
  #isSilenced = false;
  #isPaused = false;
  readonly #textListeners: ((message: unknown) => void)[] = [];

  constructor(private readonly options: SocketAudioStreamOptions) {
    const { socket, channels, sampleRate } = options;
    this.channels = channels;
    this.sampleRate = sampleRate;
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isOver = true;
        this.#wake();
        resolve();
      });
    });
    socket.on('message', (data, isBinary) => {
      if (isBinary) this.#onSound(asBuffer(data));
      else this.#onText(asBuffer(data).toString('utf8'));
    });
    socket.resume();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<AudioFrame, void, void> {
    for (;;) {
      const frame = this.#waiting.shift();
      if (frame) {
        this.#waitingSamples -= frame.samples.length;
        yield frame;
      } else if (this.#isOver) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  async pause(how: 'pause' | 'silence'): Promise<void> {
    // Made here: public versions of mod_audio_fork cannot, and it takes effect with what is on its way.
    this.#isSilenced = how === 'silence';
    if (how === 'silence') return this.#resumeFork();
    this.#isPaused = true;
    await this.options.fork.pause('pause');
  }

  async resume(): Promise<void> {
    this.#isSilenced = false;
    await this.#resumeFork();
  }

  async #resumeFork(): Promise<void> {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    await this.options.fork.resume();
  }

  send(samples: Int16Array): boolean {
    const { socket } = this.options;
    if (socket.readyState !== socket.OPEN || socket.bufferedAmount > MAX_UNSENT_BYTES) return false;
    socket.send(Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength), { binary: true });
    return true;
  }

  sendText(message: unknown): void {
    const { socket } = this.options;
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
  }

  onText(listener: (message: unknown) => void): void {
    this.#textListeners.push(listener);
  }

  clear(): Promise<void> {
    return this.options.fork.stopPlay();
  }

  async close(): Promise<void> {
    const { fork, socket } = this.options;
    this.#waiting = [];
    this.#waitingSamples = 0;
    await fork.stop();
    // The module says goodbye by itself; where its channel is gone nobody does.
    socket.terminate();
    await this.ended;
  }

  #onSound(data: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data;
    const step = BYTES_PER_SAMPLE * this.channels;
    const whole = bytes.length - (bytes.length % step);
    this.#rest = Buffer.from(bytes.subarray(whole));
    if (whole === 0) return;
    // Copied: an Int16Array must begin at an even address, and the frame may be a part of a large buffer.
    const samples = new Int16Array(whole / BYTES_PER_SAMPLE);
    if (!this.#isSilenced) Buffer.from(samples.buffer).set(bytes.subarray(0, whole));
    const perMs = (this.sampleRate * this.channels) / 1000;
    this.#waiting.push({ samples, atMs: this.#samples / perMs });
    this.#samples += samples.length;
    this.#waitingSamples += samples.length;
    while (this.#waitingSamples > MAX_WAITING_MS * perMs) {
      this.#waitingSamples -= this.#waiting.shift()?.samples.length ?? 0;
    }
    this.#wake();
  }

  #onText(text: string): void {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      // Texts of the module are JSON; what is not is none of ours.
      return;
    }
    for (const listener of this.#textListeners) listener(message);
  }
}

function asBuffer(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}
