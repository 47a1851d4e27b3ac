import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { parseDialString } from '@ringwire/media-server/channel/dial-string.js';
import { ServerCounters } from '@ringwire/media-server/counters.js';
import { Playlists } from '@ringwire/media-server/files/playlists.js';
import { UrlCache } from '@ringwire/media-server/files/url-cache.js';
import { ClipCache } from '@ringwire/media-server/media/audio-clip.js';
import type { Clip } from '@ringwire/media-server/media/decoding/clip.js';
import { InbandDigits } from '@ringwire/media-server/media/inband-digits.js';
import type { PlayItem } from '@ringwire/media-server/media/protocol.js';
import { openSource } from '@ringwire/media-server/media/sources.js';
import { frameSamples, type LegRate } from '@ringwire/rtp';
import type { MediaInput } from './input.js';

/** Files lie under few names, so that what was read before is found changed. */
const NAMES = 64;
/** Frames of 20 ms that are listened to: what is longer, or endless, is left. */
const MAX_FRAMES = 500;
/** A decoder that has not given an answer by then hangs. */
const DECODE_MS = 20_000;

/** Plays files as a media thread does, from name to last sample, without waiting for the time that they take. */
export class FilePlayer {
  private readonly clips = new ClipCache();
  private readonly playlists: Playlists;

  /** @param folder where the files are written */
  constructor(private readonly folder: string) {
    const counters = new ServerCounters();
    const urls = new UrlCache(join(folder, 'cache'), counters, {
      guard: new AddressGuard({ allowPrivate: 'loopback' }),
      deadlineMs: 1000,
    });
    this.playlists = new Playlists({ soundsDir: folder, urls, counters, onProblem: () => {} });
    writeFileSync(join(folder, 'tones.ttml'), '%(20,20,440)\n%(20,0,480)\n');
  }

  /** Plays one. What is broken is refused with a reason; everything else is an error of ours. @throws when there is one */
  async play(input: MediaInput): Promise<void> {
    const rateHz: LegRate = input.n % 2 === 0 ? 8000 : 16000;
    const text = input.bytes.toString('utf8');
    if (input.kind === 'dial') {
      dial(text, rateHz);
    } else if (input.kind === 'tones') {
      await this.listen(await this.playlists.resolveOne(`tone_stream://${text}`), rateHz);
    } else if (input.kind === 'playlist') {
      for (const item of await this.playlists.resolve(text, '!', new AbortController().signal))
        await this.listen(item, rateHz);
    } else {
      const path = join(this.folder, `${input.n % NAMES}${input.to}`);
      writeFileSync(path, input.bytes);
      const startFrames = input.n % 16 === 0 ? input.bytes.length * 7 : 0;
      await this.listen({ kind: 'file', name: path, path, startFrames }, rateHz);
    }
  }

  private async listen(item: PlayItem, rateHz: LegRate): Promise<void> {
    let opened: Awaited<ReturnType<typeof openSource>>;
    try {
      opened = await inTime(openSource(item, this.clips, rateHz, () => {}));
      // All of it, so that the decoder's work for one file is over before the next begins.
      const { clip } = opened as { clip?: Clip };
      if (clip) await inTime(clip.whenReady(Number.POSITIVE_INFINITY));
    } catch (error) {
      if (isRefusal(error)) return;
      throw error;
    }
    const samples = frameSamples(rateHz);
    const frame = new Int16Array(samples);
    for (let i = 0; i < MAX_FRAMES; i++) {
      if (i === 20) opened.setSpeed?.(1.5);
      if (i === 40) opened.setSpeed?.(1);
      const got = opened.read(frame, 0, samples);
      if (!(got >= 0 && got <= samples)) throw new RangeError(`a source gave ${got} of ${samples} samples`);
      if (got < samples) break;
    }
    opened.seek?.(50, false);
    opened.seek?.(-1e9, true);
    opened.read(frame, 0, samples);
    opened.seek?.(1e12, true);
    opened.read(frame, 0, samples);
    if (!Number.isFinite(opened.positionFrames)) throw new RangeError(`it stands at ${opened.positionFrames}`);
  }
}

/** What cannot be played says so by an error with a code of ours or the system's; Node's own are nobody's intention. */
function isRefusal(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' && !code.startsWith('ERR_');
}

function dial(text: string, rateHz: LegRate): void {
  const digits = new InbandDigits();
  for (const part of parseDialString(text)) digits.queue(part.digits, part.durationMs);
  const frame = new Int16Array(frameSamples(rateHz));
  for (let i = 0; i < MAX_FRAMES && digits.read(frame, rateHz); i++);
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = sleep(DECODE_MS, undefined, { signal: over.signal }).then(() => {
    throw new RangeError(`nothing came of it within ${DECODE_MS} ms`);
  });
  // The race below reports it; where the work has won, its end by `over` is nobody's.
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}
