import { sequenceDelta } from './packet.js';

/** A jump of the sequence beyond this begins a new count (RFC 3550 A.1, MAX_DROPOUT). */
const MAX_DROPOUT = 3000;
/** R factor of a line without fault, and how fast random loss spoils G.711 with concealment (ITU-T G.107, G.113 appendix I). */
const BEST_R = 93.2;
const WORST_IMPAIRMENT = 95;
const LOSS_ROBUSTNESS = 25.1;

/** Loss, jitter and intervals of a received RTP stream (RFC 3550 §6.4.1, appendix A.1, A.3, A.8). No allocation. */
export class ReceptionStatistics {
  received = 0;
  /** Smallest and largest jitter so far, ms. 0 until two packets have come. */
  minJitterMs = 0;
  maxJitterMs = 0;
  /** Interarrival jitter, ms. */
  jitterMs = 0;
  /** Gaps of the sequence, of whatever length. */
  gaps = 0;
  #base = -1;
  #highest = -1;
  #cycles = 0;
  /** Counts the stretches of the stream: each jump and each other SSRC begins one. What reports tell is of the present one. */
  stretch = 0;
  /** Of stretches of the stream before a jump or another SSRC. */
  #expectedBefore = 0;
  #receivedBefore = 0;
  #clockHz = 8000;
  #lastTransitMs = Number.NaN;
  #firstMs = 0;
  #lastMs = 0;

  /** Takes a packet that came at `nowMs`. */
  add(sequence: number, timestamp: number, clockHz: number, nowMs: number): void {
    this.addUntimed(sequence, nowMs);
    this.#measure(nowMs - (timestamp * 1000) / clockHz, clockHz);
  }

  /** Takes a packet whose timestamp says nothing of when it was sent: a telephone event. */
  addUntimed(sequence: number, nowMs: number): void {
    if (this.received === 0) this.#firstMs = nowMs;
    this.#lastMs = nowMs;
    this.received++;
    this.#count(sequence);
  }

  /** The stream goes on under another SSRC: sequence and timestamps begin anew. */
  restart(): void {
    this.#expectedBefore = this.expected;
    this.#receivedBefore = this.received;
    this.stretch++;
    this.#base = -1;
    this.#cycles = 0;
    this.#lastTransitMs = Number.NaN;
  }

  /** Extended highest sequence number of the present stretch (RFC 3550 §6.4.1): its turns in the upper 16 bits. */
  get highestSequence(): number {
    return this.#base < 0 ? 0 : (this.#cycles + this.#highest) % 2 ** 32;
  }

  /** Packets of the present stretch that were sent, as far as can be seen, and that came. */
  get expectedOfStretch(): number {
    return this.expected - this.#expectedBefore;
  }

  get receivedOfStretch(): number {
    return this.received - this.#receivedBefore;
  }

  /** Interarrival jitter in units of the RTP clock. */
  get jitterUnits(): number {
    return Math.floor((this.jitterMs * this.#clockHz) / 1000);
  }

  /** Packets that were sent, as far as can be seen here. */
  get expected(): number {
    return this.#expectedBefore + (this.#base < 0 ? 0 : this.#cycles + this.#highest - this.#base + 1);
  }

  /** Packets that did not come; doubled ones count against them, never below 0. */
  get lost(): number {
    return Math.max(0, this.expected - this.received);
  }

  /** Mean time between two packets, ms. */
  get meanIntervalMs(): number {
    return this.received > 1 ? (this.#lastMs - this.#firstMs) / (this.received - 1) : 0;
  }

  /** Lost part in percent. */
  get lossPercent(): number {
    return this.expected > 0 ? (this.lost / this.expected) * 100 : 0;
  }

  /** R factor, 0…100, of the loss (ITU-T G.107 §7.3, random loss, no delay). */
  get rFactor(): number {
    const loss = this.lossPercent;
    return Math.max(0, BEST_R - (WORST_IMPAIRMENT * loss) / (loss + LOSS_ROBUSTNESS));
  }

  /** Mean opinion score, 1…4.5, that this R factor stands for (ITU-T G.107 annex B). */
  get mos(): number {
    const r = this.rFactor;
    return Math.max(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);
  }

  #count(sequence: number): void {
    if (this.#base < 0) {
      this.#base = sequence;
      this.#highest = sequence;
      return;
    }
    const delta = sequenceDelta(this.#highest, sequence);
    if (delta > MAX_DROPOUT || delta < -MAX_DROPOUT) {
      this.restart();
      // This packet, which has been counted, is the first of the new stretch.
      this.#receivedBefore--;
      this.#base = sequence;
      this.#highest = sequence;
      return;
    }
    if (delta <= 0) return;
    if (delta > 1) this.gaps++;
    if (sequence < this.#highest) this.#cycles += 0x10000;
    this.#highest = sequence;
  }

  #measure(transitMs: number, clockHz: number): void {
    const last = this.#lastTransitMs;
    this.#lastTransitMs = transitMs;
    this.#clockHz = clockHz;
    if (Number.isNaN(last)) return;
    // The timestamp may have turned between the two packets.
    const turnMs = (2 ** 32 * 1000) / clockHz;
    let difference = Math.abs(transitMs - last);
    if (difference > turnMs / 2) difference = Math.abs(difference - turnMs);
    this.jitterMs += (difference - this.jitterMs) / 16;
    if (this.minJitterMs === 0 || this.jitterMs < this.minJitterMs) this.minJitterMs = this.jitterMs;
    if (this.jitterMs > this.maxJitterMs) this.maxJitterMs = this.jitterMs;
  }
}
