import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LegRate, wavHeader } from '@ringwire/rtp';
import type { Channel } from '../channel/channel.js';
import type { ServerCounters } from '../counters.js';
import type { ForkMix } from '../media/attachments/fork-tap.js';
import type { LegAttachment } from '../media/media-leg.js';
import { PcmRing } from '../media/pcm-ring.js';
import { type ForkRequest, isObject, readForkRequest, readPlayableAudio, SampleReader } from './fork-messages.js';
import { ForkSocket, type ForkTarget } from './fork-socket.js';
import { Playout } from './playout.js';
import { StreamResampler } from './stream-resampler.js';

/** An audio fork that is wanted. */
export interface ForkOptions {
  target: ForkTarget;
  bugname: string;
  mix: ForkMix;
  /** Of what the server gets: a multiple of 8000 up to 64000. */
  sampleRateHz: number;
  /** The first text frame. */
  metadata: string;
  /** What the server may say: nothing, files (`playAudio`), or binary frames at a rate. */
  incoming: 'none' | 'files' | { streamRateHz: number };
}

/** Audio kept for a server that is slow; then it is dropped. As mod_audio_fork. */
const BUFFER_MS = 2000;
/** Text frames kept while the socket is being opened. */
const MAX_EARLY_TEXTS = 64;
/** Files of `playAudio` kept; the oldest goes. An application queues up to 10. */
const MAX_FILES = 32;

let fileNumber = 0;

/** One audio fork of a channel, on the main thread: the socket, and what is between it and the media thread. */
export class Fork {
  readonly #channel: Channel;
  readonly #options: ForkOptions;
  readonly #counters: ServerCounters;
  readonly #ring: PcmRing;
  readonly #tap: LegAttachment<'fork'>;
  readonly #socket: ForkSocket;
  readonly #tapRateHz: LegRate;
  /** Of what goes out: one per channel of audio. */
  readonly #out: StreamResampler[];
  readonly #playout: Playout | undefined;
  readonly #in: StreamResampler | undefined;
  readonly #sampleReader = new SampleReader();
  readonly #files: string[] = [];
  readonly #drained: Int16Array;
  readonly #maxQueuedBytes: number;
  #earlyTexts: string[] = [];
  /** Files of `playAudio` are told of in the order in which they came, and not after a `killAudio` that came later. */
  #written: Promise<void> = Promise.resolve();
  #kills = 0;
  #writing = 0;
  #isPaused = false;
  #pauseIsSilent = false;
  #isFinishing = false;
  #isOverrun = false;
  #isStopped = false;

  constructor(channel: Channel, options: ForkOptions, counters: ServerCounters) {
    this.#channel = channel;
    this.#options = options;
    this.#counters = counters;
    const { mix, sampleRateHz, incoming } = options;
    const streamRateHz = typeof incoming === 'object' ? incoming.streamRateHz : 0;
    this.#tapRateHz = Math.max(sampleRateHz, streamRateHz) > 8000 ? 16000 : 8000;
    const width = mix === 'stereo' ? 2 : 1;
    this.#out = Array.from({ length: width }, () => new StreamResampler(this.#tapRateHz, sampleRateHz));
    this.#maxQueuedBytes = (BUFFER_MS / 1000) * sampleRateHz * width * 2;
    const outgoing = PcmRing.allocate((BUFFER_MS / 1000) * this.#tapRateHz * width);
    this.#ring = new PcmRing(outgoing);
    this.#drained = new Int16Array(this.#ring.capacity);
    if (streamRateHz > 0) {
      this.#playout = new Playout(this.#tapRateHz, (name, event) => {
        this.#socket.sendText(JSON.stringify({ type: 'mark', data: { name, event } }));
      });
      this.#in = new StreamResampler(streamRateHz, this.#tapRateHz);
    }
    const memory = this.#playout?.memory;
    this.#tap = channel.leg.attach(
      { kind: 'fork', rateHz: this.#tapRateHz, mix, outgoing, ...(memory ? { incoming: memory } : {}) },
      () => undefined,
    );
    this.#socket = new ForkSocket(options.target, {
      onOpen: () => this.#begin(),
      onText: (text) => this.#receiveText(text),
      onBinary: (bytes) => this.#receiveAudio(bytes),
      onFailed: (reason) => this.#end('connect_failed', JSON.stringify({ reason })),
      onClosed: (byUs) => {
        if (!byUs) this.#end('disconnect');
      },
    });
    counters.forksStarted++;
  }

  /** To be called every 20 ms: moves audio both ways. */
  pump(): void {
    this.#playout?.pump();
    this.#countDropped(this.#ring.takeDropped() / this.#out.length, this.#tapRateHz);
    const samples = this.#ring.read(this.#drained);
    if (samples === 0 || !this.#socket.isOpen || this.#isFinishing) return;
    const pcm = this.#drained.subarray(0, samples);
    if (this.#isPaused) {
      if (!this.#pauseIsSilent) return;
      pcm.fill(0);
    }
    if (this.#socket.queuedBytes > this.#maxQueuedBytes) {
      this.#countDropped(samples / this.#out.length, this.#tapRateHz);
      return;
    }
    this.#isOverrun = false;
    const bytes = this.#convert(pcm);
    if (bytes.length > 0) this.#socket.sendBinary(bytes);
  }

  /** Sends a text frame, after those that wait for the socket to open. */
  sendText(text: string): void {
    if (this.#socket.isOpen) this.#socket.sendText(text);
    else if (this.#earlyTexts.length < MAX_EARLY_TEXTS) this.#earlyTexts.push(text);
  }

  /** Sends nothing, or silence, until {@link resume}. */
  pause(silent: boolean): void {
    this.#isPaused = true;
    this.#pauseIsSilent = silent;
  }

  /** Ends {@link pause}; what was said meanwhile is not sent. */
  resume(): void {
    this.pump();
    this.#isPaused = false;
  }

  /** Sends no more audio but waits for what the server still has to say: it is told by an empty binary frame. */
  finish(): void {
    if (this.#isFinishing) return;
    this.pump();
    this.#isFinishing = true;
    this.#socket.sendBinary(new Uint8Array(0));
  }

  /** Forgets what the server has streamed and was not played yet. */
  stopPlay(): void {
    this.#playout?.clear();
  }

  /** Ends it: what has been heard is sent, then the last text, then the socket is closed. */
  stop(lastText?: string): void {
    if (this.#isStopped) return;
    this.pump();
    this.#playout?.clear();
    this.#release();
    if (lastText !== undefined) this.#socket.sendText(lastText);
    this.#socket.close();
  }

  #begin(): void {
    this.#ring.read(this.#drained);
    this.#emit('connect');
    if (this.#options.metadata !== '') this.#socket.sendText(this.#options.metadata);
    for (const text of this.#earlyTexts.splice(0)) this.#socket.sendText(text);
  }

  /** The socket is gone, not by us. */
  #end(event: string, body?: string): void {
    if (this.#isStopped) return;
    this.#release();
    this.#emit(event, body);
  }

  #release(): void {
    this.#isStopped = true;
    this.#tap.detach();
    for (const path of this.#files.splice(0)) void rm(path, { force: true });
  }

  #receiveText(text: string): void {
    if (this.#isStopped) return;
    const request = readForkRequest(text);
    if (request) this.#obey(request);
  }

  #obey({ type, data, whole }: ForkRequest): void {
    const body = data === undefined ? undefined : JSON.stringify(data);
    switch (type) {
      case 'playAudio':
        if (this.#options.incoming === 'files' && isObject(data)) this.#takeClip(data);
        return;
      case 'killAudio':
        this.#kills++;
        this.#playout?.clear();
        this.#emit('kill_audio');
        this.#channel.executing.breakNow(true);
        return;
      case 'mark':
        if (this.#playout && isObject(data) && typeof data.name === 'string') this.#playout.mark(data.name);
        return;
      case 'clearMarks':
        this.#playout?.clearMarks();
        return;
      case 'transcription':
      case 'transfer':
      case 'disconnect':
      case 'error':
        this.#emit(type, body);
        return;
      case 'json':
        this.#emit(type, JSON.stringify(whole));
    }
  }

  #takeClip(data: Record<string, unknown>): void {
    // Who sends faster than a disk takes it would fill the memory.
    if (this.#writing >= MAX_FILES) return;
    this.#writing++;
    const kills = this.#kills;
    this.#written = this.#written
      .then(() => this.#playAudio(data, kills))
      .finally(() => {
        this.#writing--;
      });
  }

  /** The application plays the file; we only say where it is. */
  async #playAudio(data: Record<string, unknown>, kills: number): Promise<void> {
    const { audioContent: _, ...rest } = data;
    const audio = readPlayableAudio(data);
    if (!audio) {
      this.#emit('play_audio', JSON.stringify(rest));
      return;
    }
    const file = join(tmpdir(), `${this.#channel.uuid}_${fileNumber++}.tmp.wav`);
    this.#files.push(file);
    const { content, sampleRateHz } = audio;
    const head = audio.encoding === 'raw' ? wavHeader(sampleRateHz, 1, content.length) : Buffer.alloc(0);
    try {
      await writeFile(file, Buffer.concat([head, content]));
    } catch (error) {
      this.#emit('error', JSON.stringify({ reason: error instanceof Error ? error.message : String(error) }));
      return;
    }
    if (this.#isStopped || kills !== this.#kills) {
      await rm(file, { force: true });
      return;
    }
    this.#emit('play_audio', JSON.stringify({ ...rest, file }));
    while (this.#files.length > MAX_FILES) void rm(this.#files.shift()!, { force: true });
  }

  #receiveAudio(bytes: Buffer): void {
    if (!this.#playout || !this.#in || this.#isStopped) return;
    const pcm = this.#in.convert(this.#sampleReader.read(bytes));
    if (!this.#playout.push(pcm)) this.#countDropped(pcm.length, this.#tapRateHz);
  }

  #convert(pcm: Int16Array): Uint8Array {
    const [left, right] = this.#out;
    let out: Int16Array;
    if (right) {
      const half = pcm.length >> 1;
      const sides = [new Int16Array(half), new Int16Array(half)] as const;
      for (let i = 0; i < half; i++) {
        sides[0][i] = pcm[2 * i]!;
        sides[1][i] = pcm[2 * i + 1]!;
      }
      const [a, b] = [left!.convert(sides[0]), right.convert(sides[1])];
      out = new Int16Array(a.length * 2);
      for (let i = 0; i < a.length; i++) {
        out[2 * i] = a[i]!;
        out[2 * i + 1] = b[i]!;
      }
    } else {
      out = left!.convert(pcm);
      // The socket keeps what it is given; the scratch is used again.
      if (out === pcm) out = pcm.slice();
    }
    return new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
  }

  /** Counts what is lost and says so once, until the server has caught up. */
  #countDropped(samples: number, rateHz: number): void {
    if (samples === 0) return;
    this.#counters.forkDroppedMs += (samples * 1000) / rateHz;
    if (this.#isOverrun) return;
    this.#isOverrun = true;
    this.#emit('buffer_overrun');
  }

  #emit(event: string, body?: string): void {
    this.#channel.emit(
      'CUSTOM',
      [
        ['Event-Subclass', `mod_audio_fork::${event}`],
        ['media-bugname', this.#options.bugname],
      ],
      body,
    );
  }
}
