import type {
  ActionHookDelaySpec,
  FillerNoiseSpec,
  RecognizerSpec,
  SynthesizerSpec,
  VadSpec,
} from '@ringwire/verb-specs';
import type { RecognizerChoice } from '../speech/recognition-service.js';
import type { VoiceSettings } from '../speech/synthesizer.js';
import { chooseRecognizer } from './recognizer-choice.js';

/** Speech settings of an application, as the database has them. */
export interface ApplicationSpeech {
  synthesizer: VoiceSettings;
  /** The application's own second vendor, where it has one. */
  synthesizerFallback?: VoiceSettings;
  recognizer: { vendor: string; label?: string; language: string };
  /** The application's own second vendor, where it has one. */
  recognizerFallback?: ApplicationSpeech['recognizer'];
}

/** A voice with the one that takes over when it fails. */
export interface VoiceChoice {
  settings: VoiceSettings;
  fallback?: VoiceSettings;
}

/** What {@link SessionDefaults} holds besides the application's settings. */
export interface DefaultsState {
  synthesizer: Partial<SynthesizerSpec>;
  recognizer: Record<string, unknown>;
  disableTtsCache: boolean;
  notifiesEvents: boolean;
  /** Absent from a feature server of an older version. */
  notifiesSttLatency?: boolean;
  autoStreamTts: boolean;
  trackTtsPlayout: boolean;
  usesFallbackVoice: boolean;
  fillerNoise?: FillerNoiseSpec;
  actionHookDelay?: ActionHookDelaySpec;
  vad?: VadSpec;
  onHoldMusic?: string;
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
  /** Whether speech hooks tell how long recognition took (`config.notifySttLatency`). */
  notifiesSttLatency = false;
  /** `config.vad`, below what a verb's recognizer says. */
  vad: Readonly<VadSpec> = {};
  /** Whether `verb:status` messages go out (`config.notifyEvents`). */
  notifiesEvents = false;
  /** Whether every `say` of a WebSocket application is streamed. */
  autoStreamTts = false;
  /** Whether a WebSocket application hears what was really spoken of what it streamed. */
  trackTtsPlayout = false;
  /** Of `config`; a verb's own counts before it. */
  fillerNoise: FillerNoiseSpec | undefined;
  actionHookDelay: ActionHookDelaySpec | undefined;
  /** URL of what is heard while on hold. */
  onHoldMusic: string | undefined;
  /** How much louder the caller hears the call, dB; undefined: as it is. */
  gainDb: number | undefined;
  /** The first vendor has failed on this call: its fallback speaks from now on, until another voice is chosen. */
  usesFallbackVoice = false;

  constructor(private readonly application: ApplicationSpeech) {}

  mergeSynthesizer(spec: SynthesizerSpec): void {
    // Another vendor's voice means nothing to the new vendor, so nothing of it stays.
    const changesVendor = !keeps(spec.vendor) && spec.vendor !== this.voice().settings.vendor;
    this.#synthesizer = { ...(changesVendor ? {} : this.#synthesizer), ...withoutKept(spec) };
    this.usesFallbackVoice = false;
  }

  mergeRecognizer(spec: Record<string, unknown>): void {
    this.#recognizer = { ...this.#recognizer, ...withoutKept(spec) };
  }

  /** `synthesizer` or `recognizer`: back to the application's. @returns false where it is neither */
  reset(what: string): boolean {
    if (what === 'synthesizer') {
      this.#synthesizer = {};
      this.usesFallbackVoice = false;
      return true;
    }
    if (what !== 'recognizer') return false;
    this.#recognizer = {};
    return true;
  }

  /** What of this another feature server needs to go on with the call. */
  get state(): DefaultsState {
    const { fillerNoise, actionHookDelay, vad, onHoldMusic } = this;
    return {
      synthesizer: this.#synthesizer,
      recognizer: this.#recognizer,
      disableTtsCache: this.disableTtsCache,
      notifiesEvents: this.notifiesEvents,
      notifiesSttLatency: this.notifiesSttLatency,
      autoStreamTts: this.autoStreamTts,
      trackTtsPlayout: this.trackTtsPlayout,
      usesFallbackVoice: this.usesFallbackVoice,
      ...(fillerNoise && { fillerNoise }),
      ...(actionHookDelay && { actionHookDelay }),
      ...(vad && { vad }),
      ...(onHoldMusic !== undefined && { onHoldMusic }),
    };
  }

  restore({ synthesizer, recognizer, ...settings }: DefaultsState): void {
    this.#synthesizer = synthesizer;
    this.#recognizer = recognizer;
    Object.assign(this, settings);
  }

  /** The recognizer in force. */
  recognizer(): Record<string, unknown> {
    return { ...this.application.recognizer, ...this.#recognizer };
  }

  /** The recognizer for a verb: its own settings over the session's over the application's. */
  recognizerChoice(spec: Partial<RecognizerSpec> = {}, interim = false): RecognizerChoice {
    const { recognizer, recognizerFallback } = this.application;
    return chooseRecognizer({
      application: recognizer,
      fallback: recognizerFallback,
      session: this.#recognizer,
      verb: withoutKept(spec),
      interim,
    });
  }

  /** The voice for a verb: its own settings over the session's over the application's. */
  voice(spec: Partial<SynthesizerSpec> = {}): VoiceChoice {
    const base = overlay(this.application.synthesizer, this.#synthesizer);
    const settings = overlay(base, spec);
    const fallback = this.#fallback(spec, settings.language);
    // A voice that the verb brings itself has not failed yet.
    if (fallback && this.usesFallbackVoice && keeps(spec.vendor)) return { settings: fallback };
    return { settings, ...(fallback && { fallback }) };
  }

  #fallback(spec: Partial<SynthesizerSpec>, language: string): VoiceSettings | undefined {
    const own = { ...this.#synthesizer, ...withoutKept(spec) };
    return own.fallbackVendor
      ? voiceSettings(own.fallbackVendor, own.fallbackLabel, own.fallbackLanguage ?? language, own.fallbackVoice)
      : this.application.synthesizerFallback;
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
  // Who names a vendor names its credentials too, or wants those without a label (compat 1.5).
  const { label, ...unlabelled } = inherited;
  const keepsLabel = own.vendor === undefined || spec.label === 'default';
  return {
    ...unlabelled,
    vendor,
    ...(label !== undefined && keepsLabel && { label }),
    ...(own.label !== undefined && { label: own.label }),
    ...(own.language !== undefined && { language: own.language }),
    ...(own.voice !== undefined && { voice: own.voice }),
    ...(own.gender !== undefined && { gender: own.gender }),
    ...(own.engine !== undefined && { engine: own.engine }),
    ...(own.options !== undefined && { options: own.options as Record<string, unknown> }),
  };
}

function voiceSettings(
  vendor: string,
  label: string | undefined,
  language: string,
  voice: VoiceSettings['voice'],
): VoiceSettings {
  return { vendor, language, ...(label !== undefined && { label }), ...(voice !== undefined && { voice }) };
}

function withoutKept<T extends object>(spec: T): Partial<T> {
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => !keeps(value))) as Partial<T>;
}
