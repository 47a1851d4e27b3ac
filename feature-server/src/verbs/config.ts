import type { ConfigSpec } from '@ringwire/verb-specs';
import { configureListen, listenNeeds } from './config/listen.js';
import { listOf } from './quantities.js';
import type { Verb } from './verb.js';

/** What of `config` takes effect; everything else that is asked for is named in a warning. */
const HANDLED = new Set([
  'verb',
  'id',
  '_',
  'synthesizer',
  'recognizer',
  'reset',
  'disableTtsCache',
  'notifyEvents',
  'listen',
  'stream',
]);
/** jambonz accepts these and does nothing with them. */
const WITHOUT_EFFECT = new Set(['earlyMedia', 'trackTtsPlayout', 'noiseIsolation', 'turnTaking']);

/** Changes the session's defaults. Takes effect at once and ends at once. */
export const config: Verb<ConfigSpec> = {
  needs: listenNeeds,
  describe: (spec) =>
    Object.keys(spec)
      .filter((key) => key !== 'verb')
      .join(', '),
  async run(ctx, spec) {
    const { defaults, journal } = ctx;
    const missing = Object.entries(spec)
      .filter(([key, value]) => !HANDLED.has(key) && !WITHOUT_EFFECT.has(key) && asksForSomething(value))
      .map(([key]) => key);
    if (missing.length > 0) {
      const text = `config: ${missing.join(', ')} not available in this version`;
      journal.timeline.warn('verb', text, { missing });
      journal.alert('verb-not-available', text);
    }
    for (const what of listOf(spec.reset)) defaults.reset(what);
    if (spec.synthesizer) defaults.mergeSynthesizer(spec.synthesizer);
    if (spec.recognizer) defaults.mergeRecognizer(spec.recognizer as Record<string, unknown>);
    // Once on it stays on (compat 1.3.6).
    if (spec.notifyEvents) defaults.notifiesEvents = true;
    if (spec.disableTtsCache !== undefined) defaults.disableTtsCache = spec.disableTtsCache;
    await configureListen(ctx, spec);
  },
};

/** `false`, and `{ enable: false }`, switch off what is off already. */
function asksForSomething(value: unknown): boolean {
  if (value === false || value === undefined || value === null) return false;
  if (typeof value !== 'object') return true;
  return !('enable' in value && (value as { enable: unknown }).enable === false);
}
