import { randomUUID } from 'node:crypto';
import { type AudioAgreement, type CodecFormat, type CodecId, codecFormat } from '@ringwire/rtp';
import type { EventBus } from '../event-socket/event-bus.js';
import type { MediaLeg } from '../media/media-leg.js';
import type { LegReport } from '../media/protocol.js';
import { Bridging } from './bridging.js';
import { setCallRecord } from './call-record.js';
import {
  CALL_STATES,
  type CallerProfile,
  type CallState,
  type ChannelFacts,
  type ChannelState,
  type ChannelTimes,
  channelHeaders,
  type ProfileFacts,
  profileHeaders,
} from './channel-data.js';
import { ChannelDigits } from './channel-digits.js';
import { type ExecuteOptions, ExecuteQueue } from './execute-queue.js';
import { hangupCauseOf, q850Of } from './hangup-causes.js';
import { Holding } from './holding.js';
import { setMediaStats } from './media-stats.js';
import { Parking } from './parking.js';
import { RtcpEvents } from './rtcp-event.js';
import type { SignallingSide } from './signalling-side.js';
import { isSilenceVariable, silenceRulesOf } from './silence-variables.js';

/** What a channel is made with. */
export interface ChannelOptions {
  profile: CallerProfile;
  bus: EventBus;
  /** Runs one application. */
  runApplication: ExecuteQueue['run'];
  /** Called once, when everything of the channel is over. */
  onGone: (channel: Channel) => void;
  /** @defaultValue a random one */
  uuid?: string | undefined;
  /** What follows `sofia/drachtio_mrf/` in its name. @defaultValue the caller's address */
  address?: string;
}

/** Longest value of a channel variable. */
const MAX_VARIABLE_LENGTH = 64 * 1024;
/** How long running applications may take to report their end after a hangup. */
const SETTLE_TIMEOUT_MS = 500;
/** Events without variables: frequent, and no client looks for them there. */
const BRIEF_EVENTS = new Set(['CHANNEL_STATE', 'CHANNEL_CALLSTATE', 'DTMF', 'DETECTED_TONE']);

/** One call leg as the event socket shows it: variables, state, running applications, events. */
export class Channel {
  readonly uuid: string;
  readonly name: string;
  profile: CallerProfile;
  readonly createdMs: number = Date.now();
  readonly times: ChannelTimes = {
    createdMs: this.createdMs,
    progressMs: 0,
    progressMediaMs: 0,
    answeredMs: 0,
    hungUpMs: 0,
    bridgedMs: 0,
    lastHoldMs: 0,
    heldMs: 0,
  };
  readonly executing: ExecuteQueue;
  readonly digits: ChannelDigits = new ChannelDigits(this);
  readonly bridging: Bridging = new Bridging(this);
  readonly holding: Holding = new Holding(this);
  readonly parking: Parking = new Parking(this);
  /** Set once, before the first event. */
  leg!: MediaLeg;
  signalling: SignallingSide | undefined;
  agreement: AudioAgreement<CodecId> | undefined;
  /** The application that began last. */
  lastExecuted: { application: string; argument: string } | undefined;
  readonly #options: ChannelOptions;
  readonly #rtcpEvents = new RtcpEvents();
  readonly #variables = new Map<string, string>();
  readonly #reportListeners = new Set<(report: LegReport) => void>();
  readonly #endListeners = new Set<() => void>();
  readonly #goneListeners: (() => void)[] = [];
  readonly #eventKey: string;
  #state: ChannelState;
  #callState: CallState = 'DOWN';
  #cause: string | undefined;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.uuid = options.uuid ?? randomUUID();
    this.profile = options.profile;
    const { direction, callerNumber, networkAddress } = options.profile;
    this.name = `sofia/drachtio_mrf/${options.address ?? `${callerNumber}@${networkAddress}`}`;
    this.#state = direction === 'inbound' ? 'CS_INIT' : 'CS_NONE';
    // Clients file their filters so.
    this.#eventKey = this.uuid.toLowerCase();
    this.executing = new ExecuteQueue(this, options.runApplication);
  }

  /** The other channel of a bridge. */
  get bridgedTo(): Channel | undefined {
    return this.bridging.peer;
  }

  /** As a caller would see it. */
  get callState(): CallState {
    return this.#callState;
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
    if (!this.#options.bus.isWanted(name, this.#eventKey)) return;
    const own = BRIEF_EVENTS.has(name) ? this.basicHeaders() : this.fullHeaders();
    this.#options.bus.emit(name, [...own, ...extra], body, this.#eventKey);
  }

  /** There is a call: before anything else of it. */
  begin(): void {
    for (const state of ['CS_NEW', 'CS_INIT'] as const) {
      this.#state = state;
      this.emit('CHANNEL_STATE');
    }
    this.emit('CHANNEL_CREATE');
    this.#state = 'CS_ROUTING';
    this.setCallState('RINGING');
    this.emit('CHANNEL_STATE');
    this.setState('CS_EXECUTE');
  }

  /** Whether we placed the call. */
  get isOutbound(): boolean {
    return this.profile.direction === 'outbound';
  }

  /** Lets the caller hear that it rings. */
  ring(): void {
    if (this.isEnded || this.isOutbound || this.#callState !== 'RINGING' || this.times.progressMs > 0) return;
    this.signalling?.ring();
    this.times.progressMs = Date.now();
    this.emit('CHANNEL_PROGRESS');
  }

  /** Lets media flow before the answer: 183 with our SDP. Does nothing after that or the answer. */
  preAnswer(): void {
    if (
      this.isEnded ||
      this.isOutbound ||
      this.times.answeredMs > 0 ||
      this.times.progressMediaMs > 0 ||
      !this.signalling?.preAnswer()
    )
      return;
    this.times.progressMediaMs = Date.now();
    this.#variables.set('endpoint_disposition', 'EARLY MEDIA');
    this.setCallState('EARLY');
    this.emit('CHANNEL_PROGRESS_MEDIA');
  }

  /** Answers; does nothing when it is answered already. */
  answer(): void {
    if (this.isEnded || this.isOutbound || this.times.answeredMs > 0) return;
    this.signalling?.answer();
    if (this.isEnded) return;
    if (this.times.progressMediaMs === 0) {
      this.times.progressMediaMs = Date.now();
      this.emit('CHANNEL_PROGRESS_MEDIA');
      this.setCallState('EARLY');
    }
    this.times.answeredMs = Date.now();
    this.#variables.set('endpoint_disposition', 'ANSWER');
    this.emit('CHANNEL_ANSWER');
    this.setCallState('ACTIVE');
  }

  /** Whether it was answered. */
  get isAnswered(): boolean {
    return this.times.answeredMs > 0;
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
      this.digits.receive(digit, durationMs, [
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

  /** Leaves where it is and goes on to execute something else, with the states of a transfer. */
  route(): void {
    if (this.isEnded) return;
    this.parking.leave();
    const callState = this.#callState;
    for (const [state, shown] of [
      ['CS_ROUTING', 'RINGING'],
      ['CS_EXECUTE', callState],
    ] as const) {
      this.#state = state;
      this.setCallState(shown);
      this.emit('CHANNEL_STATE');
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
    this.times.hungUpMs = Date.now();
    this.setVariable('hangup_cause', cause.name);
    this.setVariable('hangup_cause_q850', String(q850Of(cause)));
    const partner = this.bridgedTo;
    partner?.setVariable('last_bridge_hangup_cause', cause.name);
    partner?.setVariable('bridge_hangup_cause', cause.name);
    partner?.setVariable('last_bridge_proto_specific_hangup_cause', this.getVariable('proto_specific_hangup_cause'));
    this.signalling?.end(cause);
    this.emit('CHANNEL_HANGUP');
    this.parking.leave();
    this.bridging.part([]);
    this.digits.flush();
    this.setState('CS_HANGUP');
    this.setCallState('HANGUP');
    for (const listener of this.#endListeners) listener();
    // Before the leg is closed, so that the events of the end have them.
    const counted = this.leg.stats().then((stats) => stats && setMediaStats(this, stats));
    const closed = this.leg.close();
    await Promise.race([Promise.all([this.executing.whenIdle(), closed, counted]), timeout(SETTLE_TIMEOUT_MS)]);
    this.setState('CS_REPORTING');
    setCallRecord(this);
    this.emit('CHANNEL_HANGUP_COMPLETE');
    this.emit('CHANNEL_DESTROY');
    this.setState('CS_DESTROY');
    this.#options.onGone(this);
    for (const listener of this.#goneListeners) listener();
  }

  /** Changes what a caller would see and says so. */
  setCallState(callState: CallState): void {
    const original = this.#callState;
    this.#callState = callState;
    this.emit('CHANNEL_CALLSTATE', [
      ['Original-Channel-Call-State', original],
      ['Channel-Call-State-Number', String(CALL_STATES[callState])],
    ]);
  }

  /** What a caller profile tells of it. */
  profileFacts(): ProfileFacts {
    return { uuid: this.uuid, name: this.name, profile: this.profile, ...this.times };
  }

  #codec(): CodecFormat | undefined {
    // What is offered by a caller that hears nothing yet may still change.
    if (!this.isOutbound && this.times.progressMediaMs === 0) return undefined;
    if (this.agreement) return codecFormat(this.agreement.codec);
    return this.isOutbound ? undefined : codecFormat('PCMU');
  }

  #facts(): ChannelFacts {
    return {
      ...this.profileFacts(),
      state: this.#state,
      callState: this.#callState,
      answerState: this.times.answeredMs > 0 ? 'answered' : this.times.progressMediaMs > 0 ? 'early' : 'ringing',
      codec: this.#codec(),
      hasDialplan: !this.isOutbound || this.profile.origCallerNumber !== undefined,
      hangupCause: this.#cause,
      otherLeg: this.bridging.peerFacts,
    };
  }
}

function timeout(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
