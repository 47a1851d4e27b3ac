import type { AnswerSpec } from '@ringwire/verb-specs';
import type { Verb } from './verb.js';

/** Answers the call: what it needs is all it does. */
export const answer: Verb<AnswerSpec> = {
  needs: () => 'media',
  async run() {},
};
