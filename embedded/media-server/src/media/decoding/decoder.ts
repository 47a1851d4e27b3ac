import type { FileHandle } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { LegRate } from '@ringwire/rtp';
import type { CompressedFormat } from './audio-format.js';
import type { DecodeJob, DecodeReport } from './decoder-protocol.js';
import { StreamedClip } from './streamed-clip.js';

/** The decoder thread of a media thread: started by {@link warmUp} or the first compressed file, and again when it died. */
export class Decoder {
  readonly #jobs = new Map<number, StreamedClip>();
  #worker: Worker | undefined;
  #nextJob = 1;

  /** Starts the thread before it is needed: it loads its libraries, which takes longer than a caller should wait. */
  warmUp(): void {
    this.#worker ??= this.#start();
    if (this.#jobs.size === 0) this.#worker.unref();
  }

  /** Starts decoding; the clip fills from now on. The file and its first bytes, which have memory of their own, are given away. */
  decode(file: FileHandle, head: Uint8Array<ArrayBuffer>, format: CompressedFormat, rateHz: LegRate): StreamedClip {
    const clip = new StreamedClip(rateHz);
    const job: DecodeJob = { job: this.#nextJob++, file, head, format, rateHz };
    this.#jobs.set(job.job, clip);
    this.#worker ??= this.#start();
    // Only while it works does it keep its process alive.
    this.#worker.ref();
    this.#worker.postMessage(job, [file, head.buffer]);
    return clip;
  }

  #start(): Worker {
    const worker = new Worker(new URL('./decoder-thread.js', import.meta.url), { name: 'decoder' });
    worker.on('message', (report: DecodeReport) => this.#receive(report));
    worker.on('error', () => undefined);
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      for (const clip of this.#jobs.values()) clip.end('the decoder died of this file or of another');
      this.#jobs.clear();
    });
    return worker;
  }

  #receive(report: DecodeReport): void {
    const clip = this.#jobs.get(report.job);
    if (!clip) return;
    if ('pcm' in report) {
      clip.sourceRateHz = report.sourceRateHz;
      clip.add(report.pcm);
      return;
    }
    this.#jobs.delete(report.job);
    clip.end(report.problem);
    if (this.#jobs.size === 0) this.#worker?.unref();
  }
}
