/** Who speaks, and how; the merge of verb, session and application settings. */
export interface VoiceSettings {
  vendor: string;
  label?: string;
  /** BCP 47 tag: `en-US`. */
  language: string;
  /** The vendor's own name of a voice, or its object that describes one. */
  voice?: string | Readonly<Record<string, unknown>>;
  gender?: string;
  engine?: string;
  /** How to speak, in words, for vendors that understand that. */
  instructions?: string;
  /** Vendor options, passed on untouched. */
  options?: Record<string, unknown>;
}

/** One piece of text to be spoken. */
export interface SynthesisRequest extends VoiceSettings {
  /** Plain text, or SSML when it starts with `<speak`. */
  text: string;
  signal?: AbortSignal;
}

/** A speech vendor. One file per vendor implements it; only the registry imports those files. */
export interface Synthesizer {
  /** jambonz's vendor identifier, in lower case. */
  readonly vendor: string;
  /**
   * Whatever of the request decides how the audio sounds, in the vendor's own terms; it is what the cache is keyed by,
   * so that two spellings of one voice share their audio.
   */
  canonical(request: SynthesisRequest): Record<string, unknown>;
  /**
   * Speaks. Resolves to a complete WAV file.
   * @throws SynthesisError
   */
  synthesize(request: SynthesisRequest): Promise<Buffer>;
}

/** Whether a text is SSML. */
export function isSsml(text: string): boolean {
  return /^\s*<speak[\s>]/i.test(text);
}
