import type { MediaMove } from '@ringwire/common/sip/session-changes.js';
import { CallGoneError, ChangePendingError, MediaServerError } from '../errors.js';
import type { Digit, MediaEndpoint, MediaServer } from '../media/media.js';
import { type AgreedSound, agreedSound, isSameMedia } from '../sip/agreed-sound.js';
import type { CallLeg, ChangeReply, LegChanges } from './call-leg.js';

/** What a {@link LegSeat} is made of. */
export interface LegSeatOptions {
  server: Pick<MediaServer, 'createEndpoint'>;
  callSid: string;
  /** The leg, once there is one. */
  leg(): (Pick<CallLeg, 'changes'> & Partial<Pick<CallLeg, 'remoteSdp'>>) | undefined;
  /** A new endpoint is there: who hears its keys, and of its loss. */
  onMade(endpoint: MediaEndpoint): void;
}

/** Who has had a leg's media released, and follows what becomes of it. */
export interface SeatFollower {
  /** The far end has changed its media: it is at the media server again. */
  onAnchored(): void;
  /** A key that the far end told by SIP INFO. */
  onKey(digit: Digit): void;
}

/**
 * A leg's seat at the media server: the endpoint that is made for it, given back when its far end is to send elsewhere, and made anew when the leg needs
 * the media server again.
 */
export class LegSeat {
  #ordered: Promise<MediaEndpoint> | undefined;
  #endpoint: MediaEndpoint | undefined;
  #isReleased = false;
  #isClosed = false;
  /** What the far end was told last while it sends elsewhere. */
  #elsewhere = '';
  #follower: SeatFollower | undefined;

  /** Its media is being moved, with another leg's: re-INVITEs of the far end are to come again (491). */
  isMoving = false;

  constructor(private readonly options: LegSeatOptions) {}

  /** Undefined until it is made, and while it is released. */
  get endpoint(): MediaEndpoint | undefined {
    return this.#endpoint;
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** The endpoint, made or taken up again where need be. @throws MediaServerError; CallGoneError when the leg is over meanwhile */
  allocate(): Promise<MediaEndpoint> {
    this.#ordered ??= this.#isReleased ? this.#anchor() : this.#make(this.options.leg()?.remoteSdp ?? '');
    return this.#ordered;
  }

  /** Answers SDP of the far end; empty where it wants an offer. @throws MediaServerError, ChangePendingError */
  async offered(sdp: string): Promise<string> {
    const isComingBack = this.#isReleased && this.#ordered !== undefined;
    if (this.isMoving || isComingBack) throw new ChangePendingError('the media of the call is being moved');
    if (this.#isReleased) {
      // A refreshed session (RFC 4028) is no reason to come back.
      if (sdp !== '' && isSameMedia(sdp, this.#changes.remoteSdp)) return this.#elsewhere;
      const { localSdp } = await this.#take(this.#make(sdp));
      this.#follower?.onAnchored();
      return localSdp;
    }
    const endpoint = await this.allocate();
    // Who asks for an offer after a hold wants to talk again: what was only received then is offered both ways.
    const offer = (): string => endpoint.localSdp.replace(/^a=(?:recvonly|sendonly|inactive)\r?$/gm, 'a=sendrecv\r');
    return sdp === '' ? offer() : endpoint.modify(sdp);
  }

  /** Takes the far end's answer to an offer that it had asked for. It is no change of its own, and never comes again: what is being moved does not keep it out. @throws MediaServerError */
  async answered(sdp: string): Promise<string> {
    return (await this.allocate()).modify(sdp);
  }

  /** Why the endpoint cannot be given back: what the application has set up on it would be lost. */
  get needs(): string | undefined {
    return this.#endpoint?.dub.isInUse ? 'dub, or a changed loudness' : undefined;
  }

  /** What the far end and the media server have agreed; undefined where that is not one stream of sound both ways, or not known. */
  get sound(): AgreedSound | undefined {
    const changes = this.options.leg()?.changes;
    if (!changes || !this.#endpoint || agreedSound(changes.remoteSdp) === undefined) return undefined;
    return agreedSound(changes.isAnswer ? changes.remoteSdp : this.#endpoint.localSdp);
  }

  /** What the far end gave last. */
  get remoteSdp(): string {
    return this.#changes.remoteSdp;
  }

  /** Offers the far end another place for its media. @throws what {@link LegChanges.offer} does */
  async offer(sdp: string, move: MediaMove): Promise<ChangeReply> {
    const reply = await this.#changes.offer(sdp, move);
    if (reply.status < 300) this.#elsewhere = sdp;
    return reply;
  }

  /** The same by an offer of the far end. */
  async askForOffer(move: MediaMove): ReturnType<LegChanges['askForOffer']> {
    const reply = await this.#changes.askForOffer(move);
    const { ack } = reply;
    return {
      ...reply,
      ...(ack && {
        ack: (sdp: string) => {
          ack(sdp);
          if (sdp !== '') this.#elsewhere = sdp;
        },
      }),
    };
  }

  /** The far end sends elsewhere from now on: the endpoint is given back. */
  release(follower: SeatFollower): void {
    const endpoint = this.#endpoint;
    this.#isReleased = true;
    this.#follower = follower;
    this.#endpoint = undefined;
    this.#ordered = undefined;
    void endpoint?.destroy();
  }

  /** The far end is to send to the endpoint after all, which it still has. @throws MediaServerError, and what {@link offer} does */
  async takeBack(): Promise<void> {
    if (this.#endpoint) await this.#bring(this.#endpoint, '');
  }

  /** A key of the far end by SIP INFO: for whom it talks with. */
  passKey(digit: Digit): void {
    if (this.#endpoint) this.#endpoint.passKey(digit);
    else this.#follower?.onKey(digit);
  }

  /** Gives the endpoint back, also one that is still being made; never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#follower = undefined;
    // An order that failed, or that finds the call over, has left nothing behind.
    const endpoint = await this.#ordered?.catch(() => undefined);
    await (endpoint ?? this.#endpoint)?.destroy();
  }

  get #changes(): LegChanges {
    const changes = this.options.leg()?.changes;
    if (!changes) throw new CallGoneError('the leg has no session');
    return changes;
  }

  async #make(remoteSdp: string): Promise<MediaEndpoint> {
    const { server, callSid } = this.options;
    const endpoint = await server.createEndpoint({ ...(remoteSdp !== '' && { remoteSdp }), callSid });
    if (this.#isClosed) {
      await endpoint.destroy();
      throw new CallGoneError('the call ended while its media endpoint was being made');
    }
    if (!this.#isReleased) this.#sit(endpoint);
    return endpoint;
  }

  #sit(endpoint: MediaEndpoint): void {
    this.#isReleased = false;
    this.#endpoint = endpoint;
    this.options.onMade(endpoint);
  }

  /** An endpoint takes the place of that which was given back, as soon as it is there. */
  #take(made: Promise<MediaEndpoint>): Promise<MediaEndpoint> {
    const taken = made.then(
      (endpoint) => {
        this.#sit(endpoint);
        return endpoint;
      },
      (error: unknown) => {
        this.#ordered = undefined;
        throw error;
      },
    );
    this.#ordered = taken;
    return taken;
  }

  #anchor(): Promise<MediaEndpoint> {
    const anchored = async (): Promise<MediaEndpoint> => {
      const { remoteSdp } = this.#changes;
      const endpoint = await this.#make(remoteSdp);
      try {
        await this.#bring(endpoint, remoteSdp);
        return endpoint;
      } catch (error) {
        await endpoint.destroy();
        throw error;
      }
    };
    return this.#take(anchored());
  }

  /** @param known - SDP of the far end that the endpoint has already */
  async #bring(endpoint: MediaEndpoint, known: string): Promise<void> {
    const { status, reason, sdp } = await this.#changes.offer(endpoint.localSdp, 'anchor-media');
    if (status >= 300)
      throw new MediaServerError(`the far end does not come back to the media server: ${status} ${reason}`);
    if (known === '' || !isSameMedia(sdp, known)) await endpoint.modify(sdp);
  }
}
