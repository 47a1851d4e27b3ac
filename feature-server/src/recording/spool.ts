import { randomUUID } from 'node:crypto';
import {
  access,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger, RingwireError } from '@ringwire/common';
import type { RecordingFormat } from '@ringwire/common/recordings/recording-place.js';
import { Claim } from './claim.js';
import { WAV_HEADER_BYTES, wavHeader } from './wav-header.js';

/** A recording could not be written to the spool. */
export class SpoolError extends RingwireError {
  readonly code = 'recordings/spool';
}

/** What is known of a recording when it begins, and must be known when it is uploaded, by whichever process. */
export interface SpoolEntry {
  callSid: string;
  accountSid: string;
  serviceProviderSid: string | null;
  /** What the account wants. */
  format: RecordingFormat;
  /** Ms since the epoch. */
  startedAtMs: number;
  sampleRate: number;
  channels: number;
  metadata: Record<string, string>;
}

/** A recording that is complete and waits for its upload. */
export interface SpooledRecording {
  id: string;
  entry: SpoolEntry;
  path: string;
  sizeBytes: number;
}

/** Sound is written when there is so much of it: half a second of stereo. A process that dies loses no more. */
const WRITE_BYTES = 16 * 1024;
/** A disk that takes nothing for so much sound has failed. */
const MAX_UNWRITTEN_BYTES = 8 * 1024 * 1024;
/** A recording that goes on says so as often, also when nothing is to be written. */
const ALIVE_EVERY_MS = 10_000;
/** Folder of the spool for what could not be stored. */
const UNDELIVERED = 'undelivered';
/** A recording that has not said so for so long is taken over: its process is dead. */
const STALE_MS = 60_000;

/**
 * Where recordings are from their first sample to their upload: a folder that outlives the process. `<id>.json` says whose it is, `<id>.part` grows, and
 * is called `<id>.wav` when it is complete. Several processes may share it: who uploads one calls it `<id>.<its own name>.work` meanwhile.
 */
export class Spool {
  /** Of this process, among those that share the folder. */
  readonly #name = randomUUID();

  private constructor(
    private readonly dir: string,
    private readonly logger: Logger,
    private readonly staleMs: number,
  ) {}

  static async open({
    dir,
    logger,
    staleMs = STALE_MS,
  }: {
    dir: string;
    logger: Logger;
    staleMs?: number;
  }): Promise<Spool> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return new Spool(dir, logger, staleMs);
  }

  /** Begins a recording. @throws SpoolError */
  async create(entry: SpoolEntry): Promise<SpoolFile> {
    const id = randomUUID();
    let handle: FileHandle | undefined;
    try {
      await writeFile(this.#path(id, 'json'), JSON.stringify(entry), { mode: 0o600 });
      handle = await open(this.#path(id, 'part'), 'wx', 0o600);
      await handle.write(wavHeader(0, entry));
      return new SpoolFile(id, entry, handle, this.#path(id, 'part'), () => this.#complete(id, entry));
    } catch (cause) {
      await handle?.close().catch(() => undefined);
      for (const kind of ['part', 'json'] as const)
        await rm(this.#path(id, kind), { force: true }).catch(() => undefined);
      throw new SpoolError(`recording cannot be written: ${textOf(cause)}`, { dir: this.dir }, { cause });
    }
  }

  /** Everything that is complete and not claimed, what dead processes left among it. */
  async list(): Promise<SpooledRecording[]> {
    const found: SpooledRecording[] = [];
    for (const [id, names] of await this.#namesById()) {
      if (!names.includes(`${id}.json`)) continue;
      try {
        const recording = await this.#look(id, names);
        if (recording) found.push(recording);
      } catch (err) {
        this.logger.error({ err, id }, 'a recording of the spool cannot be read');
      }
    }
    return found;
  }

  /**
   * Takes one in hand, so that no other process does.
   * @returns undefined where another has it
   * @throws errors of the file system
   */
  claim({ id, path }: SpooledRecording): Promise<Claim | undefined> {
    return Claim.take(path, { path: join(this.dir, `${id}.${this.#name}.work`), freePath: this.#path(id, 'wav') });
  }

  /** Whether one that is claimed is still there. */
  has({ path }: Claim): Promise<boolean> {
    return isThere(path);
  }

  /** Remembers, until it is forgotten, that one is about to be stored: who dies, or hears no answer, does not know whether it was. @throws errors of the file system */
  async markTried({ id }: Pick<SpooledRecording, 'id'>): Promise<void> {
    await writeFile(this.#path(id, 'tried'), '', { mode: 0o600 });
  }

  /** Whether somebody has tried to store one before. */
  wasTried({ id }: Pick<SpooledRecording, 'id'>): Promise<boolean> {
    return isThere(this.#path(id, 'tried'));
  }

  /** Forgets one that is stored. */
  async remove({ id }: SpooledRecording, claim: Claim): Promise<void> {
    claim.drop();
    for (const path of [claim.path, claim.mp3Path]) await rm(path, { force: true });
    await this.#forget(id);
  }

  /** Puts one where nobody tries any more to store it, for the operator: with what says whose it is. @returns its new path @throws errors of the file system */
  async setAside({ id }: SpooledRecording, claim: Claim): Promise<string> {
    const dir = join(this.dir, UNDELIVERED);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    claim.drop();
    const path = join(dir, `${id}.wav`);
    await rename(claim.path, path);
    await rename(this.#path(id, 'json'), join(dir, `${id}.json`));
    await this.#forget(id);
    return path;
  }

  async #namesById(): Promise<Map<string, string[]>> {
    const byId = new Map<string, string[]>();
    for (const name of await readdir(this.dir)) {
      const id = name.split('.', 1)[0] ?? '';
      const names = byId.get(id);
      if (names) names.push(name);
      else byId.set(id, [name]);
    }
    return byId;
  }

  /** Removes what is left of one: last what says whose it is, for without that nobody would look for the rest. */
  async #forget(id: string): Promise<void> {
    const names = (await this.#namesById()).get(id) ?? [];
    const json = `${id}.json`;
    for (const name of [...names.filter((one) => one !== json), json]) await rm(join(this.dir, name), { force: true });
  }

  async #look(id: string, names: readonly string[]): Promise<SpooledRecording | undefined> {
    const entry = JSON.parse(await readFile(this.#path(id, 'json'), 'utf8')) as SpoolEntry;
    if (names.includes(`${id}.wav`)) {
      const { size } = await stat(this.#path(id, 'wav'));
      return { id, entry, path: this.#path(id, 'wav'), sizeBytes: size };
    }
    const work = names.find((name) => name.endsWith('.work'));
    if (work === `${id}.${this.#name}.work`) return undefined;
    const kind = names.includes(`${id}.part`) ? 'part' : 'json';
    const path = work === undefined ? this.#path(id, kind) : join(this.dir, work);
    const { mtimeMs, size } = await stat(path);
    if (Date.now() - mtimeMs < this.staleMs) return undefined;
    if (work !== undefined) {
      this.logger.warn({ callSid: entry.callSid }, 'the upload of a recording that its process left is taken over');
      return { id, entry, path, sizeBytes: size };
    }
    if (kind === 'json') {
      // Whoever stored it died before this was removed.
      await this.#forget(id);
      return undefined;
    }
    this.logger.warn({ callSid: entry.callSid }, 'a recording that its process left is taken over');
    return this.#complete(id, entry);
  }

  /** Gives a recording its header and its name; undefined when there is no sound in it. */
  async #complete(id: string, entry: SpoolEntry): Promise<SpooledRecording | undefined> {
    const [part, path] = [this.#path(id, 'part'), this.#path(id, 'wav')];
    const { size } = await stat(part);
    if (size <= WAV_HEADER_BYTES) {
      for (const kind of ['part', 'json'] as const) await rm(this.#path(id, kind), { force: true });
      return undefined;
    }
    const handle = await open(part, 'r+');
    try {
      await handle.write(wavHeader(size - WAV_HEADER_BYTES, entry), 0, WAV_HEADER_BYTES, 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, path);
    return { id, entry, path, sizeBytes: size };
  }

  #path(id: string, kind: 'json' | 'part' | 'wav' | 'tried'): string {
    return join(this.dir, `${id}.${kind}`);
  }
}

/** A recording that grows. */
export class SpoolFile {
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #unwrittenBytes = 0;
  #bytes = 0;
  #written: Promise<void> = Promise.resolve();
  #failure: unknown;
  readonly #alive: NodeJS.Timeout;

  constructor(
    readonly id: string,
    readonly entry: SpoolEntry,
    private readonly handle: FileHandle,
    path: string,
    private readonly complete: () => Promise<SpooledRecording | undefined>,
  ) {
    this.#alive = setInterval(() => {
      const now = new Date();
      utimes(path, now, now).catch(() => undefined);
    }, ALIVE_EVERY_MS).unref();
  }

  /** Ms of sound so far. */
  get lengthMs(): number {
    const { sampleRate, channels } = this.entry;
    return (this.#bytes / 2 / channels / sampleRate) * 1000;
  }

  /** Adds sound; never waits. @throws SpoolError when the disk has failed */
  append(samples: Int16Array): void {
    if (this.#failure !== undefined || this.#unwrittenBytes > MAX_UNWRITTEN_BYTES)
      throw new SpoolError(`recording cannot be written: ${textOf(this.#failure ?? 'the disk takes nothing')}`);
    const bytes = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#unwrittenBytes += bytes.length;
    this.#bytes += bytes.length;
    if (this.#waitingBytes >= WRITE_BYTES) this.#flush();
  }

  /** Completes it, as far as it could be written. @returns undefined when there is no sound in it @throws SpoolError */
  async finish(): Promise<SpooledRecording | undefined> {
    clearInterval(this.#alive);
    this.#flush();
    await this.#written;
    try {
      await this.handle.close();
      return await this.complete();
    } catch (cause) {
      throw new SpoolError(`recording cannot be completed: ${textOf(cause)}`, {}, { cause });
    }
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (bytes.length === 0) return;
    this.#written = this.#written.then(async () => {
      try {
        if (this.#failure === undefined) await this.handle.appendFile(bytes);
      } catch (error) {
        this.#failure = error;
      }
      this.#unwrittenBytes -= bytes.length;
    });
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
