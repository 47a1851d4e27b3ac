import { described, object, ref, type Static, text, type VerbSchema, verb } from '../schema.js';
import { synthesizer } from './synthesizer.js';
import { transferProperties, transferRules } from './transfer-options.js';

const brief = object({ text: text('text of the summary'), synthesizer: ref(synthesizer, 'voice of the summary') }, [
  'text',
]);
const schema = verb(
  'transfer',
  'Transfers the call, blind or after speaking with the destination.',
  { ...transferProperties, brief: described(brief, 'summary spoken to the destination (warm)') },
  ['mode', 'target'],
  transferRules,
);
/** Transfers the call, blind or after speaking with the destination. */
export interface TransferSpec extends Static<typeof schema> {}
/** Schema of {@link TransferSpec}. */
export const transfer: VerbSchema<TransferSpec> = schema;
