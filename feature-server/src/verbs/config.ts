import type { ConfigSpec } from '@ringwire/verb-specs';
import { MediaServerError } from '../errors.js';
import { amd } from './config/amd.js';
import { inDialog } from './config/in-dialog.js';
import { listening } from './config/listen.js';
import { notices } from './config/notices.js';
import type { ConfigPart } from './config/part.js';
import { recognition } from './config/recognition.js';
import { recording } from './config/record.js';
import { sound } from './config/sound.js';
import { speechStream } from './config/speech-stream.js';
import { voice } from './config/voice.js';
import { waiting } from './config/waiting.js';
import type { Verb, VerbNeed } from './verb.js';

/** Who sees to which properties, in the order in which they take effect. */
const PARTS: readonly ConfigPart[] = [
  notices,
  voice,
  recognition,
  waiting,
  sound,
  speechStream,
  inDialog,
  amd,
  listening,
  recording,
];
/** jambonz accepts these and does nothing with them. */
const WITHOUT_EFFECT = ['earlyMedia', 'noiseIsolation', 'turnTaking'];
const KNOWN = new Set<string>(['verb', 'id', '_', ...WITHOUT_EFFECT, ...PARTS.flatMap((part) => part.properties)]);

/** Changes the session's defaults, and starts and stops what goes on beside the verbs. Ends at once. */
export const config: Verb<ConfigSpec> = {
  needs: (spec) => {
    const needs = concerned(spec).map((part) => part.needs?.(spec) ?? 'nothing');
    return (['media', 'early-media'] satisfies VerbNeed[]).find((need) => needs.includes(need)) ?? 'nothing';
  },
  describe: (spec) =>
    Object.keys(spec)
      .filter((key) => key !== 'verb')
      .join(', '),
  async run(ctx, spec, signal) {
    const { journal } = ctx;
    const missing = Object.entries(spec)
      .filter(([key, value]) => !KNOWN.has(key) && asksForSomething(value))
      .map(([key]) => key);
    if (missing.length > 0) {
      const text = `config: ${missing.join(', ')} not available in this version`;
      journal.timeline.warn('verb', text, { missing });
      journal.alert('verb-not-available', text);
    }
    for (const part of concerned(spec)) {
      try {
        await part.apply(ctx, spec, signal);
      } catch (error) {
        if (signal.aborted || error instanceof MediaServerError) throw error;
        const text = error instanceof Error ? error.message : String(error);
        journal.timeline.error('verb', `config: ${part.properties.join(', ')}: ${text}`);
        journal.log.warn({ err: error }, 'a part of config failed');
      }
    }
  },
};

function concerned(spec: ConfigSpec): ConfigPart[] {
  return PARTS.filter((part) => part.properties.some((property) => spec[property] !== undefined));
}

/** `false`, and `{ enable: false }`, switch off what is off already. */
function asksForSomething(value: unknown): boolean {
  if (value === false || value === undefined || value === null) return false;
  if (typeof value !== 'object') return true;
  return !('enable' in value && (value as { enable: unknown }).enable === false);
}
