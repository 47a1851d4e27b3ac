import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { access, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@ringwire/common';
import { hasher } from 'node-object-hash';

/** Where synthesized audio is kept. */
export interface TtsCacheOptions {
  /** Must be readable by the media server. Several feature servers may share it. */
  dir: string;
  /** When the files take more than this, those that were used least recently go. */
  maxBytes: number;
  logger: Logger;
}

const hashing = hasher({ alg: 'sha256', enc: 'hex' });

/**
 * Files of synthesized audio, named by a hash of what was spoken and how. A file appears complete or not at all
 * (written aside, then renamed), and an identical request that is already being made is waited for instead of repeated.
 */
export class TtsCache {
  /** Path → bytes, least recently used first. */
  readonly #files = new Map<string, number>();
  readonly #making = new Map<string, Promise<string>>();
  #bytes = 0;

  private constructor(private readonly options: TtsCacheOptions) {}

  /** Opens the folder, creates it where needed, and takes stock of what earlier runs left. */
  static async open(options: TtsCacheOptions): Promise<TtsCache> {
    const cache = new TtsCache(options);
    await mkdir(options.dir, { recursive: true });
    await cache.#takeStock();
    return cache;
  }

  /** What is in the cache now. */
  get size(): { files: number; bytes: number } {
    return { files: this.#files.size, bytes: this.#bytes };
  }

  /** The key of a request: equal objects have equal keys, whatever the order of their properties. */
  static key(request: Record<string, unknown>): string {
    return hashing.hash(request);
  }

  /** The file for a key; `make` is asked for the audio when there is none. `cached` says that it was not needed. */
  async get(key: string, make: () => Promise<Buffer>): Promise<{ file: string; cached: boolean }> {
    const file = join(this.options.dir, `${key}.wav`);
    const running = this.#making.get(key);
    if (running) return { file: await running, cached: true };
    if (await this.#touch(file)) return { file, cached: true };
    // A second caller may have started while the file was being looked for.
    const started = this.#making.get(key);
    if (started) return { file: await started, cached: true };
    const making = make().then((audio) => this.#store(file, audio));
    this.#making.set(key, making);
    try {
      return { file: await making, cached: false };
    } finally {
      this.#making.delete(key);
    }
  }

  /** Writes audio that must not be kept; the caller removes the file with {@link discard}. */
  async writeTemporary(audio: Buffer, extension: 'wav' | 'r8' = 'wav'): Promise<string> {
    const file = join(this.options.dir, `once-${randomUUID()}.${extension}`);
    await writeFile(file, audio);
    return file;
  }

  /** Removes a temporary file. */
  async discard(file: string): Promise<void> {
    await rm(file, { force: true });
  }

  async #touch(file: string): Promise<boolean> {
    try {
      await access(file);
    } catch {
      this.#forget(file);
      return false;
    }
    const bytes = this.#files.get(file) ?? (await stat(file)).size;
    this.#forget(file);
    this.#remember(file, bytes);
    const now = new Date();
    // Only keeps the order of use across restarts; a file that another server just removed is no harm.
    utimes(file, now, now).catch((err: unknown) => this.options.logger.debug({ err, file }, 'cached audio is gone'));
    return true;
  }

  async #store(file: string, audio: Buffer): Promise<string> {
    const aside = `${file}.${randomUUID()}.part`;
    await writeFile(aside, audio);
    await rename(aside, file);
    this.#forget(file);
    this.#remember(file, audio.length);
    await this.#evict();
    return file;
  }

  async #evict(): Promise<void> {
    for (const [file] of this.#files) {
      // The newest stays, however large: somebody is about to play it.
      if (this.#bytes <= this.options.maxBytes || this.#files.size === 1) return;
      this.#forget(file);
      await rm(file, { force: true });
    }
  }

  async #takeStock(): Promise<void> {
    const entries: Dirent[] = await readdir(this.options.dir, { withFileTypes: true });
    const found: { file: string; bytes: number; usedAt: number }[] = [];
    for (const entry of entries) {
      const file = join(this.options.dir, entry.name);
      if (!entry.isFile()) continue;
      const about = await stat(file);
      const isOurs = /^[0-9a-f]{64}\.wav$/.test(entry.name);
      // What a killed process left half written, or wrote for one call, is of no use after an hour.
      const isLeftover = /\.part$|^once-/.test(entry.name) && Date.now() - about.mtimeMs > 3_600_000;
      if (isLeftover) await rm(file, { force: true });
      else if (isOurs) found.push({ file, bytes: about.size, usedAt: about.mtimeMs });
    }
    found.sort((a, b) => a.usedAt - b.usedAt);
    for (const { file, bytes } of found) this.#remember(file, bytes);
    await this.#evict();
  }

  #remember(file: string, bytes: number): void {
    this.#files.set(file, bytes);
    this.#bytes += bytes;
  }

  #forget(file: string): void {
    this.#bytes -= this.#files.get(file) ?? 0;
    this.#files.delete(file);
  }
}
