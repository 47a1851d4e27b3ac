import { deadline, type EventSink, type Logger } from '@ringwire/common';
import { StorageError } from '@ringwire/common/recordings/errors.js';
import {
  type RecordingFormat,
  type RecordingName,
  recordingKey,
  recordingName,
  recordingPath,
} from '@ringwire/common/recordings/recording-place.js';
import type { RecordingStorage, StoredObject } from '@ringwire/common/recordings/storage.js';
import { createJournal, type Journal } from '../session/journal.js';
import type { Claim } from './claim.js';
import { encodeMp3 } from './mp3.js';
import { hasBytesOf } from './same-bytes.js';
import type { Spool, SpooledRecording } from './spool.js';

/** What {@link Uploads} works with. */
export interface UploadsOptions {
  spool: Spool;
  /** Where an account's recordings go, at this moment. @throws StorageError */
  storageOf(accountSid: string): RecordingStorage | undefined;
  sink: EventSink;
  logger: Logger;
  /** Makes MP3, see `mp3.ts`; without it recordings are WAV. */
  mp3Command?: string | undefined;
  /** From one try to the next: the first pause, doubled each time up to the last. @defaultValue 1 s to 5 minutes */
  retryMs?: { first: number; last: number };
  /** How often the spool is looked through for what others left. @defaultValue 30 s */
  sweepMs?: number;
  /** How long an upload may take beside the time that a slow line needs for its size. @defaultValue a minute */
  graceMs?: number;
  /** A recording that could not be stored for so long after its beginning is set aside for the operator. @defaultValue 14 days */
  keepMs?: number;
}

/** Uploads at a time; and of one account, whose storage may be slow. */
const AT_A_TIME = 8;
const PER_ACCOUNT = 2;
/** Who takes less is no storage: 50 kB/s. */
const SLOWEST_BYTES_PER_MS = 50;
const GRACE_MS = 60_000;
const KEEP_MS = 14 * 24 * 3_600_000;
const RETRY_MS = { first: 1_000, last: 300_000 };
const SWEEP_MS = 30_000;
/** Recordings of one call; the last takes what comes after it. */
const MAX_PARTS = 100;

/** A recording that is under way, or waits. */
interface Known {
  accountSid: string;
  sizeBytes: number;
  attempts: number;
  timer?: NodeJS.Timeout;
  /** From the first try on. */
  claim?: Claim;
}

/** Brings complete recordings from the spool to their storage: after a failure again for days, after a restart too. */
export class Uploads {
  /** By id. */
  readonly #known = new Map<string, Known>();
  /** Under way, by account. */
  readonly #runningOf = new Map<string, number>();
  readonly #queue: SpooledRecording[] = [];
  readonly #closing = new AbortController();
  #running = 0;
  #idle: (() => void)[] = [];
  #sweeping: Promise<void>;
  readonly #sweepTimer: NodeJS.Timeout;

  /** Begins with what the spool has. */
  constructor(private readonly options: UploadsOptions) {
    this.#sweeping = this.#sweep();
    this.#sweepTimer = setInterval(() => {
      this.#sweeping = this.#sweeping.then(() => this.#sweep());
    }, this.options.sweepMs ?? SWEEP_MS).unref();
  }

  /** Takes one in hand. */
  add(recording: SpooledRecording): void {
    if (this.#closing.signal.aborted || this.#known.has(recording.id)) return;
    const { entry, sizeBytes } = recording;
    this.#known.set(recording.id, { accountSid: entry.accountSid, sizeBytes, attempts: 0 });
    this.#enqueue(recording);
  }

  /** What waits here for an account's storage, or is under way to it. */
  waitingBytes(accountSid: string): number {
    let sumBytes = 0;
    for (const known of this.#known.values()) if (known.accountSid === accountSid) sumBytes += known.sizeBytes;
    return sumBytes;
  }

  /** Resolves when nothing is under way; what has failed waits for its next try, in the spool. */
  async idle(): Promise<void> {
    while (this.#running > 0 || this.#queue.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Stops; what is not stored yet stays in the spool. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#sweepTimer);
    this.#queue.length = 0;
    for (const { timer } of this.#known.values()) clearTimeout(timer);
    await this.#sweeping;
    while (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    for (const { claim } of this.#known.values()) await claim?.release();
    this.#known.clear();
    this.#wake();
  }

  async #sweep(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    try {
      for (const recording of await this.options.spool.list()) this.add(recording);
    } catch (err) {
      this.options.logger.error({ err }, 'the spool of recordings cannot be read');
    }
  }

  #enqueue(recording: SpooledRecording): void {
    this.#queue.push(recording);
    this.#startNext();
  }

  #startNext(): void {
    while (this.#running < AT_A_TIME) {
      const at = this.#queue.findIndex(({ entry }) => this.#countOf(entry.accountSid) < PER_ACCOUNT);
      const next = this.#queue[at];
      if (!next) return;
      this.#queue.splice(at, 1);
      this.#count(next.entry.accountSid, 1);
      void this.#upload(next).finally(() => {
        this.#count(next.entry.accountSid, -1);
        this.#wake();
        this.#startNext();
      });
    }
  }

  #countOf(accountSid: string): number {
    return this.#runningOf.get(accountSid) ?? 0;
  }

  #count(accountSid: string, change: 1 | -1): void {
    this.#running += change;
    const count = this.#countOf(accountSid) + change;
    if (count > 0) this.#runningOf.set(accountSid, count);
    else this.#runningOf.delete(accountSid);
  }

  async #upload(recording: SpooledRecording): Promise<void> {
    const { id } = recording;
    const known = this.#known.get(id);
    if (!known) return;
    const journal = this.#journal(recording);
    try {
      known.claim ??= await this.options.spool.claim(recording);
      // Another process has it.
      if (known.claim) await this.#store({ ...recording, path: known.claim.path }, known.claim, journal);
    } catch (error) {
      await this.#onFailure(recording, known, journal, error);
      return;
    }
    if (known.claim) await this.#remove(recording, known.claim, journal);
    this.#known.delete(id);
  }

  async #store(recording: SpooledRecording, claim: Claim, journal: Journal): Promise<void> {
    const { entry } = recording;
    const storage = this.options.storageOf(entry.accountSid);
    if (!storage) throw new Error('the account has no storage for recordings any more');
    const { path, sizeBytes, format } = await this.#inFormat(recording, claim, journal);
    const deadlineMs = (this.options.graceMs ?? GRACE_MS) + sizeBytes / SLOWEST_BYTES_PER_MS;
    const signal = AbortSignal.any([this.#closing.signal, deadline(Math.ceil(deadlineMs))]);
    const { name, isStored } = await this.#nameOf(recording, { path, format }, storage, signal);
    if (!isStored) {
      const contentType = format === 'mp3' ? 'audio/mpeg' : 'audio/wav';
      const file = { path, sizeBytes, contentType, metadata: entry.metadata };
      await this.options.spool.markTried(recording);
      await storage.put(recordingKey(name), file, signal);
    }
    const recordingUrl = recordingPath(name);
    const about = { callSid: entry.callSid, accountSid: entry.accountSid };
    this.options.sink.emit('call.recorded', { callSid: entry.callSid, recordingUrl }, about);
    journal.timeline.info('media', `recording stored in ${storage.name}`, { recordingUrl, sizeBytes });
  }

  async #remove(recording: SpooledRecording, claim: Claim, journal: Journal): Promise<void> {
    try {
      await this.options.spool.remove(recording, claim);
    } catch (err) {
      journal.log.error({ err, id: recording.id }, 'a recording cannot be removed from the spool');
    }
  }

  /**
   * A call that goes on at another feature server has a recording there, too: none takes the place of another. What an earlier try has stored, whose
   * end nobody saw, is known by its bytes.
   */
  async #nameOf(
    { id, entry }: SpooledRecording,
    { path, format }: { path: string; format: RecordingFormat },
    storage: RecordingStorage,
    signal: AbortSignal,
  ): Promise<{ name: RecordingName; isStored: boolean }> {
    const wasTried = await this.options.spool.wasTried({ id });
    for (let part = 1; ; part++) {
      const callSid = part > 1 ? `${entry.callSid}-${part}` : entry.callSid;
      const name = recordingName({ accountSid: entry.accountSid, callSid, format }, entry.startedAtMs);
      const found = await this.#find(storage, recordingKey(name), signal);
      try {
        if (found && wasTried && (await hasBytesOf(path, found.body))) return { name, isStored: true };
        if (!found || part === MAX_PARTS) return { name, isStored: false };
      } finally {
        found?.body.destroy();
      }
    }
  }

  async #find(storage: RecordingStorage, key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    try {
      return await storage.get(key, signal);
    } catch (error) {
      // A bucket may be one that we can only write into.
      if (error instanceof StorageError && error.facts.status === 403) return undefined;
      throw error;
    }
  }

  async #onFailure(recording: SpooledRecording, known: Known, journal: Journal, error: unknown): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const { claim } = known;
    if (claim && !(await this.options.spool.has(claim))) {
      // Another process believed this one dead.
      claim.drop();
      this.#known.delete(recording.id);
      return;
    }
    const text = error instanceof Error ? error.message : String(error);
    if (claim && Date.now() - recording.entry.startedAtMs > (this.options.keepMs ?? KEEP_MS)) {
      journal.timeline.error('media', `recording is given up, it could not be stored for too long: ${text}`);
      journal.alert('recording-failure', `recording is given up, it could not be stored for too long: ${text}`);
      this.#known.delete(recording.id);
      try {
        const path = await this.options.spool.setAside(recording, claim);
        journal.log.error({ path, callSid: recording.entry.callSid }, 'recording is set aside for the operator');
      } catch (err) {
        // It stays where it is, and is tried again by the next process.
        journal.log.error({ err, id: recording.id }, 'a recording that is given up cannot be set aside');
      }
      return;
    }
    const { first, last } = this.options.retryMs ?? RETRY_MS;
    const waitMs = Math.min(first * 2 ** Math.min(known.attempts, 30), last);
    if (known.attempts === 0) {
      journal.timeline.warn('media', `recording is not stored yet, it is tried again: ${text}`);
      journal.alert('recording-failure', `recording is not stored: ${text}`);
    }
    journal.log.warn({ err: error, attempts: known.attempts + 1, waitMs }, 'recording is not stored');
    known.attempts += 1;
    known.timer = setTimeout(() => this.#enqueue(recording), waitMs);
    known.timer.unref();
  }

  /** The file as the account wants it, or as WAV where it cannot be made. */
  async #inFormat(
    { entry, path, sizeBytes }: SpooledRecording,
    { mp3Path: mp3 }: Claim,
    journal: Journal,
  ): Promise<{ path: string; sizeBytes: number; format: RecordingFormat }> {
    const { mp3Command } = this.options;
    if (entry.format === 'wav' || !mp3Command) return { path, sizeBytes, format: 'wav' };
    try {
      return { path: mp3, sizeBytes: await encodeMp3(mp3Command, path, mp3, this.#closing.signal), format: 'mp3' };
    } catch (error) {
      if (this.#closing.signal.aborted) throw error;
      const text = error instanceof Error ? error.message : String(error);
      journal.timeline.warn('media', `recording stays WAV, it cannot be made MP3: ${text}`);
      return { path, sizeBytes, format: 'wav' };
    }
  }

  #journal({ entry }: SpooledRecording): Journal {
    const { callSid, accountSid, serviceProviderSid } = entry;
    return createJournal(this.options.sink, this.options.logger, { callSid, accountSid, serviceProviderSid });
  }

  #wake(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
