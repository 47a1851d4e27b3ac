import { MediaServerError } from '../errors.js';
import type { Digit } from '../media/media.js';
import { type AgreedSound, isSameMedia, isSameSound } from '../sip/agreed-sound.js';
import { dtmfInfoBody } from '../sip/dtmf-info.js';
import type { CallLeg, ChangeReply } from './call-leg.js';
import type { Journal } from './journal.js';
import type { LegSeat, SeatFollower } from './leg-seat.js';

/** Which way the sound of two who talk goes: through the media server, between the edges' relays, or from one far end to the other. */
export type MediaPath = 'full-media' | 'partial-media' | 'no-media';

/** Why the sound does not go another way; `again`: it may be tried again soon. */
export interface NotMoved {
  why: string;
  again: boolean;
}

/** One of the two. */
export interface TalkEnd {
  seat: LegSeat;
  /** Why its sound must be at the media server. */
  needs?: string | undefined;
  request: CallLeg['request'];
  isOver(): boolean;
}

/** Of which two, and who is told. */
export interface TalkPathOptions {
  caller: TalkEnd;
  callee: TalkEnd;
  /** Has the media server let the two hear each other. @throws MediaServerError */
  bridge(): Promise<void>;
  /** The two do not hear each other, and it is not to be mended. */
  onBroken(): void;
  journal: Journal;
}

const refused = (who: string, { status, reason }: ChangeReply): NotMoved => ({
  why: `the edge of the ${who} answered ${status} ${reason}`,
  again: status === 491 || status === 500,
});

const differenceOf = ({ codec }: AgreedSound, { codec: other }: AgreedSound): string =>
  codec.name === other.name && codec.payloadType === other.payloadType
    ? 'the two send keys differently'
    : `${codec.name} and ${other.name} are not the same codec`;

/**
 * Where the sound of two who talk with each other goes. Released, it goes between the edges (third party call control, RFC 3725): what each edge tells the media
 * server is offered to the other. What fails leaves the sound where it is. Changes go one after the other.
 */
export class TalkPath {
  #path: MediaPath = 'full-media';
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  /** Both are at the media server, which has not joined them. */
  #isApart = false;

  constructor(private readonly options: TalkPathOptions) {}

  /** Which way it goes, or has been sent last. */
  get path(): MediaPath {
    return this.#path;
  }

  /**
   * @param mustStay - asked right before the media server would be left: why it must not be
   * @returns why it does not go that way; undefined where it does. Never rejects.
   */
  async to(path: MediaPath, mustStay: () => string | undefined = () => undefined): Promise<NotMoved | undefined> {
    try {
      return await this.#inTurn(async () => {
        if (path === this.#path) return undefined;
        if (path === 'full-media') return await this.#anchor();
        if (this.#isClosed) return { why: 'the two do not talk any more', again: false };
        const before = this.#path;
        const release = async (way: typeof path): Promise<NotMoved | undefined> => {
          const why = mustStay();
          return why === undefined ? this.#release(way) : { why, again: false };
        };
        if (before === 'full-media') return await release(path);
        const why = mustStay();
        if (why !== undefined) return { why, again: false };
        // Both ways begin where the media server is.
        await this.#anchor();
        const failure = await release(path).catch((error: unknown) => ({ why: textOf(error), again: false }));
        if (failure && !this.#isClosed) await this.#releaseAgain(before, release);
        return failure;
      });
    } catch (error) {
      return { why: textOf(error), again: false };
    }
  }

  /** Has the sound at the media server. @throws MediaServerError where a far end that is still there cannot be brought back */
  anchor(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#anchor();
    });
  }

  /** The two do not talk any more: what is under way comes to its end, which a call that is over does not wait for, and nothing is released again. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (!this.options.caller.isOver()) await this.#last;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const { caller, callee } = this.options;
    const done = this.#last.then(async () => {
      caller.seat.isMoving = true;
      callee.seat.isMoving = true;
      try {
        return await work();
      } finally {
        caller.seat.isMoving = false;
        callee.seat.isMoving = false;
      }
    });
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #release(path: 'partial-media' | 'no-media'): Promise<NotMoved | undefined> {
    const { caller, callee, journal } = this.options;
    const why = [caller, callee].map(({ needs, seat }) => needs ?? seat.needs).find((need) => need !== undefined);
    if (why !== undefined) return { why, again: false };
    const failure = await (path === 'no-media' ? this.#joinFarEnds() : this.#joinEdges());
    if (failure) return failure;
    if (caller.isOver()) return { why: 'the call is over', again: false };
    this.#path = path;
    caller.seat.release(this.#follow(callee));
    callee.seat.release(this.#follow(caller));
    const how = path === 'no-media' ? 'from one far end to the other' : 'between the edges';
    journal.timeline.info('media', `the media server is out of the call: the sound goes ${how}`, { path });
    return undefined;
  }

  /** What was refused is not to cost the way that there was before. Never rejects. */
  async #releaseAgain(
    before: 'partial-media' | 'no-media',
    release: (way: typeof before) => Promise<NotMoved | undefined>,
  ): Promise<void> {
    const { journal } = this.options;
    try {
      const failure = await release(before);
      if (failure) journal.timeline.info('media', `the sound stays at the media server: ${failure.why}`);
    } catch (error) {
      journal.timeline.warn('media', `the sound stays at the media server: ${textOf(error)}`);
    }
  }

  /** Each edge is offered what the other one has given: neither far end hears of it. */
  async #joinEdges(): Promise<NotMoved | undefined> {
    const caller = this.options.caller.seat;
    const callee = this.options.callee.seat;
    const [one, other] = [caller.sound, callee.sound];
    if (!one || !other) return { why: 'there is more than sound, or less, to be sent', again: false };
    if (!isSameSound(one, other)) return { why: differenceOf(one, other), again: false };
    const offered = callee.remoteSdp;
    const first = await caller.offer(offered, 'release-media');
    if (first.status >= 300) return refused('caller', first);
    try {
      const second = await callee.offer(first.sdp, 'release-media');
      if (second.status >= 300) {
        await caller.takeBack();
        return refused('callee', second);
      }
      if (isSameMedia(second.sdp, offered)) return undefined;
      const third = await caller.offer(second.sdp, 'release-media');
      if (third.status < 300) return undefined;
      await Promise.all([caller.takeBack(), callee.takeBack()]);
      return refused('caller', third);
    } catch (error) {
      await Promise.allSettled([caller.takeBack(), callee.takeBack()]);
      throw error;
    }
  }

  /** The caller's far end is asked for its offer, which the callee's answers (RFC 3725 §4.1). */
  async #joinFarEnds(): Promise<NotMoved | undefined> {
    const caller = this.options.caller.seat;
    const callee = this.options.callee.seat;
    if (!caller.sound || !callee.sound) return { why: 'there is more than sound, or less, to be sent', again: false };
    const offered = await caller.askForOffer('release-media-entirely');
    if (!offered.ack) return refused('caller', offered);
    let answer = '';
    try {
      const answered = await callee.offer(offered.sdp, 'release-media-entirely');
      if (answered.status >= 300) return refused('callee', answered);
      answer = answered.sdp;
      return undefined;
    } finally {
      offered.ack(answer);
    }
  }

  async #anchor(): Promise<NotMoved | undefined> {
    const { caller, callee, bridge, journal } = this.options;
    if (this.#path === 'full-media' && !this.#isApart) return undefined;
    const ends = [caller, callee].filter(({ isOver }) => !isOver());
    const results = await Promise.allSettled(ends.map(({ seat }) => seat.allocate()));
    const failure = results.find(
      (result, index): result is PromiseRejectedResult => result.status === 'rejected' && !ends[index]?.isOver(),
    );
    if (failure) {
      await this.#goBack();
      if (caller.seat.isReleased !== callee.seat.isReleased) this.#tellBroken(failure.reason);
      throw asMediaError(failure.reason);
    }
    this.#path = 'full-media';
    this.#isApart = false;
    if (ends.length < 2 || ends.some(({ seat, isOver }) => seat.isReleased || isOver())) return undefined;
    try {
      await bridge();
    } catch (error) {
      this.#isApart = true;
      this.#tellBroken(error);
      throw error;
    }
    journal.timeline.info('media', 'the sound of the call goes through the media server again', { path: 'full-media' });
    return undefined;
  }

  /** Only one of the two has come back to the media server: they hear each other without it again. */
  async #goBack(): Promise<void> {
    const { caller, callee } = this.options;
    const move = this.#path === 'no-media' ? 'release-media-entirely' : 'release-media';
    for (const [one, other] of [
      [caller, callee],
      [callee, caller],
    ] as const) {
      if (one.seat.isReleased || !other.seat.isReleased || one.isOver()) continue;
      try {
        const { status } = await one.seat.offer(other.seat.remoteSdp, move);
        if (status < 300) one.seat.release(this.#follow(other));
      } catch (err) {
        this.options.journal.log.warn({ err }, 'who came back alone to the media server stays there');
      }
    }
  }

  #tellBroken(error: unknown): void {
    const { caller, callee, journal, onBroken } = this.options;
    if (this.#isClosed || caller.isOver() || callee.isOver()) return;
    journal.timeline.error('media', `the two do not hear each other any more: ${textOf(error)}`);
    onBroken();
  }

  /** Of one end: what becomes of it concerns the other. */
  #follow(other: TalkEnd): SeatFollower {
    const { journal } = this.options;
    return {
      onAnchored: () => {
        // Out of the way of the answer to whoever has changed its media.
        setImmediate(() => {
          this.anchor().catch((err: unknown) => journal.log.warn({ err }, 'the other one did not follow'));
        });
      },
      onKey: ({ key, durationMs }: Digit) => {
        const headers = { 'Content-Type': 'application/dtmf-relay' };
        other.request({ method: 'INFO', headers, body: dtmfInfoBody(key, durationMs) }).catch((err: unknown) => {
          journal.log.debug({ err, key }, 'a key was not passed on');
        });
      },
    };
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const asMediaError = (error: unknown): MediaServerError =>
  error instanceof MediaServerError ? error : new MediaServerError(textOf(error), {}, { cause: error });
