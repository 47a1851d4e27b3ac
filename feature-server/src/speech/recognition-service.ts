import type { RecognizerSpec } from '@ringwire/verb-specs';
import type { Recognizer, RecognizerSettings } from './recognizer.js';

/** A recognizer with the one that takes over, once, when it fails. */
export interface RecognizerChoice {
  settings: RecognizerSettings;
  fallback?: RecognizerSettings;
}

/** Options of {@link RecognitionService}. */
export interface RecognitionServiceOptions {
  vendors: readonly Recognizer[];
  /** Listens where the wanted vendor is not configured, in the languages that it knows. */
  defaultVendor: string;
  /** Called once per session with a vendor and per failure, for metrics. */
  onRecognition?: (vendor: string, outcome: 'opened' | 'failed') => void;
}

/** The vendors that listen. */
export class RecognitionService {
  readonly #vendors: ReadonlyMap<string, Recognizer>;

  constructor(private readonly options: RecognitionServiceOptions) {
    this.#vendors = new Map(options.vendors.map((vendor) => [vendor.vendor, vendor]));
  }

  /** The vendor of some settings; undefined where it is not configured. */
  find({ vendor }: RecognizerSettings): Recognizer | undefined {
    return this.#vendors.get(vendor.startsWith('custom:') ? 'custom' : vendor);
  }

  /**
   * Who is asked, in order: the wanted vendor, and the fallback. Where neither is configured the default vendor listens if it knows the
   * language. `missing` are the vendors that were passed over.
   */
  chain({ settings, fallback }: RecognizerChoice): { chain: RecognizerSettings[]; missing: string[] } {
    const { defaultVendor } = this.options;
    const wanted = [settings, ...(fallback ? [fallback] : [])].map((one) => normalize(one, defaultVendor));
    const chain = wanted.filter((one) => this.find(one));
    const missing = wanted.filter((one) => !this.find(one)).map(({ vendor }) => vendor);
    const main = wanted[0];
    if (chain.length === 0 && main) {
      const instead = { ...main, vendor: defaultVendor };
      if (this.find(instead)?.speaks(main.language)) chain.push(instead);
    }
    return { chain, missing };
  }

  /** For metrics. */
  note(vendor: string, outcome: 'opened' | 'failed'): void {
    this.options.onRecognition?.(vendor, outcome);
  }
}

/** The phrases of `hints`, which are strings or have a boost. */
export function hintsOf(hints: RecognizerSpec['hints']): string[] {
  const listed: readonly unknown[] = hints ?? [];
  return listed
    .map((hint) => (typeof hint === 'string' ? hint : (hint as { phrase?: unknown } | null)?.phrase))
    .filter((phrase): phrase is string => typeof phrase === 'string');
}

/** `default` names the configured default vendor; `custom` is `custom:` without a name. */
function normalize(settings: RecognizerSettings, defaultVendor: string): RecognizerSettings {
  const { vendor } = settings;
  if (/^custom(:|$)/i.test(vendor)) return { ...settings, vendor: vendor.replace(/^custom:?/i, 'custom:') };
  const lower = vendor.toLowerCase();
  return { ...settings, vendor: lower === 'default' || lower === '' ? defaultVendor : lower };
}
