import { number, ref, type Static, text, type VerbSchema, verb } from '../schema.js';
import { hook } from './hook.js';

const schema = verb(
  'enqueue',
  'Puts the call into a queue.',
  {
    name: text('name of the queue'),
    actionHook: ref(hook, 'called on leaving the queue with `queue_result`'),
    waitHook: ref(hook, 'asked again and again for verbs while waiting: say, play, pause, leave, tag'),
    priority: number('lower is served first; default 999'),
  },
  ['name'],
);
/** Puts the call into a queue. */
export interface EnqueueSpec extends Static<typeof schema> {}
/** Schema of {@link EnqueueSpec}. */
export const enqueue: VerbSchema<EnqueueSpec> = schema;
