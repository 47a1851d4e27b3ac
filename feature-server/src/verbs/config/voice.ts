import { shorten } from '@ringwire/verb-specs';
import { listOf } from '../quantities.js';
import type { ConfigPart } from './part.js';

/** The voice from now on, and how texts become speech. */
export const voice: ConfigPart = {
  properties: ['reset', 'synthesizer', 'disableTtsCache', 'autoStreamTts', 'trackTtsPlayout'],
  apply({ defaults, journal }, spec) {
    const unknown = listOf(spec.reset).filter((what) => !defaults.reset(what));
    if (unknown.length > 0) {
      const names = shorten(unknown.join(', '));
      journal.timeline.warn('verb', `config: reset knows synthesizer and recognizer, not ${names}`, { names });
    }
    if (spec.synthesizer) defaults.mergeSynthesizer(spec.synthesizer);
    if (spec.disableTtsCache !== undefined) defaults.disableTtsCache = spec.disableTtsCache;
    if (spec.autoStreamTts !== undefined) defaults.autoStreamTts = spec.autoStreamTts;
    if (spec.trackTtsPlayout !== undefined) defaults.trackTtsPlayout = spec.trackTtsPlayout;
  },
};
