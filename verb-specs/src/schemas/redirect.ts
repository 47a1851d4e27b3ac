import { ref, type Static, type VerbSchema, verb } from '../schema.js';
import { hook } from './hook.js';

const schema = verb(
  'redirect',
  'Gives the call to another application.',
  {
    actionHook: ref(hook, 'the new application; an absolute ws or http URL changes the transport'),
    statusHook: ref(hook, 'receives call status from now on'),
  },
  ['actionHook'],
);
/** Gives the call to another application. */
export interface RedirectSpec extends Static<typeof schema> {}
/** Schema of {@link RedirectSpec}. */
export const redirect: VerbSchema<RedirectSpec> = schema;
