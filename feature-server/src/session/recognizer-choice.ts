import type { RecognizerSpec } from '@ringwire/verb-specs';
import { hintsOf, type RecognizerChoice } from '../speech/recognition-service.js';
import type { RecognizerSettings } from '../speech/recognizer.js';

/** A recognizer as an application has it. */
interface ApplicationRecognizer {
  vendor: string;
  label?: string;
  language: string;
}

/**
 * Who listens: a verb's settings over the session's over the application's, with the fallback of the first that names one (compat 1.5).
 * Hints and further languages of the session are added to the verb's.
 */
export function chooseRecognizer({
  application,
  fallback,
  session,
  verb,
  interim,
}: {
  application: ApplicationRecognizer;
  fallback: ApplicationRecognizer | undefined;
  session: Partial<RecognizerSpec>;
  /** Without values that keep what is in force. */
  verb: Partial<RecognizerSpec>;
  interim: boolean;
}): RecognizerChoice {
  const merged = { ...application, ...session, ...verb };
  const hints = [...new Set([...hintsOf(verb.hints), ...hintsOf(session.hints)])];
  const altLanguages = [...new Set([...(verb.altLanguages ?? []), ...(session.altLanguages ?? [])])];
  const spec: Partial<RecognizerSpec> = {
    ...merged,
    ...(hints.length > 0 && { hints: [...(verb.hints ?? []), ...(session.hints ?? [])] }),
    ...(altLanguages.length > 0 && { altLanguages }),
  };
  const settings = (one: { vendor: string; label?: string; language: string }): RecognizerSettings => ({
    vendor: one.vendor,
    language: one.language,
    ...(one.label !== undefined && { label: one.label }),
    hints,
    interim: interim || merged.interim === true,
    spec,
  });
  // Credentials belong to their vendor.
  const label = verb.vendor !== undefined ? verb.label : merged.label;
  const main = { vendor: merged.vendor, language: merged.language, ...(label !== undefined && { label }) };
  const { fallbackVendor, fallbackLabel, fallbackLanguage } = merged;
  const second =
    fallbackVendor !== undefined
      ? {
          vendor: fallbackVendor,
          language: fallbackLanguage ?? merged.language,
          ...(fallbackLabel !== undefined && { label: fallbackLabel }),
        }
      : fallback;
  return { settings: settings(main), ...(second && { fallback: settings(second) }) };
}
