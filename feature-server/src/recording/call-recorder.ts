import type { Account } from '@ringwire/common';
import type { HookSpec } from '@ringwire/verb-specs';
import type { CommandResult, RecordCommand, SessionCommand } from '../control/commands.js';
import { CallGoneError } from '../errors.js';
import type { AudioStream, AudioTap } from '../media/audio-streams.js';
import type { BackgroundTask, BackgroundTasks } from '../session/background-tasks.js';
import type { LegReply, LegRequest } from '../session/call-leg.js';
import type { Journal } from '../session/journal.js';
import type { Recordings } from './recordings.js';
import { SiprecRecorder } from './siprec-recorder.js';
import type { SpoolFile } from './spool.js';

/** How a call's recording stands, in jambonz' words without `recording_`. */
export type RecordingState = 'off' | 'on' | 'paused';

/** A call's recording. */
export interface CallRecorder {
  readonly state: RecordingState;
  /** Does what an application, or live call control, asks for (compat 4.3); never rejects. */
  obey(command: RecordCommand): Promise<CommandResult>;
  /** The call is answered: where all calls are recorded, this one is from now on. Never rejects. */
  onAnswered(): Promise<void>;
}

/** What a {@link SessionRecorder} is made of. */
export interface SessionRecorderOptions {
  /** Missing: nothing is recorded here. */
  recordings?: Recordings;
  account?: Account;
  /** Whether the call is recorded without being asked. */
  isAlways?: boolean;
  journal: Journal;
  background: BackgroundTasks;
  /** The call's sound. @throws MediaServerError while there is none */
  tap(): AudioTap;
  /** Tells a hook, also when the call is over. */
  tell(hook: HookSpec, fields: Record<string, unknown>): void;
  /** The call's fields, in camelCase. */
  facts(): Readonly<Record<string, unknown>>;
  /** Sends a request to the edge of the call. @throws CallGoneError and others of the dialog */
  request(request: LegRequest): Promise<LegReply>;
}

const TASK = 'record';
const SAMPLE_RATE = 8_000;
const CHANNELS = 2;
/** What of the call is written beside its recording, as in jambonz. */
const METADATA = [
  ...['accountSid', 'callSid', 'direction', 'from', 'to', 'callId', 'applicationSid', 'originatingSipIp'],
  'originatingSipTrunkName',
];
const DONE: CommandResult = { ok: true };
/** The media server stopped bringing sound meanwhile. */
const LOST: CommandResult = { ok: false, because: 'wrong state', reason: 'the recording has just ended' };
/** A gap in the sound of a fork is never longer. */
const MAX_GAP_MS = 60_000;

/**
 * Records a call: the caller left, what it hears right, in one file for the whole call. What is said while it is paused is silence; what is said while
 * it is stopped is left out.
 */
export class SessionRecorder implements CallRecorder, BackgroundTask {
  #state: RecordingState = 'off';
  #file: SpoolFile | undefined;
  #stream: AudioStream | undefined;
  #written: Promise<void> = Promise.resolve();
  /** Orders are done one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #isOver = false;
  #recordingID: string | undefined;
  #endHook: HookSpec | undefined;

  readonly #siprec: SiprecRecorder;
  /** Whether a recording server has the call, as far as is known here. */
  #isSiprec = false;

  constructor(private readonly options: SessionRecorderOptions) {
    this.#siprec = new SiprecRecorder(options);
  }

  get state(): RecordingState {
    return this.#state;
  }

  /** Stopped: the file is kept open for what may still come. */
  get isIdle(): boolean {
    return this.#state === 'off';
  }

  /** Whether the call is being recorded, or will be once it is answered, without being asked. */
  get isWanted(): boolean {
    return this.#state !== 'off' || this.options.isAlways === true;
  }

  obey(command: RecordCommand): Promise<CommandResult> {
    const done = this.#last.then(async (): Promise<CommandResult> => {
      try {
        return await this.#obey(command);
      } catch (error) {
        if (error instanceof CallGoneError)
          return { ok: false, because: 'wrong state', reason: 'the call is not answered' };
        return this.#fail(error instanceof Error ? error.message : String(error));
      }
    });
    this.#last = done;
    return done;
  }

  async onAnswered(): Promise<void> {
    if (!this.options.isAlways) return;
    await this.obey({ action: 'startCallRecording', type: 'cloud' });
  }

  /** Another recording of the call: what was recorded here is complete. */
  continuation(): SessionCommand[] {
    if (this.#state === 'off') return [];
    const recordingID = this.#recordingID;
    const begin: SessionCommand = {
      ...{ command: 'record', action: 'startCallRecording', type: 'cloud' },
      ...(recordingID !== undefined && { recordingID }),
      ...(this.#endHook !== undefined && { recordEndHook: this.#endHook }),
    };
    return this.#state === 'on' ? [begin] : [begin, { command: 'record', action: 'pauseCallRecording' }];
  }

  /** The call is over: the recording is completed, and uploaded by and by. */
  async stop(): Promise<void> {
    this.#isOver = true;
    const ended = this.#last.then(() => this.#finish());
    this.#last = ended;
    await ended;
  }

  /** Without a type: what begins is SIPREC where a server is named, else a recording of ours; what stops, pauses or resumes is whatever runs. */
  async #obey(command: RecordCommand): Promise<CommandResult> {
    const { action, type, siprecServerURL } = command;
    if (action === 'startCallRecording') {
      const isSiprec = (type ?? (siprecServerURL?.length ? 'siprec' : 'cloud')) === 'siprec';
      return isSiprec ? this.#obeySiprec(command) : this.#obeyCloud(command);
    }
    if (type !== undefined) return type === 'siprec' ? this.#obeySiprec(command) : this.#obeyCloud(command);
    if (this.#state === 'off') return this.#obeySiprec(command);
    const result = await this.#obeyCloud(command);
    if (!this.#isSiprec) return result;
    const others = await this.#obeySiprec(command);
    return result.ok ? others : result;
  }

  async #obeySiprec(command: RecordCommand): Promise<CommandResult> {
    const result = await this.#siprec.obey(command);
    const { action } = command;
    if (result.ok) this.#isSiprec = action !== 'stopCallRecording';
    else if (result.because === 'wrong state' && action === 'stopCallRecording') this.#isSiprec = false;
    return result;
  }

  async #obeyCloud({ action, recordingID, recordEndHook }: RecordCommand): Promise<CommandResult> {
    if (recordEndHook !== undefined) this.#endHook = recordEndHook;
    if (action === 'startCallRecording') {
      this.#recordingID ??= recordingID;
      return this.#start(recordingID);
    }
    if (this.#state === 'off') return { ok: false, because: 'wrong state', reason: 'the call is not being recorded' };
    const { timeline } = this.options.journal;
    if (action === 'pauseCallRecording') {
      await this.#stream?.pause('silence');
      if (!this.#stream) return LOST;
      this.#state = 'paused';
      timeline.info('media', 'recording paused: silence is recorded');
    } else if (action === 'resumeCallRecording') {
      await this.#stream?.resume();
      if (!this.#stream) return LOST;
      this.#state = 'on';
      timeline.info('media', 'recording goes on');
    } else {
      await this.#halt();
      timeline.info('media', 'recording stopped');
    }
    return DONE;
  }

  async #start(recordingID: string | undefined): Promise<CommandResult> {
    const { recordings, account, journal, background, tap, facts } = this.options;
    if (this.#isOver) return { ok: false, because: 'wrong state', reason: 'the call is over' };
    if (this.#state !== 'off') return this.#state === 'on' ? DONE : this.#obeyCloud({ action: 'resumeCallRecording' });
    const storage = account && recordings?.storageOf(account);
    if (!recordings || !account || !storage)
      return this.#fail('neither the account nor the operator has a storage for recordings');
    if (!this.#file) {
      const known = facts();
      const about = METADATA.map((name) => [name, known[name]] as const).filter(([, value]) => value !== undefined);
      this.#file = await recordings.begin({
        callSid: String(known.callSid),
        accountSid: account.accountSid,
        serviceProviderSid: account.serviceProviderSid,
        format: account.recordFormat ?? 'wav',
        startedAtMs: Date.now(),
        sampleRate: SAMPLE_RATE,
        channels: CHANNELS,
        metadata: {
          ...Object.fromEntries(about.map(([name, value]) => [name, String(value)])),
          sampleRate: String(SAMPLE_RATE),
          ...(recordingID !== undefined && { recordingId: recordingID }),
        },
      });
      // Not waited for: where the call is over it stops this, which waits for what is being done here.
      void background.start(TASK, this);
    }
    const stream = await tap().open({ mixType: 'stereo', sampleRate: SAMPLE_RATE });
    this.#stream = stream;
    this.#state = 'on';
    this.#written = this.#write(stream, this.#file);
    journal.timeline.info('media', `recording begins, for ${storage.name}`);
    return DONE;
  }

  /** Ends with the stream; never rejects. */
  async #write(stream: AudioStream, file: SpoolFile): Promise<void> {
    const fromMs = file.lengthMs;
    try {
      for await (const { samples, atMs } of stream) {
        const gapMs = Math.min(fromMs + atMs - file.lengthMs, MAX_GAP_MS);
        // What a slow disk lost is silence, so that the rest stays in its place.
        if (gapMs >= 1) file.append(new Int16Array(Math.round((gapMs * SAMPLE_RATE) / 1000) * CHANNELS));
        file.append(samples);
      }
      if (this.#stream === stream && !this.#isOver) this.#fail('the media server brings no more sound');
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#state = 'off';
    await stream.close();
  }

  async #halt(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#state = 'off';
    await stream?.close();
    await this.#written;
  }

  async #finish(): Promise<void> {
    await this.#halt();
    const file = this.#file;
    this.#file = undefined;
    if (!file) return;
    try {
      const recordingUrl = await this.options.recordings?.finish(file);
      const facts = {
        recordingId: this.#recordingID,
        recordingUrl,
        recordingDuration: Math.round(file.lengthMs / 1000),
      };
      if (this.#endHook !== undefined && recordingUrl !== undefined) this.options.tell(this.#endHook, facts);
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  #fail(reason: string): CommandResult {
    const { journal } = this.options;
    journal.timeline.error('media', `recording: ${reason}`);
    journal.alert('recording-failure', `recording: ${reason}`);
    return { ok: false, because: 'failed', reason };
  }
}
