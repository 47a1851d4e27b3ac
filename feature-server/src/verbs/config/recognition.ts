import type { ConfigPart } from './part.js';

/** The recognizer from now on, and when somebody counts as speaking. */
export const recognition: ConfigPart = {
  properties: ['recognizer', 'vad'],
  apply({ defaults }, { recognizer, vad }) {
    if (recognizer) defaults.mergeRecognizer(recognizer as Record<string, unknown>);
    if (vad) defaults.vad = vad;
  },
};
