import { Worker } from 'node:worker_threads';
import { MediaUnavailableError } from '../errors.js';
import { FrameQueue } from './frame-queue.js';
import type { LegMedia, LegStats, MediaCommand, MediaReport, PlayItem, RecordMode, WorkerStats } from './protocol.js';

/** A report about one leg. */
export type LegReport = Exclude<MediaReport, { type: 'ready' | 'workerStats' }>;

/** What a leg tells its owner. */
export interface LegListener {
  onReport(report: LegReport): void;
  /** The media thread died: the leg is gone. */
  onLost(): void;
}

/** Where RTP ports come from. */
export interface PoolOptions {
  workers: number;
  host: string;
  /** 0 takes free ports of the system. */
  minPort: number;
  maxPort: number;
  /** Called when a media thread died and was replaced. */
  onWorkerLost: (error: unknown) => void;
}

const WORKER_FILE = new URL('./worker.js', import.meta.url);
const STATS_TIMEOUT_MS = 1000;

interface WorkerSlot {
  worker: Worker;
  legs: Set<MediaLeg>;
  stats: WorkerStats | undefined;
}

/** The main thread's view of the media threads: opens legs on the least loaded one and passes messages. */
export class MediaPool {
  readonly #options: PoolOptions;
  readonly #slots: WorkerSlot[] = [];
  readonly #legs = new Map<number, MediaLeg>();
  /** Statistics of threads that are gone, so that counters never fall. */
  readonly #lost: WorkerStats = emptyStats();
  #nextLeg = 1;
  #stopping = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Starts the threads; resolves when all run. */
  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.workers }, () => this.#startWorker()));
  }

  /** Ends all threads. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#slots.map(({ worker }) => worker.terminate()));
  }

  /** Opens a leg on a free port. @throws MediaUnavailableError when there is none. */
  async open(listener: LegListener): Promise<MediaLeg> {
    const slot = this.#slots.reduce<WorkerSlot | undefined>(
      (best, candidate) => (best && best.legs.size <= candidate.legs.size ? best : candidate),
      undefined,
    );
    if (!slot) throw new MediaUnavailableError('no media thread is running');
    const { host, minPort, maxPort } = this.#options;
    const id = this.#nextLeg++;
    const leg = new MediaLeg(id, host, listener, (command) => slot.worker.postMessage(command));
    slot.legs.add(leg);
    this.#legs.set(id, leg);
    slot.worker.postMessage({ type: 'open', leg: id, host, minPort, maxPort } satisfies MediaCommand);
    try {
      await leg.opened;
    } catch (error) {
      slot.legs.delete(leg);
      this.#legs.delete(id);
      throw error;
    }
    return leg;
  }

  /** Open legs, each with one RTP port. */
  get legCount(): number {
    return this.#legs.size;
  }

  /** Counts of all threads together. */
  stats(): WorkerStats {
    const total = { ...this.#lost };
    for (const { stats } of this.#slots) if (stats) addStats(total, stats);
    total.legs = this.#legs.size;
    return total;
  }

  #startWorker(): Promise<void> {
    const worker = new Worker(WORKER_FILE);
    const slot: WorkerSlot = { worker, legs: new Set(), stats: undefined };
    this.#slots.push(slot);
    return new Promise((resolve, reject) => {
      worker.on('message', (report: MediaReport) => {
        if (report.type === 'ready') resolve();
        else this.#onReport(slot, report);
      });
      worker.on('error', (error) => {
        reject(error);
        this.#onWorkerGone(slot, error);
      });
      worker.on('exit', (code) => {
        if (!this.#stopping) this.#onWorkerGone(slot, new MediaUnavailableError('a media thread ended', { code }));
      });
    });
  }

  #onReport(slot: WorkerSlot, report: Exclude<MediaReport, { type: 'ready' }>): void {
    if (report.type === 'workerStats') {
      slot.stats = report.stats;
      return;
    }
    const leg = this.#legs.get(report.leg);
    if (!leg) return;
    if (report.type === 'closed') {
      slot.legs.delete(leg);
      this.#legs.delete(leg.id);
    }
    leg.receive(report);
  }

  #onWorkerGone(slot: WorkerSlot, error: unknown): void {
    const at = this.#slots.indexOf(slot);
    if (at < 0 || this.#stopping) return;
    this.#slots.splice(at, 1);
    if (slot.stats) addStats(this.#lost, slot.stats);
    this.#options.onWorkerLost(error);
    for (const leg of slot.legs) {
      this.#legs.delete(leg.id);
      leg.lose();
    }
    this.#startWorker().catch((cause) => this.#options.onWorkerLost(cause));
  }
}

/** One RTP stream, seen from the main thread. Commands are sent and forgotten; what comes of them is reported. */
export class MediaLeg {
  readonly id: number;
  readonly host: string;
  /** RTP port, once {@link opened}. */
  port = 0;
  readonly opened: Promise<void>;
  readonly closed: Promise<void>;
  readonly #post: (command: MediaCommand) => void;
  readonly #listener: LegListener;
  readonly #statsRequests = new Map<number, (stats: LegStats | undefined) => void>();
  #settleOpen: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #settleClosed: () => void = () => undefined;
  #nextId = 1;

  constructor(id: number, host: string, listener: LegListener, post: (command: MediaCommand) => void) {
    this.id = id;
    this.host = host;
    this.#listener = listener;
    this.#post = post;
    this.opened = new Promise((resolve, reject) => {
      this.#settleOpen = { resolve, reject };
    });
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
  }

  /** Sets codec, direction and peer. */
  configure(media: LegMedia): void {
    this.#post({ type: 'configure', leg: this.id, media });
  }

  /** Plays a list; returns the number that its reports carry. */
  play(items: PlayItem[], timeoutMs = 0): number {
    const play = this.#nextId++;
    this.#post({ type: 'play', leg: this.id, play, items, timeoutMs });
    return play;
  }

  /** Ends a list. */
  stopPlay(play: number): void {
    this.#post({ type: 'stopPlay', leg: this.id, play });
  }

  /** Records; returns the number that its report carries. */
  record(
    path: string,
    options: { mode: RecordMode; limitMs?: number; silenceThreshold?: number; silenceHits?: number },
  ): number {
    const record = this.#nextId++;
    const { mode, limitMs = 0, silenceThreshold = 0, silenceHits = 0 } = options;
    this.#post({ type: 'record', leg: this.id, record, path, mode, limitMs, silenceThreshold, silenceHits });
    return record;
  }

  /** Ends a recording. */
  stopRecord(record: number): void {
    this.#post({ type: 'stopRecord', leg: this.id, record });
  }

  /** Sends digits as RFC 4733 events. */
  sendDtmf(digits: string, durationMs: number): void {
    this.#post({ type: 'sendDtmf', leg: this.id, digits, durationMs });
  }

  /** Silences one side. */
  mute(side: 'read' | 'write', on: boolean): void {
    this.#post({ type: 'mute', leg: this.id, side, on });
  }

  /** Exchanges audio with another leg, on whatever thread it is. */
  bridge(other: MediaLeg): void {
    const there = FrameQueue.allocate();
    const back = FrameQueue.allocate();
    this.#post({ type: 'bridge', leg: this.id, incoming: back, outgoing: there });
    other.#post({ type: 'bridge', leg: other.id, incoming: there, outgoing: back });
  }

  /** Ends this side's part of the exchange. */
  unbridge(): void {
    this.#post({ type: 'unbridge', leg: this.id });
  }

  /** RTP counts; undefined when the leg is gone. */
  stats(): Promise<LegStats | undefined> {
    const request = this.#nextId++;
    this.#post({ type: 'stats', leg: this.id, request });
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#answerStats(request, undefined), STATS_TIMEOUT_MS);
      this.#statsRequests.set(request, (stats) => {
        clearTimeout(timer);
        resolve(stats);
      });
    });
  }

  /** Frees the port; resolves when it is free. */
  close(): Promise<void> {
    this.#post({ type: 'close', leg: this.id });
    return this.closed;
  }

  /** Takes a report from the thread. */
  receive(report: LegReport): void {
    if (report.type === 'opened') {
      this.port = report.port;
      this.#settleOpen?.resolve();
    } else if (report.type === 'openFailed') {
      this.#settleOpen?.reject(new MediaUnavailableError(report.message, { code: report.code }));
    } else if (report.type === 'stats') {
      this.#answerStats(report.request, report.stats);
    } else {
      if (report.type === 'closed') this.#end();
      this.#listener.onReport(report);
    }
  }

  /** The thread died. */
  lose(): void {
    this.#settleOpen?.reject(new MediaUnavailableError('the media thread ended'));
    this.#end();
    // Whoever waits for the end of a playback or recording must not wait for ever.
    this.#listener.onReport({ type: 'closed', leg: this.id });
    this.#listener.onLost();
  }

  #end(): void {
    for (const request of [...this.#statsRequests.keys()]) this.#answerStats(request, undefined);
    this.#settleClosed();
  }

  #answerStats(request: number, stats: LegStats | undefined): void {
    const answer = this.#statsRequests.get(request);
    this.#statsRequests.delete(request);
    answer?.(stats);
  }
}

function emptyStats(): WorkerStats {
  return {
    legs: 0,
    ticks: 0,
    lateTicks: 0,
    skippedTicks: 0,
    packetsIn: 0,
    packetsOut: 0,
    badPackets: 0,
    strayPackets: 0,
    latePackets: 0,
  };
}

function addStats(total: WorkerStats, stats: WorkerStats): void {
  for (const key of Object.keys(total) as (keyof WorkerStats)[]) total[key] += stats[key];
}
