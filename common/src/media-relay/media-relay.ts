import type { Logger } from '../log/logger.js';
import { RelayRefusedError } from './errors.js';
import { codecParams, type FarMedia, type MediaProfile, profileOf, relayParams } from './media-profile.js';
import type { NgClient, NgValue } from './ng-client.js';

/** The two sides of a bridged call. `a` sent the INVITE to us, `b` got ours. */
export type Side = 'a' | 'b';

/** What the relay says of a session. `gone`: it does not know it. */
export type SessionState = 'alive' | 'gone' | 'silent';

/** Rewrites the SDP of one call so that media goes through the relay, or passes it on unchanged. */
export interface MediaSession {
  /**
   * SDP from one side as it goes to the other. `tag` is the sender's SIP tag. `far` says how media is to travel there, from now on;
   * without it as before, at first plain. `flags` are more of rtpengine's flags, for this offer only.
   */
  offer(from: Side, sdp: string, tag: string, far?: FarMedia, flags?: readonly string[]): Promise<string>;
  /** The other side's answer to that offer, as it goes back. */
  answer(from: Side, sdp: string, tag: string): Promise<string>;
  /** Who speaks for a side from now on goes on in its name: the tag that it had stays its own here, whatever {@link offer} and {@link answer} are told. */
  keepTag(side: Side): void;
  /** Keeps the sound and the keys of a side from the other, or lets them through again. Does nothing where nothing is relayed. */
  mute(side: Side, isMuted: boolean): Promise<void>;
  /**
   * A copy of what both sides send, for somebody who listens only (RFC 7866): the SDP that offers it, first what `a` sends and then what `b` does. One at a
   * time; asked again, it is the same copy at the same ports, as the call is by then.
   *
   * @param outer - towards whose network the copy goes, where the relay has several
   * @throws RelayRefusedError, RelayUnreachableError
   */
  subscribe(outer: Side): Promise<string>;
  /** What was answered to that SDP: the copy begins. @throws RelayRefusedError, RelayUnreachableError */
  answerSubscription(sdp: string): Promise<void>;
  /** Ends the copy. Never throws. */
  unsubscribe(): Promise<void>;
  /**
   * Asks the relay whether it still has the session; `silent` when it does not answer. `alive` before an offer, after
   * {@link delete} and where nothing is relayed. Never throws.
   */
  state(): Promise<SessionState>;
  /** Ends the relaying. Never throws; safe to call more than once and before an offer. */
  delete(): Promise<void>;
}

/** Where sessions come from. */
export interface MediaRelay {
  /** Whether it can encrypt and transcode: false where media flows direct. */
  readonly isRelaying: boolean;
  /** `name` is the session's at the relay (its `call-id`): no two that live at the same time may share one, whichever process has them. */
  session(name: string): MediaSession;
  /** Resolves when the relay answers; throws when it does not. */
  ping(): Promise<void>;
  /** Sessions that were offered and not deleted yet. */
  readonly sessions: number;
  /** What a person calls it: `rtpengine at 127.0.0.1:22222`, or `direct`. */
  readonly description: string;
  close(): void;
}

/** Media flows between the parties directly: nothing is rewritten. Offers of browsers and to them are refused, as nobody else understands them. */
export function directRelay(): MediaRelay {
  const unchanged = async (_from: Side, sdp: string): Promise<string> => sdp;
  const offer: MediaSession['offer'] = async (_from, sdp, _tag, far) => {
    if (profileOf(sdp) !== 'webrtc' && far?.profile !== 'webrtc') return sdp;
    throw new RelayRefusedError('WebRTC media needs rtpengine, and none is set up (RTPENGINE_HOST)');
  };
  return {
    isRelaying: false,
    session: () => ({
      offer,
      answer: unchanged,
      keepTag: () => {},
      mute: async () => {},
      subscribe: async () => {
        throw new RelayRefusedError('recording needs rtpengine, and none is set up (RTPENGINE_HOST)');
      },
      answerSubscription: async () => {},
      unsubscribe: async () => {},
      state: async () => 'alive',
      delete: async () => {},
    }),
    ping: async () => {},
    sessions: 0,
    description: 'direct',
    close: () => {},
  };
}

/** The tag of whoever gets a copy of a session: none of SIP's. */
const SUBSCRIBER = 'recorder';

class RtpengineSession implements MediaSession {
  readonly #tags: Partial<Record<Side, string>> = {};
  readonly #kept = new Set<Side>();
  /** Side `a`, and who makes the first offer, gets the profile that it offered, side `b` the one that was asked for. */
  readonly #profiles: Record<Side, MediaProfile | FarMedia> = { a: 'plain', b: 'plain' };
  #deleted = false;
  /** Commands of one session go one after the other, so that a delete never overtakes an offer. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly ng: NgClient,
    private readonly name: string,
    private readonly options: { direction?: readonly [a: string, b: string]; logger: Logger; live: Set<MediaSession> },
  ) {}

  keepTag(side: Side): void {
    this.#kept.add(side);
  }

  offer(from: Side, sdp: string, given: string, far?: FarMedia, flags: readonly string[] = []): Promise<string> {
    return this.#inTurn(async () => {
      const tag = this.#tagOf(from, given);
      if (!this.#deleted) this.options.live.add(this);
      if (from === 'a' || this.#tags.a === undefined) this.#profiles[from] = profileOf(sdp);
      if (far) this.#profiles[other(from)] = far;
      this.#tags[from] = tag;
      const direction = this.options.direction;
      const params = relayParams(this.#profiles[other(from)]);
      return this.#rewrite('offer', sdp, {
        'from-tag': tag,
        ...this.#toTag(from),
        ...params,
        flags: [...((params.flags as string[] | undefined) ?? []), ...flags],
        ...codecParams(sdp, this.#profiles[from], this.#profiles[other(from)]),
        ...(direction ? { direction: from === 'a' ? [...direction] : [...direction].reverse() } : {}),
        // An offer over IPv6 does not say that the other side has it; once that has spoken, rtpengine keeps to its family.
        ...(this.#tags[other(from)] === undefined ? { 'address-family': 'IP4' } : {}),
      });
    });
  }

  answer(from: Side, sdp: string, given: string): Promise<string> {
    return this.#inTurn(async () => {
      const tag = this.#tagOf(from, given);
      this.#tags[from] = tag;
      const offerer = other(from);
      return this.#rewrite('answer', sdp, {
        'from-tag': this.#tags[offerer] ?? '',
        'to-tag': tag,
        ...relayParams(this.#profiles[offerer]),
      });
    });
  }

  mute(side: Side, isMuted: boolean): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#deleted) return;
      const from = { 'call-id': this.name, 'from-tag': this.#tags[side] ?? '' };
      await this.ng.send(isMuted ? 'blockMedia' : 'unblockMedia', from);
      await this.ng.send(isMuted ? 'blockDTMF' : 'unblockDTMF', from);
    });
  }

  subscribe(outer: Side): Promise<string> {
    return this.#inTurn(async () => {
      const { a, b } = this.#tags;
      if (a === undefined || b === undefined)
        throw new RelayRefusedError('no sound of the call goes through the relay');
      const direction = this.options.direction;
      return this.#rewrite('subscribeRequest', undefined, {
        'from-tags': [a, b],
        // Its own each time, it would keep its ports until the call ends (rtpengine 10.5).
        'to-tag': SUBSCRIBER,
        ...relayParams('plain'),
        'rtcp-mux': ['demux'],
        codec: { transcode: ['PCMU', 'PCMA'] },
        ...(direction ? { interface: direction[outer === 'a' ? 0 : 1] } : {}),
      });
    });
  }

  answerSubscription(sdp: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#deleted) throw new RelayRefusedError('the call is over: no subscription');
      await this.ng.send('subscribeAnswer', {
        'call-id': this.name,
        'to-tag': SUBSCRIBER,
        sdp,
        flags: ['allow transcoding'],
      });
    });
  }

  unsubscribe(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#deleted) return;
      try {
        await this.ng.send('unsubscribe', { 'call-id': this.name, 'to-tag': SUBSCRIBER });
      } catch (err) {
        // It never began, or ends with the session.
        this.options.logger.debug({ err, session: this.name }, 'rtpengine subscription was not ended');
      }
    });
  }

  async state(): Promise<SessionState> {
    if (this.#deleted || !this.options.live.has(this)) return 'alive';
    try {
      // Not in turn: it changes nothing, and an offer that hangs must not keep the answer back.
      await this.ng.send('query', { 'call-id': this.name });
      return 'alive';
    } catch (err) {
      const gone = err instanceof RelayRefusedError;
      this.options.logger.debug({ err, session: this.name }, 'rtpengine session was not found');
      // Deleted while the question was under way: nobody misses it.
      if (this.#deleted) return 'alive';
      return gone ? 'gone' : 'silent';
    }
  }

  async delete(): Promise<void> {
    if (this.#deleted) return;
    this.#deleted = true;
    await this.#inTurn(async () => {
      if (!this.options.live.has(this)) return;
      try {
        await this.ng.send('delete', { 'call-id': this.name, 'delete-delay': 0 });
      } catch (err) {
        // A dead or restarted rtpengine has nothing left to delete; a living one ends sessions without media by itself.
        this.options.logger.debug({ err, session: this.name }, 'rtpengine session was not deleted');
      } finally {
        this.options.live.delete(this);
      }
    });
  }

  #tagOf(side: Side, given: string): string {
    return (this.#kept.has(side) && this.#tags[side]) || given;
  }

  #toTag(from: Side): Record<string, NgValue> {
    const tag = this.#tags[other(from)];
    return tag === undefined ? {} : { 'to-tag': tag };
  }

  async #rewrite(
    command: 'offer' | 'answer' | 'subscribeRequest',
    sdp: string | undefined,
    params: Record<string, NgValue>,
  ): Promise<string> {
    if (this.#deleted) throw new RelayRefusedError(`the call is over: no ${command}`, { command });
    const answer = await this.ng.send(command, { 'call-id': this.name, ...(sdp !== undefined && { sdp }), ...params });
    if (typeof answer.sdp !== 'string') throw new RelayRefusedError(`rtpengine's ${command} has no SDP`, { command });
    return answer.sdp;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {
      // The caller of `work` gets the failure; the next command only waits for its end.
    });
    return result;
  }
}

const other = (side: Side): Side => (side === 'a' ? 'b' : 'a');

/**
 * Media goes through rtpengine.
 *
 * @param options.direction names of rtpengine's interfaces towards side `a` and side `b`, where it has several
 */
export function rtpengineRelay(options: {
  ng: NgClient;
  description: string;
  direction?: readonly [a: string, b: string];
  logger: Logger;
}): MediaRelay {
  const live = new Set<MediaSession>();
  return {
    isRelaying: true,
    session: (name) => new RtpengineSession(options.ng, name, { ...options, live }),
    async ping() {
      await options.ng.send('ping');
    },
    get sessions() {
      return live.size;
    },
    description: options.description,
    close: () => options.ng.close(),
  };
}
