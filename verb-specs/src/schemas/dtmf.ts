import { number, type Static, text, type VerbSchema, verb } from '../schema.js';

const schema = verb(
  'dtmf',
  'Sends digits to the far end.',
  { dtmf: text('digits 0-9 * # A-D; w waits 500 ms'), duration: number('ms of each digit; default 500') },
  ['dtmf'],
);
/** Sends digits to the far end. */
export interface DtmfSpec extends Static<typeof schema> {}
/** Schema of {@link DtmfSpec}. */
export const dtmf: VerbSchema<DtmfSpec> = schema;
