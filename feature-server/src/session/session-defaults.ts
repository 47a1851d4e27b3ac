import type { SynthesizerSpec } from '@ringwire/verb-specs';
import type { VoiceSettings } from '../speech/synthesizer.js';

/** Speech settings of an application, as the database has them. */
export interface ApplicationSpeech {
  synthesizer: VoiceSettings;
  /** The application's own second vendor, where it has one. */
  synthesizerFallback?: VoiceSettings;
  recognizer: { vendor: string; label?: string; language: string };
}

/** A voice with the one that takes over when it fails. */
export interface VoiceChoice {
  settings: VoiceSettings;
  fallback?: VoiceSettings;
}

/** `default` in a field keeps the value that is in force (jambonz). */
const keeps = (value: unknown): boolean => value === undefined || value === 'default';

/**
 * The speech settings in force on a call: the application's, changed by `config`. A verb's own settings are laid over
 * them for that verb only.
 */
export class SessionDefaults {
  #synthesizer: Partial<SynthesizerSpec> = {};
  #recognizer: Record<string, unknown> = {};
  /** Session default of `disableTtsCache`. */
  disableTtsCache = false;
  /** Whether `verb:status` messages go out (`config.notifyEvents`). */
  notifiesEvents = false;

  constructor(private readonly application: ApplicationSpeech) {}

  mergeSynthesizer(spec: SynthesizerSpec): void {
    // Another vendor's voice means nothing to the new vendor, so nothing of it stays.
    const changesVendor = !keeps(spec.vendor) && spec.vendor !== this.voice().settings.vendor;
    this.#synthesizer = { ...(changesVendor ? {} : this.#synthesizer), ...withoutKept(spec) };
  }

  mergeRecognizer(spec: Record<string, unknown>): void {
    this.#recognizer = { ...this.#recognizer, ...withoutKept(spec) };
  }

  /** `synthesizer` or `recognizer`: back to the application's. */
  reset(what: string): void {
    if (what === 'synthesizer') this.#synthesizer = {};
    if (what === 'recognizer') this.#recognizer = {};
  }

  /** The recognizer in force. */
  recognizer(): Record<string, unknown> {
    return { ...this.application.recognizer, ...this.#recognizer };
  }

  /** The voice for a verb: its own settings over the session's over the application's. */
  voice(spec: Partial<SynthesizerSpec> = {}): VoiceChoice {
    const base = overlay(this.application.synthesizer, this.#synthesizer);
    const settings = overlay(base, spec);
    const own = { ...this.#synthesizer, ...withoutKept(spec) };
    const fallback = own.fallbackVendor
      ? voiceSettings(
          own.fallbackVendor,
          own.fallbackLabel,
          own.fallbackLanguage ?? settings.language,
          own.fallbackVoice,
        )
      : this.application.synthesizerFallback;
    return { settings, ...(fallback && { fallback }) };
  }

  /** `defaults` of the first request to the application (compat 2.3). */
  payload(): Record<string, unknown> {
    const { synthesizer, synthesizerFallback: fallback, recognizer } = this.application;
    const { vendor, label, language, voice } = synthesizer;
    return {
      synthesizer: {
        vendor,
        label,
        language,
        voice,
        fallbackVendor: fallback?.vendor,
        fallbackLabel: fallback?.label,
        fallbackLanguage: fallback?.language,
        fallbackVoice: fallback?.voice,
      },
      recognizer,
    };
  }
}

function overlay(base: VoiceSettings, spec: Partial<SynthesizerSpec>): VoiceSettings {
  const own = withoutKept(spec);
  const vendor = own.vendor ?? base.vendor;
  const inherited = vendor === base.vendor ? base : { vendor, language: base.language };
  return {
    ...inherited,
    vendor,
    ...(own.label !== undefined && { label: own.label }),
    ...(own.language !== undefined && { language: own.language }),
    ...(typeof own.voice === 'string' && { voice: own.voice }),
    ...(own.gender !== undefined && { gender: own.gender }),
    ...(own.engine !== undefined && { engine: own.engine }),
    ...(own.options !== undefined && { options: own.options as Record<string, unknown> }),
  };
}

function voiceSettings(vendor: string, label: string | undefined, language: string, voice: unknown): VoiceSettings {
  return { vendor, language, ...(label !== undefined && { label }), ...(typeof voice === 'string' && { voice }) };
}

function withoutKept<T extends object>(spec: T): Partial<T> {
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => !keeps(value))) as Partial<T>;
}
