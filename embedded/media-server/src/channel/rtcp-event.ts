import type { RtcpReceived } from '../media/protocol.js';

/** FreeSWITCH's average forgets this slowly. */
const KEPT = 0.7;
const PERCENT_OF_FRACTION = 100 / 255;

/** Headers of RECV_RTCP_MESSAGE, as FreeSWITCH names and spells them; averages go over the reports of one channel. */
export class RtcpEvents {
  #lossAverage = 0;
  #roundTripAverageSeconds = 0;

  /** Headers beside those of every event; the channel's others are not among them. */
  headersOf({ ssrc, lastTimestamp, sender, block, roundTripMs }: RtcpReceived, clockHz: number): [string, string][] {
    const headers: [string, string][] = [
      ['SSRC', hex(ssrc)],
      ['NTP-Most-Significant-Word', String(sender?.ntpSeconds ?? 0)],
      ['NTP-Least-Significant-Word', String(sender?.ntpFraction ?? 0)],
      ['RTP-Timestamp', String(sender?.rtpTimestamp ?? 0)],
      ['Sender-Packet-Count', String(sender?.packetCount ?? 0)],
      ['Octect-Packet-Count', String(sender?.octetCount ?? 0)],
      ['Last-RTP-Timestamp', String(lastTimestamp)],
      ['RTP-Rate', String(clockHz)],
      ['Capture-Time', String(Date.now() * 1000)],
    ];
    if (!block) return headers;
    const percent = Math.floor(block.fractionLost * PERCENT_OF_FRACTION);
    this.#lossAverage = average(this.#lossAverage, percent);
    if (roundTripMs !== undefined)
      this.#roundTripAverageSeconds = average(this.#roundTripAverageSeconds, roundTripMs / 1000);
    headers.push(
      ['Source0-SSRC', hex(block.ssrc)],
      ['Source0-Fraction', String(block.fractionLost)],
      ['Source0-Lost', String(block.cumulativeLost >>> 0)],
      ['Source0-Loss-Avg', String(Math.floor(this.#lossAverage))],
      ['Source0-Highest-Sequence-Number-Received', String(block.highestSequence)],
      ['Source0-Jitter', String(block.jitterUnits)],
      ['Source0-LSR', String(block.lastSenderReport)],
      ['Source0-DLSR', String(block.sinceSenderReport)],
      ['Rtt0-Avg', this.#roundTripAverageSeconds.toFixed(6)],
    );
    return headers;
  }
}

function average(before: number, now: number): number {
  return before === 0 ? now : before * KEPT + now * (1 - KEPT);
}

function hex(ssrc: number): string {
  return ssrc.toString(16).padStart(8, '0');
}
