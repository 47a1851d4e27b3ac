import { randomBytes } from 'node:crypto';
import { RtcpSession, type RtcpTerms, RtcpTransport, type RtpSocket } from '@ringwire/rtp';
import type { LegReceiver } from './leg-receiver.js';
import type { LegSender } from './leg-sender.js';
import type { LegReport, RtcpReceived } from './protocol.js';
import { monotonicMs } from './tick-clock.js';

/** One name for all streams of this thread's process; it says nothing of the machine (RFC 7022 §4.2). */
const CNAME = randomBytes(9).toString('base64');

/** RTCP of one leg: made when it is first agreed on, so that calls without it pay nothing. */
export class LegRtcp {
  readonly #leg: number;
  readonly #receiver: LegReceiver;
  readonly #sender: LegSender;
  readonly #report: (report: LegReport) => void;
  readonly #session: RtcpSession;
  readonly #transport: RtcpTransport;

  constructor(
    leg: number,
    socket: RtpSocket,
    receiver: LegReceiver,
    sender: LegSender,
    report: (report: LegReport) => void,
  ) {
    this.#leg = leg;
    this.#receiver = receiver;
    this.#sender = sender;
    this.#report = report;
    this.#session = new RtcpSession(sender.ssrc, CNAME);
    this.#transport = new RtcpTransport(socket, (packet, length) => this.#receive(packet, length));
  }

  /** Counts of it. */
  stats(): {
    peerPackets: number;
    peerOctets: number;
    roundTripMs: number;
    reportsIn: number;
    reportsOut: number;
    bad: number;
  } {
    const { peerPackets, peerOctets, roundTripMs = 0, reportsReceived, reportsSent, badPackets } = this.#session;
    const { strayPackets, unauthenticPackets } = this.#transport;
    return {
      peerPackets,
      peerOctets,
      roundTripMs,
      reportsIn: reportsReceived,
      reportsOut: reportsSent,
      bad: badPackets + strayPackets + unauthenticPackets,
    };
  }

  /** Agrees on where the peer's RTCP is, or that there is none. */
  configure(terms: RtcpTerms | undefined, intervalMs: number): void {
    void this.#transport.configure(terms);
    this.#session.schedule(monotonicMs(), terms ? intervalMs : 0);
  }

  /** Sends a report when one is due. Called every 20 ms, after the leg has sent. */
  tick(nowMs: number): void {
    if (this.#session.isDue(nowMs)) this.#send(nowMs, false);
  }

  /** Says BYE, if anything was said before (RFC 3550 §6.3.7), and closes. */
  async close(): Promise<void> {
    if (this.#session.hasSpoken && this.#transport.isOn) this.#send(monotonicMs(), true);
    await this.#transport.close();
  }

  #send(nowMs: number, isBye: boolean): void {
    const { statistics, ssrc } = this.#receiver;
    const length = this.#session.write(
      this.#transport.buffer,
      nowMs,
      unixMs(),
      statistics,
      ssrc,
      this.#sender.sentStream(),
      isBye,
    );
    this.#transport.send(length);
  }

  #receive(packet: Buffer, length: number): boolean {
    if (!this.#session.receive(packet, length, unixMs(), this.#receiver.ssrc)) return false;
    const { hasSender, hasBlock, ssrc, sender, block } = this.#session.heard;
    if (!hasSender && !hasBlock) return true;
    const heard: RtcpReceived = {
      ssrc,
      lastTimestamp: this.#receiver.lastTimestamp,
      roundTripMs: this.#session.roundTripMs,
    };
    if (hasSender) heard.sender = { ...sender };
    if (hasBlock) heard.block = { ...block };
    this.#report({ type: 'rtcp', leg: this.#leg, heard });
    return true;
  }
}

/** The wall clock, finer than milliseconds, which never jumps. */
function unixMs(): number {
  return performance.timeOrigin + performance.now();
}
