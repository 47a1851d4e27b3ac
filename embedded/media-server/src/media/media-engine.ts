import { RtpError, RtpSocket } from '@ringwire/rtp';
import { ClipCache } from './audio-clip.js';
import { Leg } from './leg.js';
import type { MediaCommand, MediaReport, WorkerStats } from './protocol.js';
import { TickClock } from './tick-clock.js';

const STATS_EVERY_TICKS = 50;

/** Everything of one media thread: its legs and the clock that drives them. Talks to the main thread in messages only. */
export class MediaEngine {
  readonly #report: (report: MediaReport) => void;
  readonly #clips = new ClipCache();
  readonly #byId = new Map<number, Leg>();
  readonly #clock: TickClock;
  /** Legs that were closed before their port was bound. */
  readonly #opening = new Map<number, { cancelled: boolean }>();
  #legs: Leg[] = [];
  #closed = { packetsIn: 0, packetsOut: 0, badPackets: 0, strayPackets: 0, latePackets: 0 };
  #ticksToStats = STATS_EVERY_TICKS;

  constructor(report: (report: MediaReport) => void) {
    this.#report = report;
    this.#clock = new TickClock(
      (nowMs) => this.#tick(nowMs),
      (ticks) => this.#skip(ticks),
    );
  }

  /** Starts the clock. */
  start(): void {
    this.#clock.start();
    this.#report({ type: 'ready' });
  }

  /** Obeys one command; what concerns a leg that is gone is ignored. */
  obey(command: MediaCommand): void {
    if (command.type === 'open') {
      void this.#open(command);
      return;
    }
    if (command.type === 'stop') {
      void this.stop();
      return;
    }
    const leg = this.#byId.get(command.leg);
    if (leg) this.#obeyForLeg(leg, command);
    else if (command.type === 'close') this.#closeUnopened(command.leg);
  }

  /** Stops the clock and closes every leg. */
  async stop(): Promise<void> {
    this.#clock.stop();
    await Promise.all(this.#legs.map((leg) => leg.close()));
    this.#legs = [];
    this.#byId.clear();
  }

  /** Counts since the start. */
  stats(): WorkerStats {
    const total = { ...this.#closed };
    for (const leg of this.#legs) addStats(total, leg);
    const { ticks, lateTicks, skippedTicks } = this.#clock;
    return { legs: this.#legs.length, ticks, lateTicks, skippedTicks, ...total };
  }

  #obeyForLeg(leg: Leg, command: Exclude<MediaCommand, { type: 'open' | 'stop' }>): void {
    switch (command.type) {
      case 'configure':
        leg.configure(command.media);
        break;
      case 'play':
        leg.play(command);
        break;
      case 'stopPlay':
        leg.stopPlay(command.play);
        break;
      case 'record':
        leg.record(command);
        break;
      case 'stopRecord':
        leg.stopRecord(command.record);
        break;
      case 'sendDtmf':
        leg.sendDtmf(command.digits, command.durationMs);
        break;
      case 'bridge':
        leg.bridge(command.incoming, command.outgoing);
        break;
      case 'unbridge':
        leg.unbridge();
        break;
      case 'mute':
        leg.mute(command.side, command.on);
        break;
      case 'stats':
        this.#report({ type: 'stats', leg: leg.id, request: command.request, stats: leg.stats() });
        break;
      case 'close':
        void this.#close(leg);
    }
  }

  async #open(command: Extract<MediaCommand, { type: 'open' }>): Promise<void> {
    const state = { cancelled: false };
    this.#opening.set(command.leg, state);
    try {
      const { host, minPort, maxPort } = command;
      const socket = await RtpSocket.bind({ host, minPort, maxPort });
      if (state.cancelled) {
        await socket.close();
        this.#report({ type: 'closed', leg: command.leg });
        return;
      }
      const leg = new Leg(command.leg, socket, { clips: this.#clips, report: this.#report });
      this.#byId.set(leg.id, leg);
      this.#legs.push(leg);
      this.#report({ type: 'opened', leg: leg.id, port: socket.port });
    } catch (error) {
      const code = error instanceof RtpError ? error.code : 'rtp/bind';
      this.#report({ type: 'openFailed', leg: command.leg, code, message: String(error) });
    } finally {
      this.#opening.delete(command.leg);
    }
  }

  #closeUnopened(id: number): void {
    const state = this.#opening.get(id);
    if (state) state.cancelled = true;
  }

  async #close(leg: Leg): Promise<void> {
    this.#byId.delete(leg.id);
    this.#legs = this.#legs.filter((other) => other !== leg);
    addStats(this.#closed, leg);
    await leg.close();
    this.#report({ type: 'closed', leg: leg.id });
  }

  /** Every 20 ms: no await, no closures, no allocation but the statistics once a second. */
  #tick(nowMs: number): void {
    const legs = this.#legs;
    for (let i = 0; i < legs.length; i++) legs[i]!.receiveTick(nowMs);
    for (let i = 0; i < legs.length; i++) legs[i]!.sendTick();
    if (--this.#ticksToStats === 0) {
      this.#ticksToStats = STATS_EVERY_TICKS;
      this.#report({ type: 'workerStats', stats: this.stats() });
    }
  }

  #skip(ticks: number): void {
    for (const leg of this.#legs) leg.skip(ticks);
  }
}

function addStats(
  total: { packetsIn: number; packetsOut: number; badPackets: number; strayPackets: number; latePackets: number },
  leg: Leg,
): void {
  const stats = leg.stats();
  total.packetsIn += stats.packetsIn;
  total.packetsOut += stats.packetsOut;
  total.badPackets += stats.badPackets;
  total.strayPackets += stats.strayPackets;
  total.latePackets += stats.latePackets;
}
