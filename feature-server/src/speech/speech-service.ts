import { SynthesisError } from '../errors.js';
import type { Journal } from '../session/journal.js';
import type { Synthesizer, VoiceSettings } from './synthesizer.js';
import { TtsCache } from './tts-cache.js';

/** Audio ready to be played. */
export interface SpeechClip {
  file: string;
  /** The vendor that really spoke. */
  vendor: string;
  cached: boolean;
  ms: number;
  /** Removes audio that was made for one use; cached audio stays. */
  release(): Promise<void>;
}

/** What is to be spoken, by whom, and by whom otherwise. */
export interface SpeechOrder {
  text: string;
  settings: VoiceSettings;
  fallback?: VoiceSettings;
  /** Neither looks the audio up nor keeps it. */
  noCache?: boolean;
  signal?: AbortSignal;
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

  /** @throws SynthesisError when no vendor could speak. */
  async speak(order: SpeechOrder, journal: Journal): Promise<SpeechClip> {
    const failures: string[] = [];
    for (const settings of this.#chain(order)) {
      const synthesizer = this.#vendors.get(settings.vendor);
      if (!synthesizer) {
        const text = `speech vendor "${settings.vendor}" is not configured`;
        failures.push(text);
        // Once per call: it is the same for each sentence.
        if (journal.alert('no-tts', text)) {
          journal.timeline.warn('speech', `${text}, "${this.options.defaultVendor}" speaks instead`);
        }
        continue;
      }
      try {
        return await this.#make(synthesizer, settings, order, journal);
      } catch (error) {
        if (order.signal?.aborted) throw error;
        const text = error instanceof Error ? error.message : String(error);
        failures.push(`${settings.vendor}: ${text}`);
        this.options.onSynthesis?.(settings.vendor, 'failed', 0);
        journal.timeline.error('speech', `${settings.vendor} could not speak: ${text}`);
        journal.alert('tts-failure', `${settings.vendor}: ${text}`);
      }
    }
    throw new SynthesisError(`nobody could speak: ${failures.join('; ')}`, { failures });
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

  async #make(
    synthesizer: Synthesizer,
    settings: VoiceSettings,
    order: SpeechOrder,
    journal: Journal,
  ): Promise<SpeechClip> {
    const startedAt = performance.now();
    const request = { ...settings, text: order.text, ...(order.signal && { signal: order.signal }) };
    const found = order.noCache
      ? { file: await this.options.cache.writeTemporary(await synthesizer.synthesize(request)), cached: false }
      : await this.options.cache.get(
          TtsCache.key({ vendor: synthesizer.vendor, ...synthesizer.canonical(request) }),
          // Without the caller's signal: another call may be waiting for the same words.
          () => synthesizer.synthesize({ ...settings, text: order.text }),
        );
    const ms = Math.round(performance.now() - startedAt);
    const vendor = synthesizer.vendor;
    this.options.onSynthesis?.(vendor, found.cached ? 'cached' : 'made', ms);
    const chars = order.text.length;
    journal.timeline.info('speech', `${vendor}: ${chars} characters ${found.cached ? 'from cache' : `in ${ms} ms`}`, {
      vendor,
      language: settings.language,
      chars,
      ms,
      cached: found.cached,
    });
    const release = () => (order.noCache ? this.options.cache.discard(found.file) : Promise.resolve());
    return { ...found, vendor, ms, release };
  }
}

/** `default` names the configured default vendor (jambonz's portal writes it). */
function normalize(settings: VoiceSettings, defaultVendor: string): VoiceSettings {
  const vendor = settings.vendor.toLowerCase();
  return { ...settings, vendor: vendor === 'default' || vendor === '' ? defaultVendor : vendor };
}
