import { randomUUID } from 'node:crypto';
import { type AudioAgreement, type CodecId, codecFormat } from '@ringwire/rtp';
import type { EventBus } from '../event-socket/event-bus.js';
import type { MediaLeg } from '../media/media-leg.js';
import type { LegReport, Side } from '../media/protocol.js';
import {
  CALL_STATES,
  type CallerProfile,
  type CallState,
  type ChannelFacts,
  type ChannelState,
  channelHeaders,
  type ProfileFacts,
  profileHeaders,
} from './channel-data.js';
import { digitDurationMs, parseDialString } from './dial-string.js';
import { DigitQueue, type ReceivedDigit } from './digit-queue.js';
import { type ExecuteOptions, ExecuteQueue } from './execute-queue.js';
import { type HangupCause, hangupCauseOf, q850Of } from './hangup-causes.js';
import { HoldMusic } from './hold-music.js';
import { setMediaStats } from './media-stats.js';
import { RtcpEvents } from './rtcp-event.js';
import { isSilenceVariable, silenceRulesOf } from './silence-variables.js';
import { isTrue } from './truth.js';

/** What a channel needs of its SIP side. */
export interface SignallingSide {
  /** Sends 180. */
  ring(): void;
  /** Sends 183 with our SDP and lets media flow; false when that cannot be, as when the peer has not offered anything. */
  preAnswer(): boolean;
  /** Sends 200. */
  answer(): void;
  /** Refuses, or sends BYE, or nothing when the peer has ended the call. */
  end(cause: HangupCause): void;
  /** Sends a digit in an INFO. */
  sendInfoDigit(digit: string, durationMs: number): void;
  /** Sends a NOTIFY with an event of phones, such as `talk`; false when that cannot be. */
  notify(event: string): boolean;
  /** Offers again what we agreed, on hold or not. */
  reoffer(hold: boolean): void;
}

/** What a channel is made with. */
export interface ChannelOptions {
  profile: CallerProfile;
  bus: EventBus;
  /** Runs one application. */
  runApplication: ExecuteQueue['run'];
  /** Called once, when everything of the channel is over. */
  onGone: (channel: Channel) => void;
}

/** The application in which a channel waits. */
export interface Parking {
  application: 'socket' | 'park';
  argument: string;
}

function parkingHeaders({ application, argument }: Parking): [string, string][] {
  return [['Application', application], ...(argument ? [['Application-Data', argument] as [string, string]] : [])];
}

/** Longest value of a channel variable. */
const MAX_VARIABLE_LENGTH = 64 * 1024;
/** Only what is sent has FreeSWITCH's bound of 99. */
const MAX_RECEIVED_DIAL_STRING = 1000;
/** How long running applications may take to report their end after a hangup. */
const SETTLE_TIMEOUT_MS = 500;
/** Events without variables: frequent, and no client looks for them there. */
const BRIEF_EVENTS = new Set(['CHANNEL_STATE', 'CHANNEL_CALLSTATE', 'DTMF', 'DETECTED_TONE']);

/** One call leg as the event socket shows it: variables, state, running applications, events. */
export class Channel {
  readonly uuid = randomUUID();
  readonly name: string;
  readonly profile: CallerProfile;
  readonly createdMs = Date.now();
  readonly executing: ExecuteQueue;
  /** What was pressed and nobody has taken. */
  readonly digits: DigitQueue;
  /** Set once, before the first event. */
  leg!: MediaLeg;
  signalling: SignallingSide | undefined;
  agreement: AudioAgreement<CodecId> | undefined;
  bridgedTo: Channel | undefined;
  /**
   * `start_dtmf_generate`: digits become tones. `read`: those that its peer presses, in what is heard of it; `write`: those that come over a bridge, and
   * dial strings with `~` in front.
   */
  generatesDtmf: Side | undefined;
  readonly #options: ChannelOptions;
  readonly #rtcpEvents = new RtcpEvents();
  readonly #variables = new Map<string, string>();
  readonly #reportListeners = new Set<(report: LegReport) => void>();
  readonly #endListeners = new Set<() => void>();
  readonly #goneListeners: (() => void)[] = [];
  #state: ChannelState = 'CS_INIT';
  #callState: CallState = 'DOWN';
  #progressMs = 0;
  #progressMediaMs = 0;
  #answeredMs = 0;
  #isHeldByUs = false;
  readonly #holdMusic = new HoldMusic(this);
  #hungUpMs = 0;
  #bridgedMs = 0;
  /** Where it waits for its client; undefined when it does something else. */
  #parkedIn: Parking | 'state' | undefined;
  /** Whom its peer was last told to talk to. */
  #shownPeer = '';
  /** Events tell the other leg even after it has gone. */
  #lastPeer: ProfileFacts | undefined;
  #lastHoldMs = 0;
  #heldMs = 0;
  #cause: string | undefined;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.profile = options.profile;
    this.name = `sofia/drachtio_mrf/${options.profile.callerNumber}@${options.profile.networkAddress}`;
    this.executing = new ExecuteQueue(this, options.runApplication);
    this.digits = new DigitQueue({
      isBusy: () => this.executing.isBusy,
      onTaken: (digit) => this.#announceDigit(digit),
    });
  }

  /** Whether it has been hung up. */
  get isEnded(): boolean {
    return this.#cause !== undefined;
  }

  /** A channel variable. */
  getVariable(name: string): string | undefined {
    return this.#variables.get(name);
  }

  /** Sets a channel variable; an undefined or empty value deletes it, as in FreeSWITCH. */
  setVariable(name: string, value: string | undefined): void {
    if (name === '') return;
    if (value === undefined || value === '') this.#variables.delete(name);
    else this.#variables.set(name, value.slice(0, MAX_VARIABLE_LENGTH));
    if (isSilenceVariable(name)) this.leg.setSilence(silenceRulesOf(this));
  }

  /** The variables whose names begin so, without that beginning. */
  variables(prefix: string): [string, string][] {
    const found: [string, string][] = [];
    for (const [name, value] of this.#variables) {
      if (name.startsWith(prefix) && name !== prefix) found.push([name.slice(prefix.length), value]);
    }
    return found;
  }

  /** Puts the values of variables in the place of `${name}`, as FreeSWITCH does in the arguments of applications. */
  expand(text: string): string {
    if (!text.includes('${')) return text;
    return text.replace(/\$\{([\w.-]+)\}/g, (_match, name: string) => this.#variables.get(name) ?? '');
  }

  /** Headers of the channel without its variables. */
  basicHeaders(): [string, string][] {
    return channelHeaders(this.#facts());
  }

  /** Headers of the channel with all its variables. */
  fullHeaders(): [string, string][] {
    const headers = this.basicHeaders();
    for (const [name, value] of this.#variables) headers.push([`variable_${name}`, value]);
    return headers;
  }

  /** What `uuid_dump` shows. */
  dump(): Map<string, string> {
    return new Map([...this.#options.bus.commonHeaders('CHANNEL_DATA'), ...this.fullHeaders()]);
  }

  /** What `connect` answers. */
  channelData(): Map<string, string> {
    return new Map([
      ...this.#options.bus.commonHeaders('CHANNEL_DATA'),
      ...profileHeaders('Channel', this.#facts()),
      ...this.fullHeaders(),
    ]);
  }

  /** Fires an event of this channel. */
  emit(name: string, extra: Iterable<readonly [string, string]> = [], body?: string): void {
    if (!this.#options.bus.isWanted(name, this.uuid)) return;
    const own = BRIEF_EVENTS.has(name) ? this.basicHeaders() : this.fullHeaders();
    this.#options.bus.emit(name, [...own, ...extra], body, this.uuid);
  }

  /** There is a call: before anything else of it. */
  begin(): void {
    this.emit('CHANNEL_CREATE');
    this.#setCallState('RINGING');
    this.setState('CS_EXECUTE');
  }

  /** Lets the caller hear that it rings. */
  ring(): void {
    if (this.isEnded || this.#callState !== 'RINGING' || this.#progressMs > 0) return;
    this.signalling?.ring();
    this.#progressMs = Date.now();
    this.emit('CHANNEL_PROGRESS');
  }

  /** Lets media flow before the answer: 183 with our SDP. Does nothing after that or the answer. */
  preAnswer(): void {
    if (this.isEnded || this.#answeredMs > 0 || this.#progressMediaMs > 0 || !this.signalling?.preAnswer()) return;
    this.#progressMediaMs = Date.now();
    this.#variables.set('endpoint_disposition', 'EARLY MEDIA');
    this.#setCallState('EARLY');
    this.emit('CHANNEL_PROGRESS_MEDIA');
  }

  /** Answers; does nothing when it is answered already. */
  answer(): void {
    if (this.isEnded || this.#answeredMs > 0) return;
    this.signalling?.answer();
    this.#answeredMs = Date.now();
    this.#variables.set('endpoint_disposition', 'ANSWER');
    this.#setCallState('ACTIVE');
    this.emit('CHANNEL_ANSWER');
  }

  /** Whether it was answered. */
  get isAnswered(): boolean {
    return this.#answeredMs > 0;
  }

  /** Changes the state and says so. */
  setState(state: ChannelState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit('CHANNEL_STATE');
  }

  /** Runs an application, beside or after what is running (see {@link ExecuteQueue}). */
  execute(application: string, argument: string, options: ExecuteOptions): void {
    this.executing.add(application, argument, options);
  }

  /** Calls `listener` with each media report until the returned function is called. */
  onReport(listener: (report: LegReport) => void): () => void {
    this.#reportListeners.add(listener);
    return () => this.#reportListeners.delete(listener);
  }

  /** Gives digits to `taker`, before those who take them already, until the returned function is called: see {@link DigitQueue.take}. */
  onDigit(taker: (digit: string) => void): () => void {
    return this.digits.take(taker);
  }

  /** Calls `listener` when the channel is hung up, at once if it is already. */
  onEnd(listener: () => void): () => void {
    if (this.isEnded) listener();
    else this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  /** Calls `listener` when everything is over and the last event has been fired. */
  onGone(listener: () => void): void {
    this.#goneListeners.push(listener);
  }

  /** Takes a report of the media thread. */
  receiveReport(report: LegReport): void {
    if (report.type === 'dtmf') {
      const { digit, durationMs, ssrc, timestamp } = report;
      this.receiveDigit(digit, durationMs, [
        ['DTMF-SSRC', String(ssrc)],
        ['DTMF-Timestamp', String(timestamp)],
      ]);
      return;
    }
    if (report.type === 'rtcp') {
      const { clockHz } = codecFormat(this.agreement?.codec ?? 'PCMU');
      this.emit('RECV_RTCP_MESSAGE', this.#rtcpEvents.headersOf(report.heard, clockHz));
      return;
    }
    for (const listener of [...this.#reportListeners]) listener(report);
  }

  /** A key was pressed: it waits until someone takes it. */
  receiveDigit(digit: string, durationMs: number, headers: [string, string][] = [], source = 'RTP'): void {
    if (this.isEnded) return;
    if (this.generatesDtmf === 'read' && source !== 'INBAND_AUDIO' && source !== 'APP') {
      this.#generate(digit, digitDurationMs(durationMs), 'read');
      return;
    }
    this.digits.push({ digit, durationMs, source, headers });
  }

  #generate(digits: string, durationMs: number, side: Side): void {
    this.leg.sendDtmf(digits, durationMs, true, side);
    for (const digit of digits) {
      if (/w/i.test(digit)) continue;
      this.emit('DTMF', [
        ['DTMF-Digit', digit],
        ['DTMF-Duration', String(durationMs * 8)],
        ['DTMF-Source', 'APP'],
        ['DTMF-Conversion', 'native:inband'],
      ]);
    }
  }

  /** The digits of a dial string, as if they had been pressed; false when there is none in it. */
  receiveDialString(dialString: string): boolean {
    const parts = parseDialString(dialString, MAX_RECEIVED_DIAL_STRING);
    for (const { digits, durationMs } of parts) {
      for (const digit of digits) this.receiveDigit(digit, durationMs, [], 'APP');
    }
    return parts.length > 0;
  }

  /** Fires the event of a digit that was taken, and passes it over a bridge. */
  #announceDigit({ digit, durationMs, source, headers }: ReceivedDigit): void {
    // FreeSWITCH counts at 8 kHz, whatever the codec.
    const duration = String(digitDurationMs(durationMs) * 8);
    this.emit('DTMF', [['DTMF-Digit', digit], ['DTMF-Duration', duration], ['DTMF-Source', source], ...headers]);
    this.bridgedTo?.sendDigits(digit, digitDurationMs(durationMs));
  }

  /** Sends a dial string such as `12@200+3w4`, the way the channel variable `dtmf_type` says; false when there is no digit in it. */
  sendDigits(dialString: string, lengthMs?: number): boolean {
    const parts = parseDialString(dialString);
    const type = this.getVariable('dtmf_type');
    const generates = this.generatesDtmf === 'write' && (lengthMs !== undefined || dialString.startsWith('~'));
    for (const part of parts) {
      const durationMs = lengthMs ?? part.durationMs;
      if (generates) this.#generate(part.digits, durationMs, 'write');
      else if (type !== 'info') this.leg.sendDtmf(part.digits, durationMs, type === 'inband');
      else for (const digit of part.digits) if (!/[wf]/i.test(digit)) this.signalling?.sendInfoDigit(digit, durationMs);
    }
    return parts.length > 0;
  }

  /** Connects the audio of two channels; one that is not answered yet gets early media. */
  bridge(other: Channel): void {
    this.preAnswer();
    other.preAnswer();
    for (const [channel, peer] of [
      [this, other],
      [other, this],
    ] as const) {
      if (channel.bridgedTo && channel.bridgedTo !== peer) channel.unbridge([channel]);
      channel.leavePark();
      for (const state of ['CS_HIBERNATE', 'CS_RESET', 'CS_SOFT_EXECUTE'] as const) channel.setState(state);
      channel.emit('CHANNEL_EXECUTE', [
        ['Application', 'uuid_bridge'],
        ['Application-Data', peer.uuid],
      ]);
      channel.bridgedTo = peer;
      channel.#bridgedMs = Date.now();
      channel.setVariable('bridge_uuid', peer.uuid);
      channel.setVariable('signal_bond', peer.uuid);
      channel.setVariable('bridge_to', peer.uuid);
      channel.setVariable('last_bridge_to', peer.uuid);
      channel.setVariable('bridge_channel', peer.name);
    }
    this.leg.bridge(other.leg);
    this.emit('CHANNEL_BRIDGE', [
      ['Bridge-A-Unique-ID', this.uuid],
      ['Bridge-B-Unique-ID', other.uuid],
    ]);
    other.setState('CS_EXCHANGE_MEDIA');
    other.#showPeer(this);
    this.#showPeer(other);
  }

  /** Says whom it talks to now, unless it was the same before. */
  #showPeer(peer: Channel): void {
    const shown = `${peer.profile.callerName} ${peer.profile.callerNumber}`;
    if (shown === this.#shownPeer) return;
    this.#shownPeer = shown;
    this.emit('CALL_UPDATE', [
      ['Direction', 'SEND'],
      ['Bridged-To', peer.uuid],
    ]);
  }

  /** Whether it is on hold, by us or by its peer. */
  get isHeld(): boolean {
    return this.#callState === 'HELD';
  }

  /** Whether we hold it: it is not to be heard. */
  get isHeldByUs(): boolean {
    return this.#isHeldByUs;
  }

  /** Holds the peer or takes it back, with a re-INVITE. */
  hold(on: boolean): void {
    if (this.isEnded || on === this.isHeld || !this.isAnswered) return;
    this.#isHeldByUs = on;
    this.signalling?.reoffer(on);
    this.showHold(on);
  }

  /** The call is held or not, whoever did it: says so. */
  showHold(on: boolean): void {
    if (this.isEnded || on === this.isHeld || this.#answeredMs === 0) return;
    if (on) this.#lastHoldMs = Date.now();
    else this.#heldMs += Date.now() - this.#lastHoldMs;
    this.#holdMusic.play(on ? this.bridgedTo : undefined);
    this.#setCallState(on ? 'HELD' : 'UNHELD');
    this.emit(on ? 'CHANNEL_HOLD' : 'CHANNEL_UNHOLD');
    if (!on) this.#setCallState('ACTIVE');
  }

  /** Whether it waits for what its client says. */
  get isParked(): boolean {
    return this.#parkedIn !== undefined;
  }

  /** Waits for what its client says, in an application or, without one, in a state of its own. */
  park(application?: Parking): void {
    if (this.isEnded) return;
    this.leavePark();
    this.#parkedIn = application ?? 'state';
    if (application) this.emit('CHANNEL_EXECUTE', parkingHeaders(application));
    else this.setState('CS_PARK');
    this.emit('CHANNEL_PARK');
  }

  /** Waits no more; does nothing when it does not wait. */
  leavePark(): void {
    const parkedIn = this.#parkedIn;
    if (!parkedIn) return;
    this.#parkedIn = undefined;
    this.emit('CHANNEL_UNPARK');
    if (parkedIn === 'state') return;
    this.emit('CHANNEL_EXECUTE_COMPLETE', [...parkingHeaders(parkedIn), ['Application-Response', '_none_']]);
  }

  /** Leaves where it is and goes on to execute something else, with the states of a transfer. */
  route(): void {
    if (this.isEnded) return;
    this.leavePark();
    const callState = this.#callState;
    for (const [state, shown] of [
      ['CS_ROUTING', 'RINGING'],
      ['CS_EXECUTE', callState],
    ] as const) {
      this.#state = state;
      this.#setCallState(shown);
      this.emit('CHANNEL_STATE');
    }
  }

  /**
   * Parts two bridged channels. Those of `going` go on to something else; another is hung up, as in FreeSWITCH, unless its
   * `park_after_bridge` is true. Does nothing when it is not bridged.
   */
  unbridge(going: readonly Channel[]): void {
    const other = this.bridgedTo;
    if (!other) return;
    this.emit('CHANNEL_UNBRIDGE', [
      ['Bridge-A-Unique-ID', this.uuid],
      ['Bridge-B-Unique-ID', other.uuid],
    ]);
    for (const channel of [this, other]) {
      channel.#holdMusic.play(undefined);
      channel.#lastPeer = channel.bridgedTo?.profileFacts();
      channel.bridgedTo = undefined;
      channel.leg.leave();
      channel.setVariable('bridge_uuid', undefined);
      channel.setVariable('signal_bond', undefined);
    }
    for (const channel of [this, other]) {
      if (channel.isEnded || going.includes(channel)) continue;
      if (isTrue(channel.getVariable('park_after_bridge'))) channel.park();
      else void channel.hangup('NORMAL_CLEARING');
    }
  }

  /**
   * Ends the channel: BYE unless the peer has sent one, running applications complete, events, port freed. Resolves when all is
   * over. Idempotent.
   */
  async hangup(causeName: string): Promise<void> {
    if (this.isEnded) return;
    const cause = hangupCauseOf(causeName);
    this.#cause = cause.name;
    this.#hungUpMs = Date.now();
    this.setVariable('hangup_cause', cause.name);
    this.setVariable('hangup_cause_q850', String(q850Of(cause)));
    const partner = this.bridgedTo;
    partner?.setVariable('last_bridge_hangup_cause', cause.name);
    partner?.setVariable('last_bridge_proto_specific_hangup_cause', this.getVariable('proto_specific_hangup_cause'));
    this.signalling?.end(cause);
    this.emit('CHANNEL_HANGUP');
    this.leavePark();
    this.unbridge([]);
    this.digits.flush();
    this.setState('CS_HANGUP');
    this.#setCallState('HANGUP');
    for (const listener of this.#endListeners) listener();
    // Before the leg is closed, so that the events of the end have them.
    const counted = this.leg.stats().then((stats) => stats && setMediaStats(this, stats));
    const closed = this.leg.close();
    await Promise.race([Promise.all([this.executing.whenIdle(), closed, counted]), timeout(SETTLE_TIMEOUT_MS)]);
    this.setState('CS_REPORTING');
    this.setVariable('duration', String(Math.round((Date.now() - this.createdMs) / 1000)));
    const answeredForMs = this.#answeredMs > 0 ? Date.now() - this.#answeredMs : 0;
    this.setVariable('billsec', String(Math.round(answeredForMs / 1000)));
    this.emit('CHANNEL_HANGUP_COMPLETE');
    this.emit('CHANNEL_DESTROY');
    this.setState('CS_DESTROY');
    this.#options.onGone(this);
    for (const listener of this.#goneListeners) listener();
  }

  #setCallState(callState: CallState): void {
    const original = this.#callState;
    this.#callState = callState;
    this.emit('CHANNEL_CALLSTATE', [
      ['Original-Channel-Call-State', original],
      ['Channel-Call-State-Number', String(CALL_STATES[callState])],
    ]);
  }

  /** What a caller profile tells of it. */
  profileFacts(): ProfileFacts {
    return {
      uuid: this.uuid,
      name: this.name,
      profile: this.profile,
      createdMs: this.createdMs,
      progressMs: this.#progressMs,
      progressMediaMs: this.#progressMediaMs,
      answeredMs: this.#answeredMs,
      hungUpMs: this.#hungUpMs,
      bridgedMs: this.#bridgedMs,
      lastHoldMs: this.#lastHoldMs,
      heldMs: this.#heldMs,
    };
  }

  #facts(): ChannelFacts {
    return {
      ...this.profileFacts(),
      state: this.#state,
      callState: this.#callState,
      answerState: this.#answeredMs > 0 ? 'answered' : this.#progressMediaMs > 0 ? 'early' : 'ringing',
      codec: codecFormat(this.agreement?.codec ?? 'PCMU'),
      hangupCause: this.#cause,
      otherLeg: this.bridgedTo?.profileFacts() ?? this.#lastPeer,
    };
  }
}

function timeout(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
