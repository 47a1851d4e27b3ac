import { readFile } from 'node:fs/promises';

/** Phrases of voicemail greetings by language: BCP 47 tags, or their first part. */
export type VoicemailHints = Readonly<Record<string, readonly string[]>>;

/** Those that are built in. */
export const VOICEMAIL_HINTS: VoicemailHints = {
  en: [
    ...['leave a message', 'leave your message', 'leave me a message', 'record your message', 'after the tone'],
    ...[
      'after the beep',
      'at the tone',
      'voice mail',
      'voicemail',
      'mailbox',
      'is not available',
      'not available to take',
    ],
    ...['unable to take your call', 'cannot take your call', 'can not take your call', 'call has been forwarded'],
    ...['reached the voice', 'get back to you as soon'],
  ],
};

/**
 * The phrases of `VMD_HINTS_FILE`: a JSON object of lists by language, in place of ours for these languages.
 *
 * @throws Error that names the file where it cannot be read
 */
export async function readVoicemailHints(file: string | undefined): Promise<VoicemailHints> {
  if (file === undefined) return VOICEMAIL_HINTS;
  try {
    const given: unknown = JSON.parse(await readFile(file, 'utf8'));
    const lists = Object.entries(given as Record<string, unknown>);
    if (!lists.every(([, list]) => Array.isArray(list) && list.every((one) => typeof one === 'string'))) {
      throw new Error('must be an object of lists of texts by language');
    }
    return { ...VOICEMAIL_HINTS, ...(given as VoicemailHints) };
  } catch (cause) {
    throw new Error(`VMD_HINTS_FILE ${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** The phrases of a language: `en-US` finds those of `en-US` and of `en`. */
export function hintsFor(hints: VoicemailHints, language: string): readonly string[] {
  const [base = ''] = language.split('-');
  return [...(hints[language] ?? []), ...(base === language ? [] : (hints[base] ?? []))];
}
