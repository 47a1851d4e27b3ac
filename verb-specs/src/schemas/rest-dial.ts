import { flag, freeObject, headers, number, ref, type Static, text, type VerbSchema, verb } from '../schema.js';
import { amd } from './amd.js';
import { hook } from './hook.js';
import { target } from './target.js';

const schema = verb(
  'rest:dial',
  'Internal: the call that the REST request to create a call places.',
  {
    account_sid: text('account that calls'),
    application_sid: text('application of the call'),
    call_hook: ref(hook, 'asked for verbs on answer'),
    call_status_hook: ref(hook, 'receives call status'),
    from: text('calling number'),
    callerName: text('display name'),
    fromHost: text('host part of From'),
    speech_synthesis_vendor: text('synthesis vendor'),
    speech_synthesis_voice: text('synthesis voice'),
    speech_synthesis_language: text('synthesis language'),
    speech_recognizer_vendor: text('recognition vendor'),
    speech_recognizer_language: text('recognition language'),
    tag: freeObject('customerData of the call'),
    to: ref(target, 'whom to call'),
    headers: headers('further SIP headers'),
    timeout: number('seconds to ring; default 60'),
    amd: ref(amd, 'answering-machine detection'),
    dual_streams: flag('two audio streams in one SDP; default false'),
    sipRequestWithinDialogHook: ref(hook, 'receives SIP requests within the call'),
    referHook: ref(hook, 'receives a REFER'),
    timeLimit: number('most seconds after the answer; default no limit'),
  },
  ['call_hook', 'from', 'to'],
);
/** Internal: the call that the REST request to create a call places. */
export interface RestDialSpec extends Static<typeof schema> {}
/** Schema of {@link RestDialSpec}. */
export const restDial: VerbSchema<RestDialSpec> = schema;
