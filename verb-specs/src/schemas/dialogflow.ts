import {
  choice,
  described,
  flag,
  freeObject,
  number,
  object,
  ref,
  type Static,
  text,
  textOrFreeObject,
  texts,
  type VerbSchema,
  verb,
} from '../schema.js';
import { hook } from './hook.js';
import { synthesizer } from './synthesizer.js';

const queryInput = object({ text: text('text'), intent: text('intent'), event: text('event'), dtmf: text('digits') });
const schema = verb(
  'dialogflow',
  'Connects the caller to a Google Dialogflow agent.',
  {
    credentials: textOrFreeObject('service-account credentials, as object or JSON text'),
    project: text('id of the Google Cloud project'),
    agent: text('id of the agent (cx) or application (ces)'),
    environment: text('environment of the agent (cx)'),
    deployment: text('deployment (ces); default is that of the application'),
    region: text('region; default us-central1, of ces us'),
    model: choice(['es', 'cx', 'ces'], 'kind of agent; default es'),
    lang: text('language code, for example en-US'),
    sessionId: text('name of the conversation, 1 to 200 of A-Z a-z 0-9 _ -; default is made up'),
    actionHook: ref(hook, 'called at the end with `dialogflow_result`'),
    eventHook: ref(hook, 'receives events'),
    toolHook: ref(hook, 'asked for the result of a tool (cx, ces)'),
    events: texts('events for eventHook'),
    welcomeEvent: text('event that starts the conversation'),
    welcomeEventParams: freeObject('parameters of that event'),
    noInputTimeout: number('seconds without input until noInputEvent; default 20'),
    noInputEvent: text('event on silence; default actions_intent_NO_INPUT'),
    passDtmfAsTextInput: flag('send digits as text; default false'),
    thinkingMusic: text('URL of audio while the agent thinks'),
    tts: ref(synthesizer, 'own voice instead of that of the agent'),
    bargein: flag('speech stops the agent; default false'),
    queryInput: described(queryInput, 'first query'),
  },
  ['project', 'credentials', 'lang'],
);
/** Connects the caller to a Google Dialogflow agent. */
export interface DialogflowSpec extends Static<typeof schema> {}
/** Schema of {@link DialogflowSpec}. */
export const dialogflow: VerbSchema<DialogflowSpec> = schema;
