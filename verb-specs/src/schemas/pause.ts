import { amount, type Static, type VerbSchema, verb } from '../schema.js';

const schema = verb('pause', 'Waits.', { length: amount('seconds to wait') }, ['length']);
/** Waits. */
export interface PauseSpec extends Static<typeof schema> {}
/** Schema of {@link PauseSpec}. */
export const pause: VerbSchema<PauseSpec> = schema;
