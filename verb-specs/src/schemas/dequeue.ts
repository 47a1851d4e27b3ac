import { flag, number, ref, type Static, text, type VerbSchema, verb } from '../schema.js';
import { hook } from './hook.js';

const schema = verb(
  'dequeue',
  'Takes a caller out of a queue and bridges the call to it.',
  {
    name: text('name of the queue'),
    actionHook: ref(hook, 'called at the end with `dequeue_result`'),
    timeout: number('seconds to wait for a caller; 0 waits for ever; default 0'),
    beep: flag('play a tone to the caller before bridging; default false'),
    callSid: text('take this caller instead of the next one'),
  },
  ['name'],
);
/** Takes a caller out of a queue and bridges the call to it. */
export interface DequeueSpec extends Static<typeof schema> {}
/** Schema of {@link DequeueSpec}. */
export const dequeue: VerbSchema<DequeueSpec> = schema;
