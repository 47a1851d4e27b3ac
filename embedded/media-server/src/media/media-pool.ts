import { Worker } from 'node:worker_threads';
import type { CodecId } from '@ringwire/rtp';
import { MediaUnavailableError } from '../errors.js';
import { type LegListener, MediaLeg } from './media-leg.js';
import { MediaRoom, type RoomListener } from './media-room.js';
import { PortPool } from './port-pool.js';
import type { LegReport, MediaCommand, MediaReport, Peer, RoomReport, WorkerOptions, WorkerStats } from './protocol.js';
import type { RoomSpec } from './rooms/room-protocol.js';

/** Where RTP ports come from. */
export interface PoolOptions {
  workers: number;
  host: string;
  /** 0 takes free ports of the system. */
  minPort: number;
  maxPort: number;
  /** How long a port rests between two calls. @defaultValue 2000 */
  quarantineMs?: number;
  /** Codecs that the threads load before they take calls; others are loaded when first used. */
  codecs?: readonly CodecId[];
  /** Whether the threads run in real time, where that is allowed. @defaultValue true */
  realtime?: boolean;
  /** Whether the decoders of compressed files are loaded at the start. @defaultValue false */
  preloadDecoders?: boolean;
  /** A source that was silent for so long may be replaced by another; 0: never. @defaultValue 0 */
  relatchAfterMs?: number;
  /** Called when a media thread died and was replaced. */
  onWorkerLost: (error: unknown) => void;
}

/**
 * Memory of a media thread for what lives briefly. That is received packets, which Node allocates, 10 MB a second at 500 calls: with more
 * they are only collected later and more at once; with less, those that wait in jitter buffers would be taken for old.
 */
const YOUNG_GENERATION_MB = 3;
const WORKER_FILE = new URL('./worker.js', import.meta.url);
/** Late audio of a call that has ended keeps coming for about as long as its peer needs to see the BYE. */
const DEFAULT_QUARANTINE_MS = 2000;
/** Ports that another process holds are passed over, this many at most for one leg: another server's calls lie side by side. */
const MAX_PORT_TRIES = 2048;
/** Code of the RTP socket's error when its port is taken. */
const PORTS_EXHAUSTED = 'rtp/ports-exhausted';

interface WorkerSlot {
  worker: Worker;
  legs: Set<MediaLeg>;
  rooms: Set<MediaRoom>;
  stats: WorkerStats | undefined;
}

/** The main thread's view of the media threads: opens legs and rooms on the least loaded one and passes messages. */
export class MediaPool {
  readonly #options: PoolOptions;
  readonly #slots: WorkerSlot[] = [];
  readonly #legs = new Map<number, MediaLeg>();
  /** Statistics of threads that are gone, so that counters never fall. */
  readonly #lost: WorkerStats = emptyStats();
  readonly #rooms = new Map<number, MediaRoom>();
  readonly #ports: PortPool;
  /** Who had a port before; one entry for each port of the range at most. */
  readonly #formerPeers = new Map<number, Peer>();
  #nextId = 1;
  #stopping = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    const { minPort, maxPort, quarantineMs = DEFAULT_QUARANTINE_MS } = options;
    this.#ports = new PortPool({ minPort, maxPort, quarantineMs });
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
    for (let tries = 1; ; tries++) {
      const port = this.#ports.take();
      if (port === undefined) throw new MediaUnavailableError('all RTP ports are in use', { code: PORTS_EXHAUSTED });
      try {
        return await this.#openOn(this.#leastLoaded(), port, listener);
      } catch (error) {
        this.#ports.release(port);
        const isTaken = error instanceof MediaUnavailableError && error.facts.code === PORTS_EXHAUSTED;
        if (!isTaken || port === 0 || tries === MAX_PORT_TRIES) throw error;
      }
    }
  }

  /** Opens a conference room. @throws MediaUnavailableError when no media thread is running. */
  openRoom(spec: RoomSpec, listener: RoomListener): MediaRoom {
    const slot = this.#leastLoaded();
    const id = this.#nextId++;
    const room = new MediaRoom(id, spec.rateHz, listener, (command) => slot.worker.postMessage(command));
    slot.rooms.add(room);
    this.#rooms.set(id, room);
    slot.worker.postMessage({ type: 'openRoom', room: id, spec } satisfies MediaCommand);
    return room;
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

  async #openOn(slot: WorkerSlot, port: number, listener: LegListener): Promise<MediaLeg> {
    const { host, relatchAfterMs = 0 } = this.#options;
    const id = this.#nextId++;
    const leg = new MediaLeg(id, host, listener, (command) => slot.worker.postMessage(command));
    slot.legs.add(leg);
    this.#legs.set(id, leg);
    slot.worker.postMessage({
      type: 'open',
      leg: id,
      host,
      port,
      relatchAfterMs,
      formerPeer: this.#formerPeers.get(port),
    } satisfies MediaCommand);
    try {
      await leg.opened;
    } catch (error) {
      slot.legs.delete(leg);
      this.#legs.delete(id);
      throw error;
    }
    void leg.closed.then(() => this.#ports.release(port));
    return leg;
  }

  #leastLoaded(): WorkerSlot {
    const slot = this.#slots.reduce<WorkerSlot | undefined>(
      (best, candidate) => (best && loadOf(best) <= loadOf(candidate) ? best : candidate),
      undefined,
    );
    if (!slot) throw new MediaUnavailableError('no media thread is running');
    return slot;
  }

  #startWorker(): Promise<void> {
    const { codecs = [], realtime = true, preloadDecoders = false } = this.#options;
    const worker = new Worker(WORKER_FILE, {
      workerData: { codecs, realtime, preloadDecoders } satisfies WorkerOptions,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    const slot: WorkerSlot = { worker, legs: new Set(), rooms: new Set(), stats: undefined };
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
    if ('room' in report) this.#onRoomReport(slot, report);
    else this.#onLegReport(slot, report);
  }

  #onLegReport(slot: WorkerSlot, report: LegReport): void {
    const leg = this.#legs.get(report.leg);
    if (!leg) return;
    if (report.type === 'closed') {
      if (report.peer && this.#options.minPort > 0) this.#formerPeers.set(leg.port, report.peer);
      slot.legs.delete(leg);
      this.#legs.delete(leg.id);
    }
    leg.receive(report);
  }

  #onRoomReport(slot: WorkerSlot, report: RoomReport): void {
    const room = this.#rooms.get(report.room);
    if (!room) return;
    if (report.type === 'roomClosed') {
      slot.rooms.delete(room);
      this.#rooms.delete(room.id);
    }
    room.receive(report);
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
    for (const room of slot.rooms) {
      this.#rooms.delete(room.id);
      room.lose();
    }
    this.#startWorker().catch((cause) => this.#options.onWorkerLost(cause));
  }
}

/** A member more or less does not matter: rooms and legs count the same until measured otherwise. */
function loadOf(slot: WorkerSlot): number {
  return slot.legs.size + slot.rooms.size;
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
    rtcpReportsIn: 0,
    rtcpReportsOut: 0,
    rtcpBadPackets: 0,
  };
}

function addStats(total: WorkerStats, stats: WorkerStats): void {
  for (const key of Object.keys(total) as (keyof WorkerStats)[]) total[key] += stats[key];
}
