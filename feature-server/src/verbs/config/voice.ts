import { listOf } from '../quantities.js';
import type { ConfigPart } from './part.js';

/** The voice from now on, and how texts become speech. */
export const voice: ConfigPart = {
  properties: ['reset', 'synthesizer', 'disableTtsCache', 'autoStreamTts', 'trackTtsPlayout'],
  apply({ defaults }, spec) {
    for (const what of listOf(spec.reset)) defaults.reset(what);
    if (spec.synthesizer) defaults.mergeSynthesizer(spec.synthesizer);
    if (spec.disableTtsCache !== undefined) defaults.disableTtsCache = spec.disableTtsCache;
    if (spec.autoStreamTts !== undefined) defaults.autoStreamTts = spec.autoStreamTts;
    if (spec.trackTtsPlayout !== undefined) defaults.trackTtsPlayout = spec.trackTtsPlayout;
  },
};
