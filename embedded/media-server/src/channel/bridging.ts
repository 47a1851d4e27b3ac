import type { Channel } from './channel.js';
import type { ProfileFacts } from './channel-data.js';
import { isTrue } from './truth.js';

/** A channel's part in a bridge: whom it talks to, and how that begins and ends. */
export class Bridging {
  readonly #channel: Channel;
  #peer: Channel | undefined;
  /** Whom its peer was last told to talk to. */
  #shownPeer = '';
  /** Events tell the other leg even after it has gone. */
  #lastPeer: ProfileFacts | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** The other channel. */
  get peer(): Channel | undefined {
    return this.#peer;
  }

  /** What events tell of the other channel, also of one that has gone. */
  get peerFacts(): ProfileFacts | undefined {
    return this.#peer?.profileFacts() ?? this.#lastPeer;
  }

  /** Connects the audio of two channels; one that is not answered yet gets early media. */
  join(other: Channel): void {
    const own = this.#channel;
    own.preAnswer();
    other.preAnswer();
    own.bridging.#enter(other);
    other.bridging.#enter(own);
    own.leg.bridge(other.leg);
    own.setVariable('last_bridge_role', 'originator');
    own.emit('CHANNEL_BRIDGE', [
      ['Bridge-A-Unique-ID', own.uuid],
      ['Bridge-B-Unique-ID', other.uuid],
    ]);
    other.setState('CS_EXCHANGE_MEDIA');
    other.bridging.#showPeer(own);
    this.#showPeer(other);
  }

  #enter(peer: Channel): void {
    const channel = this.#channel;
    if (this.#peer && this.#peer !== peer) this.part([channel]);
    channel.parking.leave();
    for (const state of ['CS_HIBERNATE', 'CS_RESET', 'CS_SOFT_EXECUTE'] as const) channel.setState(state);
    channel.emit('CHANNEL_EXECUTE', [
      ['Application', 'uuid_bridge'],
      ['Application-Data', peer.uuid],
    ]);
    this.#peer = peer;
    channel.times.bridgedMs = Date.now();
    channel.setVariable('bridge_uuid', peer.uuid);
    channel.setVariable('signal_bond', peer.uuid);
    channel.setVariable('bridge_to', peer.uuid);
    channel.setVariable('last_bridge_to', peer.uuid);
    channel.setVariable('bridge_channel', peer.name);
  }

  /** Says whom it talks to now, unless it was the same before. */
  #showPeer(peer: Channel): void {
    const shown = `${peer.profile.callerName} ${peer.profile.callerNumber}`;
    if (shown === this.#shownPeer) return;
    this.#shownPeer = shown;
    this.#channel.emit('CALL_UPDATE', [
      ['Direction', 'SEND'],
      ['Bridged-To', peer.uuid],
    ]);
  }

  /**
   * Parts two bridged channels. Those of `going` go on to something else; another is hung up, as in FreeSWITCH, unless its
   * `park_after_bridge` is true. Does nothing when it is not bridged.
   */
  part(going: readonly Channel[]): void {
    const other = this.#peer;
    if (!other) return;
    this.#channel.emit('CHANNEL_UNBRIDGE', [
      ['Bridge-A-Unique-ID', this.#channel.uuid],
      ['Bridge-B-Unique-ID', other.uuid],
    ]);
    const both = [this.#channel, other];
    for (const channel of both) channel.bridging.#forget();
    for (const channel of both) {
      if (channel.isEnded || going.includes(channel)) continue;
      if (isTrue(channel.getVariable('park_after_bridge'))) channel.parking.enter();
      else void channel.hangup('NORMAL_CLEARING');
    }
  }

  #forget(): void {
    const channel = this.#channel;
    channel.holding.endMusic();
    this.#lastPeer = this.#peer?.profileFacts();
    this.#peer = undefined;
    channel.leg.leave();
    channel.setVariable('bridge_uuid', undefined);
    channel.setVariable('signal_bond', undefined);
  }
}
