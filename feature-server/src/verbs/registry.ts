import type { VerbSpec } from '@ringwire/verb-specs';
import { alert } from './alert.js';
import { answer } from './answer.js';
import { conference } from './conference.js';
import { config } from './config.js';
import { dequeue } from './dequeue.js';
import { dial } from './dial.js';
import { dialogflow } from './dialogflow.js';
import { dtmf } from './dtmf.js';
import { dub } from './dub.js';
import { enqueue } from './enqueue.js';
import { gather } from './gather.js';
import { hangup } from './hangup.js';
import { leave } from './leave.js';
import { lex } from './lex.js';
import { listen } from './listen.js';
import { agent, llm, pipeline } from './llm.js';
import { message } from './message.js';
import { pause } from './pause.js';
import { play } from './play.js';
import { rasa } from './rasa.js';
import { redirect } from './redirect.js';
import { say } from './say.js';
import { sipDecline } from './sip-decline.js';
import { sipRefer } from './sip-refer.js';
import { sipRequest } from './sip-request.js';
import { tag } from './tag.js';
import { transcribe } from './transcribe.js';
import { transfer } from './transfer.js';
import type { Verb } from './verb.js';

/** Every verb of the language that this version runs, by its name; keys that are no verb do not compile. */
export type VerbRegistry = { [K in VerbSpec['verb']]?: Verb<Extract<VerbSpec, { verb: K }>> };

/** The verbs. A verb of the language that is missing here is reported and passed over when a call comes to it. */
export const VERBS: VerbRegistry = {
  agent,
  alert,
  answer,
  conference,
  config,
  dequeue,
  dial,
  dialogflow,
  dtmf,
  dub,
  enqueue,
  gather,
  hangup,
  leave,
  lex,
  listen,
  llm,
  message,
  pause,
  pipeline,
  play,
  rasa,
  redirect,
  say,
  'sip:decline': sipDecline,
  'sip:refer': sipRefer,
  'sip:request': sipRequest,
  tag,
  transcribe,
  transfer,
};

/** The verb that runs a spec; undefined when this version has none. */
export function verbFor<S extends VerbSpec>(spec: S, registry: VerbRegistry = VERBS): Verb<S> | undefined {
  return registry[spec.verb] as Verb<S> | undefined;
}
