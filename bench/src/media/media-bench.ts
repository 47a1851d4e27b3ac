import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMs } from '../cpu.js';
import { percentile } from '../table.js';
import type { SoundFiles } from './audio.js';
import { type BenchCall, Caller } from './caller.js';
import { EslClient } from './esl-client.js';
import type { AnswerResult, BridgeResult, CallsResult, SoakResult } from './report.js';
import type { RtpLoad } from './rtp-load.js';
import type { MediaServerUnderTest } from './servers.js';
import { Watch, type Window, watchFor } from './window.js';

/** Calls that warm caches and the compiler, and let memory grow to what a working server has. */
const WARM_UP_CALLS = 50;
const WARM_UP_MS = 3_000;
/** Calls are begun at this rate when it is not the rate that is measured. */
const PLACED_PER_SECOND = 50;
/** After the last call was placed: what beginning costs does not belong to the calls. */
const SETTLE_MS = 1_000;
const DIGITS_WITHIN_MS = 3_000;
const DIGITS_LOOK_MS = 50;
/** p99 of how far gaps may be from 20 ms. */
const MAX_GAP_P99_MS = 5;
const MAX_BRIDGE_TRIES = 3;
const ANSWER_SECONDS = 8;
/** How long an answered call stays. */
const HOLD_SECONDS = 1;
const SOAK_LOOK_MS = 30_000;
/** The file has a minute: more than any run has. */
const PLAYED_TIMES = 10_000;

/** One server's measurements. */
export class MediaBench {
  #digits = 0;

  private constructor(
    private readonly server: MediaServerUnderTest,
    private readonly load: RtpLoad,
    private readonly sounds: SoundFiles,
    private readonly progress: (text: string) => void,
    private readonly caller: Caller,
    private readonly control: EslClient,
  ) {}

  /** Connects to a server. */
  static async create(
    server: MediaServerUnderTest,
    load: RtpLoad,
    sounds: SoundFiles,
    progress: (text: string) => void,
  ): Promise<MediaBench> {
    let bench: MediaBench | undefined;
    const control = await EslClient.connect(server.esl, (body) => bench?.takeEvent(body));
    bench = new MediaBench(server, load, sounds, progress, await Caller.create(server), control);
    await control.command('event json DTMF');
    return bench;
  }

  async close(): Promise<void> {
    this.control.close();
    await this.caller.close();
  }

  /** Lets the server become warm. */
  async warmUp(): Promise<void> {
    this.progress(`${this.server.name}: warming up`);
    const { calls } = await this.talk(WARM_UP_CALLS);
    await sleep(WARM_UP_MS);
    await this.end(calls);
  }

  /** Calls that talk, ever more, until two measurements in a row are not good. */
  async calls(counts: readonly number[], seconds: number): Promise<CallsResult[]> {
    const results: CallsResult[] = [];
    const calls: BenchCall[] = [];
    let isLastTry = false;
    for (let at = 0; at < counts.length; ) {
      const count = counts[at]!;
      this.progress(`${this.server.name}: ${count} calls`);
      const placed = await this.talk(count - calls.length);
      calls.push(...placed.calls);
      await sleep(SETTLE_MS);
      const window = await watchFor(seconds, this.server.pid, this.load);
      const result = this.resultOf(count, placed.failures, window);
      result.digits = await this.hearDigits(calls.length);
      results.push(result);
      if (!result.good && isLastTry) break;
      isLastTry = !result.good;
      // What was not good is measured once more: one hiccup of the machine is not the server's limit.
      if (result.good) at++;
    }
    await this.end(calls);
    return results;
  }

  /** Marks through both legs of bridges. */
  async bridges(pairs: number, seconds: number): Promise<BridgeResult> {
    this.progress(`${this.server.name}: ${pairs} bridges`);
    const calls: BenchCall[] = [];
    // A call may fail, as where another program has taken the RTP port that the server tries.
    for (let tries = 0; calls.length < 2 * pairs && tries < MAX_BRIDGE_TRIES; tries++) {
      const places = await this.load.places(2 * pairs - calls.length);
      const placed = await this.caller.calls(
        places.map(({ port }) => port),
        PLACED_PER_SECOND,
        async ({ serverPort }, index) => this.load.start([{ place: places[index]!, serverPort }]),
      );
      calls.push(...placed.calls);
    }
    if (calls.length < 2 * pairs) throw new Error(`only ${calls.length} of ${2 * pairs} calls for bridges came about`);
    const ports: [number, number][] = [];
    for (let i = 0; i < calls.length; i += 2) {
      const [one, other] = [calls[i]!, calls[i + 1]!];
      await this.control.api(`uuid_bridge ${one.uuid} ${other.uuid}`);
      ports.push([one.serverPort, other.serverPort]);
    }
    await sleep(SETTLE_MS);
    const { heard, unread, cpuPercent } = await watchFor(seconds, this.server.pid, this.load, ports);
    await this.end(calls);
    return { server: this.server.name, pairs, heard, unread, cpuPercentPerCall: cpuPercent / calls.length };
  }

  /** Calls answered at a rate, each held for a second. */
  async answers(perSecond: number): Promise<AnswerResult> {
    this.progress(`${this.server.name}: answering ${perSecond} calls/s`);
    const count = perSecond * ANSWER_SECONDS;
    // What the server sends in that second is not looked at.
    const [place] = await this.load.places(1);
    const ended: Array<Promise<void>> = [];
    const before = await cpuMs(this.server.pid);
    const { calls, failures } = await this.caller.calls(
      new Array<number>(count).fill(place!.port),
      perSecond,
      async (call) => {
        ended.push(sleep(HOLD_SECONDS * 1000).then(() => this.caller.hangUp([call])));
      },
    );
    await Promise.all(ended);
    await sleep(SETTLE_MS);
    const used = (await cpuMs(this.server.pid)) - before;
    await this.load.stop();
    const shares = (times: number[]) => ({
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      max: percentile(times, 1),
    });
    return {
      server: this.server.name,
      callsPerSecond: perSecond,
      calls: count,
      failures,
      answeredMs: shares(calls.map(({ answeredMs }) => answeredMs)),
      readyMs: shares(calls.map(({ readyMs }) => readyMs)),
      cpuMsPerCall: used / count,
      holdSeconds: HOLD_SECONDS,
    };
  }

  /** The same calls for a long time. */
  async soak(count: number, minutes: number): Promise<SoakResult> {
    const placed = await this.talk(count);
    await sleep(SETTLE_MS);
    const course: SoakResult['course'] = [];
    const watch = await Watch.begin(this.server.pid, this.load);
    const started = performance.now();
    let before = 0;
    let window: Window;
    do {
      const left = started + minutes * 60_000 - performance.now();
      await sleep(Math.min(SOAK_LOOK_MS, Math.max(0, left)));
      window = await watch.end();
      const atSeconds = Math.round(window.seconds);
      const used = window.cpuPercent * window.seconds;
      const cpuPercent = (used - before) / (window.seconds - (course.at(-1)?.atSeconds ?? 0));
      before = used;
      const { lost, gap } = window.heard;
      course.push({ atSeconds, rssBytes: window.rssBytes, cpuPercent, lost, gapP99: gap.p99 });
      this.progress(`${count} calls, ${atSeconds} s: ${lost} lost, ${Math.round(window.rssBytes / 1_048_576)} MB`);
    } while (performance.now() < started + minutes * 60_000);
    const result = this.resultOf(count, placed.failures, window);
    result.digits = await this.hearDigits(placed.calls.length);
    await this.end(placed.calls);
    const half = course.filter(({ atSeconds }) => atSeconds >= window.seconds / 2);
    const perSecond = slope(half.map(({ atSeconds, rssBytes }) => [atSeconds, rssBytes]));
    return { ...result, course, rssBytesPerHour: perSecond * 3600 };
  }

  /** Calls that play without end, are sent speech and listen for digits in it. */
  private async talk(count: number) {
    const places = await this.load.places(count);
    return this.caller.calls(
      places.map(({ port }) => port),
      PLACED_PER_SECOND,
      async ({ esl, serverPort }, index) => {
        await esl.execute('start_dtmf');
        // Not endless_playback: a FreeSWITCH in that takes no digits.
        await esl.execute('playback', this.sounds.wav, PLAYED_TIMES);
        await this.load.start([{ place: places[index]!, serverPort }]);
      },
    );
  }

  private async end(calls: readonly BenchCall[]): Promise<void> {
    await this.load.stop();
    await this.caller.hangUp(calls);
    await sleep(SETTLE_MS);
  }

  /** Lets every call send a digit; how many the server heard. */
  private async hearDigits(expected: number): Promise<number> {
    this.#digits = 0;
    await this.load.digit();
    const until = performance.now() + DIGITS_WITHIN_MS;
    while (this.#digits < expected && performance.now() < until) await sleep(DIGITS_LOOK_MS);
    return this.#digits;
  }

  private takeEvent(body: string): void {
    const event = JSON.parse(body) as Record<string, string>;
    if (event['DTMF-Digit'] === this.sounds.digitName) this.#digits++;
  }

  private resultOf(calls: number, failures: Record<string, number>, window: Window): CallsResult {
    return callsResult(this.server.name, calls, failures, window);
  }
}

/** Judges what was seen while `calls` were up. */
export function callsResult(
  server: string,
  calls: number,
  failures: Record<string, number>,
  window: Window,
): CallsResult {
  const { heard, unread } = window;
  const isComplete = heard.heard === calls && heard.lost === 0 && heard.disordered === 0 && unread === 0;
  const isSteady = heard.gap.p99 < MAX_GAP_P99_MS && heard.drift[0] >= -1 && heard.drift[1] <= 1;
  return {
    server,
    calls,
    failures,
    ...window,
    cpuPercentPerCall: window.cpuPercent / calls,
    good: isComplete && isSteady,
  };
}

/** Slope of the straight line nearest to the points (least squares); 0 for fewer than two. */
export function slope(points: ReadonlyArray<readonly [number, number]>): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  let [above, below] = [0, 0];
  for (const [x, y] of points) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return below > 0 ? above / below : 0;
}
