import type { FarMedia } from './media-profile.js';
import type { MediaSession, SessionState, Side } from './media-relay.js';

/**
 * The media of a call that rings several devices at once: each way in which media travels has a session of its own, since an offer
 * of one session cannot be plain for one device and encrypted for another. Until one is chosen the first stands for all.
 */
export class BranchedMedia implements MediaSession {
  readonly #sessions: MediaSession[] = [];
  #chosen = 0;

  /** @param open - makes the session of a branch, counted from 0 */
  constructor(private readonly open: (branch: number) => MediaSession) {
    this.#sessions.push(open(0));
  }

  /** The session of a branch; 0 is the one that is used where nothing branches. */
  branch(index: number): MediaSession {
    this.#sessions[index] ??= this.open(index);
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

  state(): Promise<SessionState> {
    return this.branch(this.#chosen).state();
  }

  async delete(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.delete()));
  }
}
