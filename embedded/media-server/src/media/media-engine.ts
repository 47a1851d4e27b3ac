import { RtpError, RtpSocket } from '@ringwire/rtp';
import { ClipCache } from './audio-clip.js';
import { LateSends } from './late-sends.js';
import { Leg } from './leg.js';
import type { LegCommand, MediaCommand, MediaReport, WorkerStats } from './protocol.js';
import { Room } from './rooms/room.js';
import type { RoomEvent, RoomSpec } from './rooms/room-protocol.js';
import { TickClock } from './tick-clock.js';

/** What of a thread's counts its legs count. */
type PacketCounts = Omit<WorkerStats, 'legs' | 'ticks' | 'lateTicks' | 'skippedTicks'>;

const STATS_EVERY_TICKS = 50;

/** Everything of one media thread: its legs, its conference rooms and the clock that drives them. Talks to the main thread in messages only. */
export class MediaEngine {
  readonly #report: (report: MediaReport) => void;
  readonly #clips = new ClipCache();
  readonly #late = new LateSends();
  readonly #onSound = (leg: Leg): void => this.#late.release(leg);
  readonly #byId = new Map<number, Leg>();
  readonly #clock: TickClock;
  /** Legs that were closed before their port was bound. */
  readonly #opening = new Map<number, { cancelled: boolean }>();
  #legs: Leg[] = [];
  #rooms: Room[] = [];
  #closed: PacketCounts = {
    packetsIn: 0,
    packetsOut: 0,
    badPackets: 0,
    strayPackets: 0,
    latePackets: 0,
    rtcpReportsIn: 0,
    rtcpReportsOut: 0,
    rtcpBadPackets: 0,
  };
  #ticksToStats = STATS_EVERY_TICKS;

  constructor(report: (report: MediaReport) => void) {
    this.#report = report;
    this.#clock = new TickClock(
      (nowMs) => this.#tick(nowMs),
      (ticks) => this.#skip(ticks),
    );
  }

  /** Loads what playing needs, on threads of its own. */
  warmUp(): void {
    this.#clips.warmUp();
  }

  /** Starts the clock. */
  start(): void {
    this.#clock.start();
    this.#report({ type: 'ready' });
  }

  /** Obeys one command; what concerns a leg or room that is gone is ignored. */
  obey(command: MediaCommand): void {
    switch (command.type) {
      case 'open':
        void this.#open(command);
        return;
      case 'stop':
        void this.stop();
        return;
      case 'openRoom':
        this.#openRoom(command.room, command.spec);
        return;
      case 'roomCommand':
        this.#rooms.find((room) => room.id === command.room)?.obey(command.command);
        return;
      case 'closeRoom':
        void this.#closeRoom(command.room);
        return;
      case 'close':
        this.#close(command.leg);
        return;
      default:
        this.#obeyLeg(command);
    }
  }

  #obeyLeg(command: Exclude<LegCommand, { type: 'close' }>): void {
    const leg = this.#byId.get(command.leg);
    if (!leg) return;
    // Nothing changes between the two halves of a tick.
    this.#late.release(leg);
    leg.obey(command);
  }

  /** Stops the clock and closes every leg and room. */
  async stop(): Promise<void> {
    this.#clock.stop();
    this.#late.clear();
    await Promise.all([...this.#legs.map((leg) => leg.close()), ...this.#rooms.map((room) => room.close())]);
    this.#legs = [];
    this.#rooms = [];
    this.#byId.clear();
  }

  /** Counts since the start. */
  stats(): WorkerStats {
    const total = { ...this.#closed };
    for (const leg of this.#legs) addStats(total, leg);
    const { ticks, lateTicks, skippedTicks } = this.#clock;
    return { legs: this.#legs.length, ticks, lateTicks, skippedTicks, ...total };
  }

  async #open(command: Extract<MediaCommand, { type: 'open' }>): Promise<void> {
    const state = { cancelled: false };
    this.#opening.set(command.leg, state);
    try {
      const { host, port, relatchAfterMs, formerPeer } = command;
      const socket = await RtpSocket.bind({ host, minPort: port, maxPort: port, relatchAfterMs, formerPeer });
      if (state.cancelled) {
        await socket.close();
        this.#report({ type: 'closed', leg: command.leg });
        return;
      }
      const leg = new Leg(command.leg, socket, {
        clips: this.#clips,
        report: this.#report,
        onSound: this.#onSound,
      });
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

  #close(id: number): void {
    const leg = this.#byId.get(id);
    const opening = this.#opening.get(id);
    if (leg) void this.#closeLeg(leg);
    else if (opening) opening.cancelled = true;
  }

  async #closeLeg(leg: Leg): Promise<void> {
    this.#byId.delete(leg.id);
    this.#legs = this.#legs.filter((other) => other !== leg);
    this.#late.drop(leg);
    addStats(this.#closed, leg);
    const peer = leg.socket.remote;
    await leg.close();
    this.#report({ type: 'closed', leg: leg.id, peer });
  }

  #openRoom(id: number, spec: RoomSpec): void {
    const report = (event: RoomEvent): void => this.#report({ type: 'roomEvent', room: id, event });
    this.#rooms.push(new Room(id, spec, { clips: this.#clips, report }));
  }

  async #closeRoom(id: number): Promise<void> {
    const room = this.#rooms.find((candidate) => candidate.id === id);
    if (!room) return;
    this.#rooms = this.#rooms.filter((other) => other !== room);
    await room.close();
    this.#report({ type: 'roomClosed', room: id });
  }

  /** Every 20 ms: no await, no closures, no allocation but the statistics once a second. */
  #tick(nowMs: number): void {
    this.#late.flush();
    const legs = this.#legs;
    for (let i = 0; i < legs.length; i++) legs[i]!.receiveTick(nowMs);
    const rooms = this.#rooms;
    for (let i = 0; i < rooms.length; i++) rooms[i]!.tick();
    for (let i = 0; i < legs.length; i++) {
      const leg = legs[i]!;
      if (leg.awaitsSound) this.#late.hold(leg, nowMs);
      else leg.sendTick(nowMs);
    }
    if (--this.#ticksToStats === 0) {
      this.#ticksToStats = STATS_EVERY_TICKS;
      this.#report({ type: 'workerStats', stats: this.stats() });
    }
  }

  #skip(ticks: number): void {
    this.#late.flush();
    for (const leg of this.#legs) leg.skip(ticks);
  }
}

function addStats(total: PacketCounts, leg: Leg): void {
  const stats = leg.stats();
  total.packetsIn += stats.packetsIn;
  total.packetsOut += stats.packetsOut;
  total.badPackets += stats.badPackets;
  total.strayPackets += stats.strayPackets;
  total.latePackets += stats.latePackets;
  total.rtcpReportsIn += stats.rtcpReportsIn;
  total.rtcpReportsOut += stats.rtcpReportsOut;
  total.rtcpBadPackets += stats.rtcpBadPackets;
}
