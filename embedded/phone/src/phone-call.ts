import { EventEmitter } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { writeWav } from '@ringwire/rtp';
import type { AudioSource } from './audio-source.js';
import { PhoneError } from './errors.js';
import { type Arrival, firstSoundMs, type ReceptionStats, SAMPLES_PER_MS } from './heard.js';
import type { MediaSession, ReceivedDigit } from './media-session.js';

/** Who ended a call: `refused` is a final answer that is not 2xx, `cancelled` our CANCEL, `timeout` no answer at all. */
export type EndedBy = 'us' | 'them' | 'cancelled' | 'refused' | 'timeout' | 'transport';

/** A SIP response as the phone saw it. */
export interface SeenResponse {
  status: number;
  reason: string;
  /** Header values, names in lower case; several of one name joined by `, `. */
  headers: Readonly<Record<string, string>>;
  /** When it came: ms since the epoch. */
  at: number;
}

/** All about a call that has ended. */
export interface CallResult extends ReceptionStats {
  sipCallId: string;
  /** Final SIP status of the INVITE; 0 when none came. */
  status: number;
  reason: string;
  endedBy: EndedBy;
  /** Every provisional response, then the final one. */
  responses: SeenResponse[];
  /** Headers of the BYE or the refusal that ended the call. */
  endHeaders: Readonly<Record<string, string>>;
  /** Ms since the epoch. */
  invitedAt: number;
  answeredAt: number | null;
  endedAt: number;
  /** What was heard from the answer on, 8 kHz; gaps are silence. */
  heard: Int16Array;
  /** What was heard before the answer. */
  early: Int16Array;
  /** From the answer to the first sound; null when there was none. */
  firstSoundMs: number | null;
  /** Keys that the other side pressed. */
  digits: string;
  packetsSent: number;
  /** Why the recording could not be saved. */
  recordError?: Error | undefined;
  /** Milliseconds of audio in the recording; 0: nothing was heard, and no file was written. */
  recordedMs?: number;
}

/** Events of a {@link PhoneCall}. */
export interface PhoneCallEvents {
  provisional: [SeenResponse];
  answered: [];
  dtmf: [ReceivedDigit];
  /** Something asked for could not be done (keys without telephone-event); the call goes on. */
  problem: [Error];
  ended: [CallResult];
}

/** How a call acts on its dialog; given by whoever made the dialog. */
export interface DialogControl {
  bye(headers?: Record<string, string>): Promise<void>;
}

/** What a {@link PhoneCall} is made of. */
export interface PhoneCallParts {
  sipCallId: string;
  media: MediaSession;
  /** File for what is heard, before the answer and after it. */
  record?: string | undefined;
  /** Frees what belongs to this call alone; called once, before the call counts as ended. */
  release?: () => Promise<void>;
}

/** One call, placed or taken. `ended` and {@link finished} come exactly once. */
export class PhoneCall extends EventEmitter<PhoneCallEvents> {
  readonly sipCallId: string;
  /** When the INVITE went out or came in: ms since the epoch. */
  readonly invitedAt = Date.now();
  /** Resolves with everything about the call when it has ended, however it ended. */
  readonly finished: Promise<CallResult>;
  readonly responses: SeenResponse[] = [];
  answeredAt: number | null = null;
  readonly #media: MediaSession;
  #dialog: DialogControl | undefined;
  #cancel: ((headers: Record<string, string>) => void) | undefined;
  #finish!: (result: CallResult) => void;
  #result: CallResult | undefined;
  readonly #record: string | undefined;
  readonly #release: () => Promise<void>;
  #ending = false;

  constructor({ sipCallId, media, record, release }: PhoneCallParts) {
    super();
    this.sipCallId = sipCallId;
    this.#media = media;
    this.#record = record;
    this.#release = release ?? (() => Promise.resolve());
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** Resolves when the call is answered; rejects when it ends before. */
  answered(): Promise<void> {
    if (this.answeredAt !== null) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        this.off('answered', onAnswered);
        this.off('ended', onEnded);
        act();
      };
      const onAnswered = (): void => settle(resolve);
      const onEnded = (result: CallResult): void => settle(() => reject(notAnswered(result)));
      if (this.#result) reject(notAnswered(this.#result));
      else this.on('answered', onAnswered).on('ended', onEnded);
    });
  }

  /** What was heard since the answer up to now: a copy. */
  heardSoFar(): Int16Array {
    return this.#media.heard?.samples() ?? new Int16Array();
  }

  /** Arrival of each RTP packet since the answer. */
  get arrivals(): readonly Arrival[] {
    return this.#media.heard?.arrivals ?? [];
  }

  /** Keys received so far. */
  get digits(): string {
    return this.#media.digits.map(({ digit }) => digit).join('');
  }

  /** Presses keys (0–9 * # A–D); resolves when the last has been sent. */
  sendDtmf(digits: string): Promise<void> {
    return this.#media.press(digits);
  }

  /** Speaks; resolves when all has been sent. */
  play(source: AudioSource): Promise<void> {
    return this.#media.play(source);
  }

  /** Hangs up: BYE after the answer, CANCEL (or 480) before, with these headers. Resolves with the result. */
  async hangup(headers: Record<string, string> = {}): Promise<CallResult> {
    if (!this.#result) {
      if (this.#dialog) {
        await this.#dialog.bye(headers);
        await this.end('us');
      } else {
        this.#cancel?.(headers);
      }
    }
    return this.finished;
  }

  /** For the signalling side: how to give up before the answer. */
  cancelBy(cancel: (headers: Record<string, string>) => void): void {
    this.#cancel = cancel;
  }

  /** For the signalling side: a response to our INVITE came. */
  note(response: SeenResponse): void {
    this.responses.push(response);
    if (response.status < 200) this.emit('provisional', response);
  }

  /** For the signalling side: the call is up. */
  answer(dialog: DialogControl): void {
    this.#dialog = dialog;
    this.answeredAt = Date.now();
    this.#media.answered(performance.now());
    this.emit('answered');
  }

  /** For the signalling side: the call is over. Later calls change nothing. */
  async end(endedBy: EndedBy, endHeaders: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    const endedAt = Date.now();
    await this.#media.close();
    await this.#release();
    const final = this.responses.find(({ status }) => status >= 200);
    const heard = this.heardSoFar();
    const result: CallResult = {
      ...this.#media.stats,
      sipCallId: this.sipCallId,
      status: final?.status ?? (this.answeredAt === null ? 0 : 200),
      reason: final?.reason ?? (this.answeredAt === null ? '' : 'OK'),
      endedBy,
      responses: this.responses,
      endHeaders,
      invitedAt: this.invitedAt,
      answeredAt: this.answeredAt,
      endedAt,
      heard,
      early: this.#media.early?.samples() ?? new Int16Array(),
      firstSoundMs: firstSoundMs(heard) ?? null,
      digits: this.digits,
      packetsSent: this.#media.packetsSent,
    };
    if (this.#record !== undefined) {
      // What came before the answer (ringing, an announcement) was heard as well.
      const all = joined(result.early, heard);
      result.recordedMs = all.length / SAMPLES_PER_MS;
      if (all.length > 0) result.recordError = await save(this.#record, all);
    }
    this.#result = result;
    this.emit('ended', result);
    this.#finish(result);
  }
}

function notAnswered({ status, reason, endedBy, endHeaders }: CallResult): PhoneError {
  return new PhoneError('phone/not-answered', `not answered: ${endedBy}, ${status} ${reason}`, {
    status,
    reason,
    endedBy,
    endHeaders,
  });
}

function joined(first: Int16Array, second: Int16Array): Int16Array {
  if (first.length === 0) return second;
  const all = new Int16Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

async function save(file: string, samples: Int16Array): Promise<Error | undefined> {
  try {
    await writeFile(file, writeWav(samples, 8_000));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
