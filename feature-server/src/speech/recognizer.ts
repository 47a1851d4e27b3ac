import type { RecognizerSpec } from '@ringwire/verb-specs';

/** Who listens, and for what: the merge of verb, session and application settings. */
export interface RecognizerSettings {
  vendor: string;
  label?: string;
  /** BCP 47 tag: `en-US`. */
  language: string;
  /** Words and phrases that are likely. */
  hints: readonly string[];
  /** Whether results are wanted while the caller still speaks. */
  interim: boolean;
  /** Everything that was asked for, with the vendors' own options. */
  spec: Readonly<Partial<RecognizerSpec>>;
}

/** One possible reading of what was said. */
export interface Alternative {
  transcript: string;
  /** 0 to 1. */
  confidence: number;
}

/** What a vendor has heard. */
export interface HeardSpeech {
  isFinal: boolean;
  /** Best first; never empty. */
  alternatives: Alternative[];
  /** Where the vendor names one; else the language that was asked for. */
  languageCode?: string;
  /** The vendor's own message. */
  evt: unknown;
}

/** What a vendor says while it listens. */
export type RecognitionEvent =
  | { type: 'heard'; speech: HeardSpeech }
  /** Something else of the vendor, for transcription hooks. */
  | { type: 'vendor-event'; event: Readonly<Record<string, unknown>> }
  /** Nothing more comes. */
  | { type: 'failed'; reason: string };

/** What is to be recognized. */
export interface RecognitionOrder {
  settings: RecognizerSettings;
  callSid: string;
}

/** A vendor at work on one channel. */
export interface RecognitionSession {
  /** L16 mono at the vendor's {@link Recognizer.sampleRateFor}. */
  write(samples: Int16Array): void;
  /** Ends it; what is under way is given up. Never rejects. */
  close(): Promise<void>;
}

/** A speech vendor that listens. One file per vendor implements it; only the composition root imports those files. */
export interface Recognizer {
  /** jambonz's vendor identifier, in lower case; `custom` stands for all `custom:<name>`. */
  readonly vendor: string;
  /** Hz. */
  sampleRateFor(settings: RecognizerSettings): 8000 | 16000;
  /** Whether it knows a language. */
  speaks(language: string): boolean;
  /**
   * Begins to listen.
   * @throws RecognitionError
   */
  open(order: RecognitionOrder, onEvent: (event: RecognitionEvent) => void): Promise<RecognitionSession>;
}
