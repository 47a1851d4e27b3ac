import type { RecognizerSpec } from '@ringwire/verb-specs';
import type { SpeechResult } from '../speech/ear.js';
import { secondsToMs } from './quantities.js';

/** What of a gather decides when speech is complete. Times in ms; absent means "no such rule". */
export interface SpeechRules {
  /** Results are put together until the caller is silent for so long. */
  asrTimeoutMs?: number;
  /** This key ends what is put together. */
  terminationDigit?: string;
  /** 0 to 1. */
  minConfidence?: number;
  /** An interim result that does not change for so long counts as final. */
  fastRecognitionMs?: number;
}

/** How a gather of speech ends. */
export type SpeechOutcome =
  | { reason: 'speechDetected'; speech: CollectedSpeech }
  | { reason: 'stt-low-confidence'; speech: CollectedSpeech };

/** A result, or several put together, whose vendor events are a list then. */
export type CollectedSpeech = SpeechResult;

/** Reads the rules out of the recognizer in force; `speechTimeout` (s) of a gather is another name of `asrTimeout`. */
export function speechRules(spec: Readonly<Partial<RecognizerSpec>>, speechTimeout?: number | string): SpeechRules {
  const asrTimeoutMs = secondsToMs(spec.asrTimeout) || secondsToMs(speechTimeout);
  const fastRecognitionMs = secondsToMs(spec.fastRecognitionTimeout);
  return {
    ...(asrTimeoutMs && { asrTimeoutMs }),
    ...(spec.asrDtmfTerminationDigit && { terminationDigit: spec.asrDtmfTerminationDigit }),
    ...(spec.minConfidence && { minConfidence: spec.minConfidence }),
    ...(fastRecognitionMs && { fastRecognitionMs }),
  };
}

/** Finals beyond this are one utterance that nobody would read. */
const MAX_PARTS = 200;

/**
 * Decides when what was said is complete. Knows no clock: it says which timer should run and is told when it fires, so that its rules
 * can be tried without waiting.
 */
export class SpeechCollector {
  #parts: SpeechResult[] = [];
  #interim: SpeechResult | undefined;

  constructor(private readonly rules: SpeechRules) {}

  /** Whether results are put together instead of the first one deciding. */
  get isContinuous(): boolean {
    return this.rules.asrTimeoutMs !== undefined || this.rules.terminationDigit !== undefined;
  }

  /** Whether anything was understood that waits for more. */
  get hasParts(): boolean {
    return this.#parts.length > 0;
  }

  /** A result that may change. @returns whether it differs from the one before */
  interim(speech: SpeechResult): boolean {
    const isNew = speech.alternatives[0]?.transcript !== this.#interim?.alternatives[0]?.transcript;
    this.#interim = speech;
    return isNew;
  }

  /** A final result: the outcome, or undefined where more is waited for. */
  final(speech: SpeechResult): SpeechOutcome | undefined {
    this.#interim = undefined;
    if (!speech.alternatives[0]?.transcript.trim()) return undefined;
    this.#parts.push(speech);
    return this.isContinuous && this.#parts.length < MAX_PARTS ? undefined : this.complete();
  }

  /** The caller was silent for long enough, pressed the key, or time is up; undefined: nothing was understood. */
  complete(): SpeechOutcome | undefined {
    if (this.#interim?.alternatives[0]?.transcript.trim()) this.#parts.push({ ...this.#interim, isFinal: true });
    this.#interim = undefined;
    const speech = together(this.#parts);
    if (!speech) return undefined;
    const { minConfidence = 0 } = this.rules;
    const isSure = (speech.alternatives[0]?.confidence ?? 1) >= minConfidence;
    return { reason: isSure ? 'speechDetected' : 'stt-low-confidence', speech };
  }
}

/** Several finals as one: transcripts joined, digits without blanks between them, confidence averaged (compat 1.5). */
function together(parts: readonly SpeechResult[]): CollectedSpeech | undefined {
  const [first] = parts;
  if (!first || parts.length === 1) return first;
  const best = parts.map(({ alternatives }) => alternatives[0]).filter((one) => one !== undefined);
  const transcript = best.reduce((text, { transcript: next }) => {
    const isRunOfDigits = /\d$/.test(text) && /^\d/.test(next.trim());
    return isRunOfDigits ? `${text}${next.trim()}` : `${text} ${next.trim()}`.trim();
  }, '');
  const confidence = best.reduce((sum, one) => sum + one.confidence, 0) / best.length;
  return {
    ...first,
    isFinal: true,
    alternatives: [{ transcript, confidence: Number(confidence.toFixed(3)) }],
    vendor: { name: first.vendor.name, evt: parts.map(({ vendor }) => vendor.evt) },
  };
}

/** Words of the best reading. */
export function wordCount(speech: SpeechResult): number {
  return speech.alternatives[0]?.transcript.split(/\s+/).filter((word) => word !== '').length ?? 0;
}
