import type { ReceptionStatistics } from './reception-statistics.js';
import {
  clampLost,
  createReportBlock,
  createRtcpCompound,
  type ReportBlock,
  type RtcpCompound,
  type RtcpReport,
  readRtcp,
  type SenderInfo,
  setNtpTime,
  shortNtp,
  writeRtcp,
} from './rtcp.js';

/** Makes up for what timer reconsideration shortens on average (RFC 3550 §6.3.1). */
const COMPENSATION = Math.E - 1.5;

/** Interval of reports that RFC 3550 §6.2 names the least; with two members the bandwidth never asks for a longer one. */
export const RTCP_INTERVAL_MS = 5000;

/** What has been sent of a stream, as its sender reports tell. */
export interface SentStream {
  packets: number;
  /** Payload bytes. */
  octets: number;
  /** RTP timestamp of now. */
  timestamp: number;
}

/**
 * One side of RTCP for one stream each way (RFC 3550 §6): when reports are due, what they say, and what the peer's reports say.
 * Knows no sockets and no clock: all times are given.
 */
export class RtcpSession {
  readonly ssrc: number;
  /** The last compound packet that was taken. */
  readonly heard: Readonly<RtcpCompound>;
  reportsReceived = 0;
  reportsSent = 0;
  /** Datagrams that are not RTCP. */
  badPackets = 0;
  /** Round trip by the last report about our stream, ms; undefined until there was one. */
  roundTripMs: number | undefined;
  /** Of the last sender report: what the peer says that it has sent. */
  peerPackets = 0;
  peerOctets = 0;
  /** Whether the peer has said BYE. */
  isPeerGone = false;
  readonly #compound = createRtcpCompound();
  readonly #block = createReportBlock();
  readonly #sender: SenderInfo = { ntpSeconds: 0, ntpFraction: 0, rtpTimestamp: 0, packetCount: 0, octetCount: 0 };
  readonly #report: RtcpReport;
  readonly #clock = { ntpSeconds: 0, ntpFraction: 0 };
  readonly #random: () => number;
  #intervalMs = 0;
  #nextMs = Number.POSITIVE_INFINITY;
  /** Of the last sender report that came: its short NTP time, and ours when it came. */
  #lastSenderReport = 0;
  #lastSenderReportAt = 0;
  /** Where the last report stood, for the part lost since. */
  #before = { stretch: -1, expected: 0, received: 0 };
  /** Packets sent at the last two reports: who has sent none in two intervals is no sender (§6.3.8). */
  #sentBefore = 0;
  #sentTwoBefore = 0;

  /** `cname` names us in all our streams (§6.5.1). `random` gives 0 to 1. */
  constructor(ssrc: number, cname: string, random: () => number = Math.random) {
    this.ssrc = ssrc;
    this.heard = this.#compound;
    this.#random = random;
    this.#report = { ssrc, sender: undefined, block: undefined, cname, isBye: false };
  }

  /** Begins to report every `intervalMs` on average, the first time after half of it (§6.2); 0 ends it. */
  schedule(nowMs: number, intervalMs: number): void {
    if (intervalMs === this.#intervalMs) return;
    this.#intervalMs = intervalMs;
    this.#nextMs = intervalMs === 0 ? Number.POSITIVE_INFINITY : nowMs + this.#randomised(intervalMs / 2);
  }

  /** Whether a report is due. */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#nextMs;
  }

  /** Whether anything is to be taken back with a BYE. */
  get hasSpoken(): boolean {
    return this.reportsSent > 0;
  }

  /** Writes the report that is due, or a last one with BYE, and returns its length. `unixMs` is the wall clock. */
  write(
    into: Uint8Array,
    nowMs: number,
    unixMs: number,
    received: ReceptionStatistics,
    receivedSsrc: number,
    sent: SentStream,
    isBye = false,
  ): number {
    this.#nextMs = nowMs + this.#randomised(this.#intervalMs);
    setNtpTime(this.#sender, unixMs);
    const report = this.#report;
    report.isBye = isBye;
    report.block = receivedSsrc < 0 ? undefined : this.#describe(received, receivedSsrc);
    report.sender = undefined;
    if (sent.packets > this.#sentTwoBefore) {
      this.#sender.rtpTimestamp = sent.timestamp;
      this.#sender.packetCount = sent.packets % 2 ** 32;
      this.#sender.octetCount = sent.octets % 2 ** 32;
      report.sender = this.#sender;
    }
    this.#sentTwoBefore = this.#sentBefore;
    this.#sentBefore = sent.packets;
    this.reportsSent++;
    return writeRtcp(into, report);
  }

  /**
   * Takes a datagram; false when it is not RTCP. What it says is in {@link heard}. `peerSsrc` is the stream that is received, −1 while there is
   * none: what others say of theirs, such as the peer of a call that had the port before, is left out.
   */
  receive(bytes: Uint8Array, length: number, unixMs: number, peerSsrc = -1): boolean {
    const compound = this.#compound;
    if (!readRtcp(bytes, length, this.ssrc, compound)) {
      this.badPackets++;
      return false;
    }
    this.reportsReceived++;
    if (peerSsrc >= 0 && compound.ssrc !== peerSsrc) {
      compound.hasSender = false;
      compound.isBye = false;
    }
    if (compound.isBye) this.isPeerGone = true;
    const now = this.#short(unixMs);
    if (compound.hasSender) {
      this.peerPackets = compound.sender.packetCount;
      this.peerOctets = compound.sender.octetCount;
      this.#lastSenderReport = shortNtp(compound.sender);
      this.#lastSenderReportAt = now;
    }
    if (compound.hasBlock) this.#measure(compound.block, now);
    return true;
  }

  #describe(received: ReceptionStatistics, ssrc: number): ReportBlock {
    const block = this.#block;
    const { stretch, expectedOfStretch: expected, receivedOfStretch: came } = received;
    const before = this.#before;
    if (stretch !== before.stretch) {
      before.stretch = stretch;
      before.expected = 0;
      before.received = 0;
    }
    const expectedNow = expected - before.expected;
    const lostNow = expectedNow - (came - before.received);
    before.expected = expected;
    before.received = came;
    block.ssrc = ssrc;
    block.fractionLost =
      expectedNow <= 0 || lostNow <= 0 ? 0 : Math.min(255, Math.floor((lostNow * 256) / expectedNow));
    block.cumulativeLost = clampLost(expected - came);
    block.highestSequence = received.highestSequence;
    block.jitterUnits = received.jitterUnits;
    block.lastSenderReport = this.#lastSenderReport;
    block.sinceSenderReport =
      this.#lastSenderReport === 0 ? 0 : (shortNtp(this.#sender) - this.#lastSenderReportAt) >>> 0;
    return block;
  }

  /** A − LSR − DLSR (§6.4.1), where the peer has had a sender report of ours. */
  #measure({ lastSenderReport, sinceSenderReport }: ReportBlock, now: number): void {
    if (lastSenderReport === 0) return;
    const units = (now - lastSenderReport - sinceSenderReport) | 0;
    // Below zero by what the clocks' steps make of a very short way; far below it is nonsense, as is half a minute.
    if (units < -66 || units > 30 * 65536) return;
    this.roundTripMs = (Math.max(0, units) * 1000) / 65536;
  }

  /** Our short NTP time, without touching what the next report says. */
  #short(unixMs: number): number {
    setNtpTime(this.#clock, unixMs);
    return shortNtp(this.#clock);
  }

  /** Half to one and a half of it, so that parties do not fall into step (§6.3.1). */
  #randomised(intervalMs: number): number {
    return (intervalMs * (0.5 + this.#random())) / COMPENSATION;
  }
}
