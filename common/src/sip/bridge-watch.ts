import type { BranchedMedia } from '../media-relay/branched-media.js';
import type { Side } from '../media-relay/media-relay.js';
import type { Bridge } from './bridge.js';
import type { BridgedCallContext } from './bridged-call-plan.js';
import type { CallJournal } from './call-journal.js';
import { watchFarEnd } from './far-end-watch.js';
import { type Keepalive, keepAlive } from './keepalive.js';
import { orphanBye } from './orphans.js';
import { type RelayWatch, watchRelay } from './relay-watch.js';
import { otherSide } from './session-changes.js';
import type { SipDialog } from './stack.js';

/** Reason header of a BYE after a failure of ours (RFC 3326). */
export const PLATFORM_FAILURE = 'Q.850;cause=41;text="platform failure"';
const RELAY_FAILURE = 'Q.850;cause=41;text="platform failure: media relay lost"';

/** A side of a call, in words. */
export const partyAt = (side: Side): string => (side === 'a' ? 'caller' : 'callee');

/** What a call needs watched, and how it is reached. */
export interface WatchedCall {
  bridge: Bridge;
  media: BranchedMedia;
  journal: CallJournal;
  /** The side on which a feature server is. */
  inner: Side;
  /** The dialog with the recording server, where there is one. */
  recorder(): SipDialog | undefined;
}

/** Looks after a connected call: ends it when its feature server, its far end, the media relay or the SIP server is gone. */
export class BridgeWatch {
  readonly #over = new AbortController();
  #keepalive: Keepalive | undefined;
  #unwatchFarEnd: (() => void) | undefined;
  #unwatchInner: (() => void) | undefined;
  readonly #relay: RelayWatch;
  #featureServer: string | undefined;

  constructor(
    private readonly context: BridgedCallContext,
    private readonly call: WatchedCall,
  ) {
    const { bridge, media, inner } = call;
    const { lost } = context.link;
    const outer = otherSide(inner);
    if (context.farKeepaliveMs > 0) {
      this.#unwatchFarEnd = watchFarEnd({
        dialog: () => bridge.leg(outer),
        refresh: () => bridge.changes.refresh(outer),
        intervalMs: context.farKeepaliveMs,
        lost,
        onDead: (why) => bridge.endGone(outer, why),
      });
    }
    this.#relay = watchRelay(media, { intervalMs: context.keepaliveMs, onDead: (why) => this.#relayLost(why) });
    // The signal outlives the call: what listens to it goes with it.
    const options = { once: true, signal: this.#over.signal };
    if (lost.aborted) this.#linkLost();
    else lost.addEventListener('abort', () => bridge.ended || this.#linkLost(), options);
  }

  /** Asks from now on this dialog whether the feature server is there. @param instanceId - of that feature server, where it is known */
  inner(dialog: SipDialog, instanceId: string | undefined): void {
    const { context, call } = this;
    this.#keepalive?.stop();
    this.#unwatchInner?.();
    const keepalive = keepAlive(dialog, {
      intervalMs: context.keepaliveMs,
      lost: context.link.lost,
      onDead: (why) => {
        this.suspect();
        void call.bridge.end(`${partyAt(call.inner)} is gone: ${why}`, { Reason: PLATFORM_FAILURE });
      },
    });
    this.#keepalive = keepalive;
    this.#featureServer = instanceId;
    // Missing from Redis is no proof: Redis may have lost it. The dialog itself is asked, each time.
    this.#unwatchInner = instanceId === undefined ? undefined : context.onGone(instanceId, () => keepalive.probe());
  }

  /** Tells the other feature servers that the one of this call may have died. */
  suspect(): void {
    if (this.#featureServer !== undefined) this.context.suspect(this.#featureServer);
  }

  /** Asks nobody any more: the bridge has ended. */
  stop(): void {
    this.#keepalive?.stop();
    this.#unwatchFarEnd?.();
    this.#relay.stop();
  }

  /** Gives back what it listens to: the call is over. */
  close(): void {
    this.#over.abort();
    this.#unwatchInner?.();
  }

  #linkLost(): void {
    const { bridge, recorder } = this.call;
    const { orphans } = this.context;
    const recording = recorder();
    void bridge.abandon('connection to the SIP server lost');
    orphans.add(orphanBye(bridge.leg('a'), PLATFORM_FAILURE));
    orphans.add(orphanBye(bridge.leg('b'), PLATFORM_FAILURE));
    if (recording) orphans.add(orphanBye(recording, PLATFORM_FAILURE));
  }

  #relayLost(why: string): void {
    const detail = `${this.context.relay.description}: ${why}`;
    this.call.journal.alert({
      alertType: 'media-relay-lost',
      message: 'media relay lost a call: it is ended',
      detail,
    });
    void this.call.bridge.end(`media relay lost: ${detail}`, { Reason: RELAY_FAILURE });
  }
}
