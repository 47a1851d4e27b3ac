import type { FarMedia } from './media-profile.js';
import type { MediaSession, SessionState, Side } from './media-relay.js';

/**
 * The media of a call that rings several devices at once: each way in which media travels has a session of its own, since an offer
 * of one session cannot be plain for one device and encrypted for another. Until one is chosen the first stands for all.
 */
export class BranchedMedia implements MediaSession {
  readonly #sessions: MediaSession[] = [];
  #chosen = 0;
  #opened = 0;

  /** @param openNext - makes a session; they are counted from 0, in the order in which they are opened */
  constructor(private readonly openNext: (index: number) => MediaSession) {
    this.#sessions.push(this.#open());
  }

  #open(): MediaSession {
    return this.openNext(this.#opened++);
  }

  /** The session of a branch; 0 is the one that is used where nothing branches. */
  branch(index: number): MediaSession {
    this.#sessions[index] ??= this.#open();
    return this.#sessions[index];
  }

  /** A session besides those that there are: the call goes on with it once it is used; dropped, it leaves nothing. One at a time. */
  spare(): { session: MediaSession; use(): void; drop(): Promise<void> } {
    const index = this.#sessions.length;
    const session = this.branch(index);
    return {
      session,
      use: () => this.choose(index),
      drop: async () => {
        await session.delete();
        if (this.#chosen !== index && this.#sessions.length === index + 1) this.#sessions.length = index;
      },
    };
  }

  /** The call goes on with a session that knows nothing yet; the one that it had is deleted. */
  renew(): void {
    const before = this.#sessions[this.#chosen];
    this.#sessions[this.#chosen] = this.#open();
    void before?.delete();
  }

  /** The call goes on with this branch; the others are deleted. */
  choose(index: number): void {
    this.#chosen = index;
    this.#sessions.forEach((session, i) => {
      if (i !== index) void session.delete();
    });
  }

  offer(from: Side, sdp: string, tag: string, far?: FarMedia, flags?: readonly string[]): Promise<string> {
    return this.branch(this.#chosen).offer(from, sdp, tag, far, flags);
  }

  answer(from: Side, sdp: string, tag: string): Promise<string> {
    return this.branch(this.#chosen).answer(from, sdp, tag);
  }

  keepTag(side: Side): void {
    this.branch(this.#chosen).keepTag(side);
  }

  mute(side: Side, isMuted: boolean): Promise<void> {
    return this.branch(this.#chosen).mute(side, isMuted);
  }

  subscribe(outer: Side): Promise<string> {
    return this.branch(this.#chosen).subscribe(outer);
  }

  answerSubscription(sdp: string): Promise<void> {
    return this.branch(this.#chosen).answerSubscription(sdp);
  }

  unsubscribe(): Promise<void> {
    return this.branch(this.#chosen).unsubscribe();
  }

  state(): Promise<SessionState> {
    return this.branch(this.#chosen).state();
  }

  async delete(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.delete()));
  }
}
