import { type Static, type VerbSchema, verb } from '../schema.js';

const schema = verb('answer', 'Answers the call with 200 OK.', {});
/** Answers the call with 200 OK. */
export interface AnswerSpec extends Static<typeof schema> {}
/** Schema of {@link AnswerSpec}. */
export const answer: VerbSchema<AnswerSpec> = schema;
