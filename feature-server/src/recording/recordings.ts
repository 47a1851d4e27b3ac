import type { Account, EventSink, Logger, ProvisioningSnapshot } from '@ringwire/common';
import type { AllowPrivate } from '@ringwire/common/http/address-guard.js';
import { AccountStorages } from '@ringwire/common/recordings/account-storage.js';
import { recordingName, recordingPath } from '@ringwire/common/recordings/recording-place.js';
import type { RecordingStorage } from '@ringwire/common/recordings/storage.js';
import { Spool, type SpoolEntry, SpoolError, type SpoolFile } from './spool.js';
import { Uploads, type UploadsOptions } from './uploads.js';

/** What {@link Recordings} is made of. */
export interface RecordingsOptions {
  spoolDir: string;
  /** The operator's own storage. */
  bucket?: string | undefined;
  folder?: string | undefined;
  allowPrivate: AllowPrivate;
  snapshot(): Pick<ProvisioningSnapshot, 'accountsBySid'>;
  sink: EventSink;
  logger: Logger;
  mp3Command?: string | undefined;
  /** How much of one account may wait for its storage; an account whose storage takes nothing would fill the disk of all. */
  maxWaitingBytes: number;
  /** For tests. */
  timing?: Pick<UploadsOptions, 'retryMs' | 'sweepMs'> & { staleMs?: number };
}

/** All recordings of a process, from their first sample to their storage. */
export class Recordings {
  private constructor(
    private readonly storages: AccountStorages,
    private readonly spool: Spool,
    private readonly uploads: Uploads,
    /** Whether MP3 can be made. */
    private readonly mp3: boolean,
    private readonly maxWaitingBytes: number,
  ) {}

  /** @throws TypeError when the operator's storage cannot be read; errors of the spool's folder */
  static async open(options: RecordingsOptions): Promise<Recordings> {
    const { bucket, folder, allowPrivate, logger, sink, mp3Command, timing = {} } = options;
    const storages = new AccountStorages({ bucket, folder, allowPrivate });
    const { staleMs, ...pace } = timing;
    const spool = await Spool.open({ dir: options.spoolDir, logger, ...(staleMs !== undefined && { staleMs }) });
    const storageOf = (accountSid: string): RecordingStorage | undefined => {
      const account = options.snapshot().accountsBySid.get(accountSid);
      return account && storages.of(account);
    };
    const uploads = new Uploads({ spool, storageOf, sink, logger, mp3Command, ...pace });
    return new Recordings(storages, spool, uploads, mp3Command !== undefined, options.maxWaitingBytes);
  }

  /** Where an account's recordings go. @throws StorageError */
  storageOf(account: Account): RecordingStorage | undefined {
    return this.storages.of(account);
  }

  /** Begins one. @throws SpoolError, also where too much of the account waits to be stored */
  async begin(entry: SpoolEntry): Promise<SpoolFile> {
    const waitingBytes = this.uploads.waitingBytes(entry.accountSid);
    if (waitingBytes >= this.maxWaitingBytes) {
      const mb = Math.round(waitingBytes / 1_000_000);
      throw new SpoolError(`${mb} MB of the account's recordings could not be stored yet`, { waitingBytes });
    }
    return this.spool.create(entry);
  }

  /**
   * Completes one, which is uploaded then.
   * @returns where the API will hand it out, if it is the only one of its call; undefined when there is no sound in it
   * @throws SpoolError
   */
  async finish(file: SpoolFile): Promise<string | undefined> {
    const recording = await file.finish();
    if (!recording) return undefined;
    this.uploads.add(recording);
    const { accountSid, callSid, startedAtMs } = recording.entry;
    const format = this.mp3 ? recording.entry.format : 'wav';
    return recordingPath(recordingName({ accountSid, callSid, format }, startedAtMs));
  }

  /** Resolves when everything is stored that its storage takes at once. */
  idle(): Promise<void> {
    return this.uploads.idle();
  }

  close(): Promise<void> {
    return this.uploads.close();
  }
}
