import { freeObject, type Static, type VerbSchema, verb } from '../schema.js';

const schema = verb(
  'tag',
  'Sets customerData for the rest of the call.',
  { data: freeObject('becomes customerData of later hooks') },
  ['data'],
);
/** Sets customerData for the rest of the call. */
export interface TagSpec extends Static<typeof schema> {}
/** Schema of {@link TagSpec}. */
export const tag: VerbSchema<TagSpec> = schema;
