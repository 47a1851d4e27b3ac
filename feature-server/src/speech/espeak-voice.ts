/** What the installed espeak-ng can speak: languages and variants (`f3`, `m1`, `whisper`), in lower case. */
export interface EspeakVoices {
  languages: ReadonlySet<string>;
  variants: ReadonlySet<string>;
}

/** Language tags that applications use and espeak-ng calls differently. */
const LANGUAGE_ALIASES: Readonly<Record<string, string>> = {
  en: 'en-us',
  fr: 'fr-fr',
  zh: 'cmn',
  no: 'nb',
  iw: 'he',
  in: 'id',
  fil: 'tl',
  'zh-hk': 'yue',
  'yue-hk': 'yue',
  'es-us': 'es-419',
  'es-mx': 'es-419',
  'en-au': 'en-gb',
  'en-nz': 'en-gb',
  'en-ie': 'en-gb',
  'en-in': 'en-gb',
  'en-za': 'en-gb',
};

/** The language that is spoken when espeak-ng knows none that fits. */
export const DEFAULT_ESPEAK_LANGUAGE = 'en-us';

/**
 * Finds espeak-ng's name for a voice. `voice` counts when it is one of espeak-ng's own (`en-gb`, `en-us+f3`, `+m2`);
 * names of other vendors' voices (`en-US-Wavenet-C`) only give way to the language.
 */
export function espeakVoice(
  settings: { language: string; voice?: unknown; gender?: string },
  available: EspeakVoices,
): string {
  const own = /^([a-z0-9-]*)(?:\+([a-z0-9_-]+))?$/.exec(
    typeof settings.voice === 'string' ? settings.voice.toLowerCase() : '',
  );
  const variant = own?.[2] && available.variants.has(own[2]) ? own[2] : undefined;
  const language =
    own?.[1] && available.languages.has(own[1]) ? own[1] : espeakLanguage(settings.language, available.languages);
  const gender = /^f/i.test(settings.gender ?? '') && available.variants.has('f3') ? 'f3' : undefined;
  const suffix = variant ?? gender;
  return suffix ? `${language}+${suffix}` : language;
}

function espeakLanguage(tag: string, languages: ReadonlySet<string>): string {
  const lower = tag.toLowerCase().replace('_', '-');
  const base = lower.split('-')[0] ?? lower;
  const candidates = [lower, LANGUAGE_ALIASES[lower], LANGUAGE_ALIASES[base], base];
  const exact = candidates.find((name) => name !== undefined && languages.has(name));
  if (exact) return exact;
  const sibling = [...languages].find((name) => name.startsWith(`${base}-`));
  return sibling ?? DEFAULT_ESPEAK_LANGUAGE;
}

/** Reads the listing of `espeak-ng --voices` (column 2) or `--voices=variant` (column 5, `!v/f3`). */
export function parseVoiceListing(listing: string): Set<string> {
  const names = new Set<string>();
  for (const line of listing.split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/);
    const variant = columns.find((column) => column.startsWith('!v/'));
    const name = variant ? variant.slice(3) : columns[1];
    if (name) names.add(name.toLowerCase());
  }
  return names;
}
