import { readFile } from 'node:fs/promises';
import { SynthesisError } from '../errors.js';
import type { Journal } from '../session/journal.js';
import type { Synthesizer, VoiceSettings } from './synthesizer.js';
import { trackSound } from './track-sound.js';
import { TtsCache } from './tts-cache.js';

/** Audio ready to be played. */
export interface SpeechClip {
  file: string;
  /** The vendor that really spoke. */
  vendor: string;
  language: string;
  /** Of the text. */
  characters: number;
  cached: boolean;
  ms: number;
  /** Removes audio that was made for one use; cached audio stays. */
  release(): Promise<void>;
}

/** What is to be spoken, by whom, and by whom otherwise. */
export interface SpeechOrder {
  texts: readonly string[];
  settings: VoiceSettings;
  fallback?: VoiceSettings;
  /** Neither looks the audio up nor keeps it. */
  noCache?: boolean;
  signal?: AbortSignal;
  /** A vendor could not speak. */
  onFailure?: (failure: VendorFailure) => void;
}

/** A vendor that could not speak. */
export interface VendorFailure {
  vendor: string;
  reason: string;
  /** Who is asked next; undefined when nobody is left. */
  next: string | undefined;
  /** It was the order's own vendor, and its fallback is asked next. */
  isToFallback: boolean;
  /** The account has heard the same before in this call. */
  isKnown: boolean;
}

/** Options of {@link SpeechService}. */
export interface SpeechServiceOptions {
  vendors: readonly Synthesizer[];
  /** Speaks when the wanted vendor is not configured or fails. */
  defaultVendor: string;
  cache: TtsCache;
  /** Called once per synthesis, for metrics. */
  onSynthesis?: (vendor: string, outcome: 'cached' | 'made' | 'failed', ms: number) => void;
}

/**
 * Turns text into audio files. The wanted vendor is tried first, then the fallback vendor, then the default: the caller
 * hears something as long as anyone can speak, and the account hears of what went wrong.
 */
export class SpeechService {
  readonly #vendors: ReadonlyMap<string, Synthesizer>;

  constructor(private readonly options: SpeechServiceOptions) {
    this.#vendors = new Map(options.vendors.map((vendor) => [vendor.vendor, vendor]));
  }

  /** One clip for each text, all in one voice. @throws SynthesisError when no vendor could speak. */
  async speak(order: SpeechOrder, journal: Journal): Promise<SpeechClip[]> {
    const failures: string[] = [];
    const chain = this.#chain(order);
    for (const [index, settings] of chain.entries()) {
      const next = chain[index + 1]?.vendor;
      const { vendor } = settings;
      const failed = (reason: string, isKnown: boolean): void => {
        const isToFallback = index === 0 && order.fallback !== undefined;
        order.onFailure?.({ vendor, reason, next, isToFallback, isKnown });
      };
      const synthesizer = this.#vendors.get(vendor);
      if (!synthesizer) {
        const text = `speech vendor "${vendor}" is not configured`;
        failures.push(text);
        // Once per call: it is the same for each sentence.
        const isNews = journal.alert('no-tts', text);
        if (isNews) journal.timeline.warn('speech', `${text}, ${next ? `"${next}"` : 'nobody'} speaks instead`);
        failed(text, !isNews);
        continue;
      }
      try {
        return await this.#makeAll(synthesizer, settings, order, journal);
      } catch (error) {
        if (order.signal?.aborted) throw error;
        const text = error instanceof Error ? error.message : String(error);
        failures.push(`${vendor}: ${text}`);
        this.options.onSynthesis?.(vendor, 'failed', 0);
        journal.timeline.error('speech', `${vendor} could not speak: ${text}`);
        journal.alert('tts-failure', `${vendor}: ${text}`);
        failed(text, false);
      }
    }
    throw new SynthesisError(`nobody could speak: ${failures.join('; ')}`, { failures });
  }

  /**
   * Another file with a clip's sound, as a track of a call can play it ({@link trackSound}).
   * @throws SynthesisError when the clip cannot be read
   */
  async copyForTrack(file: string): Promise<{ file: string; release(): Promise<void> }> {
    const { cache } = this.options;
    try {
      const copy = await cache.writeTemporary(await trackSound(await readFile(file)), 'r8');
      return { file: copy, release: () => cache.discard(copy) };
    } catch (cause) {
      throw new SynthesisError('what was spoken cannot be played on a track', { file }, { cause });
    }
  }

  #chain({ settings, fallback }: SpeechOrder): VoiceSettings[] {
    const chain = [normalize(settings, this.options.defaultVendor)];
    if (fallback) chain.push(normalize(fallback, this.options.defaultVendor));
    if (!chain.some(({ vendor }) => vendor === this.options.defaultVendor)) {
      // A voice belongs to its vendor: the default vendor only learns the language.
      chain.push({ vendor: this.options.defaultVendor, language: settings.language });
    }
    return chain;
  }

  async #makeAll(
    synthesizer: Synthesizer,
    settings: VoiceSettings,
    order: SpeechOrder,
    journal: Journal,
  ): Promise<SpeechClip[]> {
    const made = await Promise.allSettled(
      order.texts.map((text) => this.#make(synthesizer, settings, text, order, journal)),
    );
    const failure = made.find(({ status }) => status === 'rejected');
    const clips = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (failure?.status !== 'rejected') return clips;
    await Promise.all(clips.map((clip) => clip.release()));
    throw failure.reason;
  }

  async #make(
    synthesizer: Synthesizer,
    settings: VoiceSettings,
    text: string,
    order: SpeechOrder,
    journal: Journal,
  ): Promise<SpeechClip> {
    const startedAt = performance.now();
    const request = { ...settings, text, ...(order.signal && { signal: order.signal }) };
    const found = order.noCache
      ? { file: await this.options.cache.writeTemporary(await synthesizer.synthesize(request)), cached: false }
      : await this.options.cache.get(
          TtsCache.key({ vendor: synthesizer.vendor, ...synthesizer.canonical(request) }),
          // Without the caller's signal: another call may be waiting for the same words.
          () => synthesizer.synthesize({ ...settings, text }),
        );
    const ms = Math.round(performance.now() - startedAt);
    const { vendor } = synthesizer;
    const { language } = settings;
    this.options.onSynthesis?.(vendor, found.cached ? 'cached' : 'made', ms);
    const characters = text.length;
    const how = found.cached ? 'from cache' : `in ${ms} ms`;
    journal.timeline.info('speech', `${vendor}: ${characters} characters ${how}`, {
      vendor,
      language,
      chars: characters,
      ms,
      cached: found.cached,
    });
    const release = () => (order.noCache ? this.options.cache.discard(found.file) : Promise.resolve());
    return { ...found, vendor, language, characters, ms, release };
  }
}

/** `default` names the configured default vendor (jambonz's portal writes it). */
function normalize(settings: VoiceSettings, defaultVendor: string): VoiceSettings {
  const vendor = settings.vendor.toLowerCase();
  return { ...settings, vendor: vendor === 'default' || vendor === '' ? defaultVendor : vendor };
}
