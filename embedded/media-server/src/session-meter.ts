/** Limits and counts of sessions, as `status`, `fsctl` and HEARTBEAT show them. */
export class SessionMeter {
  /** Calls at once; more get 503. */
  maxSessions: number;
  /** Calls that may begin in one second; more get 503. */
  maxPerSecond = 1000;
  /** `fsctl pause`: no new calls from others. */
  isPaused = false;
  /** `fsctl pause outbound`: no new calls of ours. */
  isOutboundPaused = false;
  /** Most calls at once, ever and in the last five minutes. */
  peak = 0;
  #second = 0;
  #inSecond = 0;
  #lastPerSecond = 0;
  #peakPerSecond = 0;
  readonly #recent: { minute: number; peak: number; perSecond: number }[] = [];
  readonly #now: () => number;

  constructor(maxSessions: number, now: () => number = Date.now) {
    this.maxSessions = maxSessions;
    this.#now = now;
  }

  /** Whether a call may begin beside `sessions` others; counts it if so. */
  admit(sessions: number, direction: 'inbound' | 'outbound' = 'inbound'): boolean {
    this.#advance();
    const isPaused = direction === 'inbound' ? this.isPaused : this.isOutboundPaused;
    if (isPaused || sessions >= this.maxSessions || this.#inSecond >= this.maxPerSecond) return false;
    this.#inSecond++;
    this.peak = Math.max(this.peak, sessions + 1);
    this.#peakPerSecond = Math.max(this.#peakPerSecond, this.#inSecond);
    const minute = this.#minute();
    minute.peak = Math.max(minute.peak, sessions + 1);
    minute.perSecond = Math.max(minute.perSecond, this.#inSecond);
    return true;
  }

  /** Calls that began in this second, in the last, and at most in one second. */
  get perSecond(): { now: number; last: number; peak: number; peakFiveMinutes: number } {
    this.#advance();
    const peakFiveMinutes = Math.max(0, ...this.#fiveMinutes().map(({ perSecond }) => perSecond));
    return { now: this.#inSecond, last: this.#lastPerSecond, peak: this.#peakPerSecond, peakFiveMinutes };
  }

  /** Most calls at once in the last five minutes, when there are `sessions` now. */
  peakFiveMinutes(sessions: number): number {
    return Math.max(sessions, ...this.#fiveMinutes().map(({ peak }) => peak));
  }

  /** `fsctl sps_peak_reset`. */
  resetPeak(): void {
    this.#peakPerSecond = 0;
    for (const minute of this.#recent) minute.perSecond = 0;
  }

  #advance(): void {
    const second = Math.floor(this.#now() / 1000);
    if (second === this.#second) return;
    this.#lastPerSecond = second === this.#second + 1 ? this.#inSecond : 0;
    this.#second = second;
    this.#inSecond = 0;
  }

  #minute(): { minute: number; peak: number; perSecond: number } {
    const minute = Math.floor(this.#now() / 60_000);
    let last = this.#recent[this.#recent.length - 1];
    if (last?.minute !== minute) {
      last = { minute, peak: 0, perSecond: 0 };
      this.#recent.push(last);
      if (this.#recent.length > 5) this.#recent.shift();
    }
    return last;
  }

  #fiveMinutes(): { peak: number; perSecond: number }[] {
    const oldest = Math.floor(this.#now() / 60_000) - 4;
    return this.#recent.filter(({ minute }) => minute >= oldest);
  }
}

/** A time since the start as FreeSWITCH words it. */
export function describeUptime(uptimeMs: number): string {
  const seconds = Math.floor(uptimeMs / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 31_536_000), 'year'],
    [Math.floor(seconds / 86_400) % 365, 'day'],
    [Math.floor(seconds / 3600) % 24, 'hour'],
    [Math.floor(seconds / 60) % 60, 'minute'],
    [seconds % 60, 'second'],
    [Math.floor(uptimeMs) % 1000, 'millisecond'],
    [Math.floor(uptimeMs * 1000) % 1000, 'microsecond'],
  ];
  return parts.map(([count, unit]) => `${count} ${unit}${count === 1 ? '' : 's'}`).join(', ');
}
