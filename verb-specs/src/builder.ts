import type { SpecOf, VerbName, VerbSpec } from './schemas/index.js';

/** What one writes for a verb: its properties without the name. */
export type PropertiesOf<K extends VerbName> = Omit<SpecOf<K>, 'verb' | '_'>;

/** Arguments of a verb's function: the properties, which may be left out where none is required. */
type Arguments<K extends VerbName> =
  Record<never, never> extends PropertiesOf<K> ? [properties?: PropertiesOf<K>] : [properties: PropertiesOf<K>];

const maker =
  <K extends VerbName>(verb: K) =>
  (...[properties]: Arguments<K>): SpecOf<K> =>
    // The compiler cannot see that name and properties of the same K make its specification.
    ({ verb, ...properties }) as unknown as SpecOf<K>;
/** Voice agent of recogniser, language model and voice. */
export const agent = maker('agent');
/** Alert for the account. */
export const alert = maker('alert');
/** Answers the call. */
export const answer = maker('answer');
/** Conference room. */
export const conference = maker('conference');
/** Defaults of the session. */
export const config = maker('config');
/** Takes a caller out of a queue. */
export const dequeue = maker('dequeue');
/** Calls somebody and bridges. */
export const dial = maker('dial');
/** Google Dialogflow agent. */
export const dialogflow = maker('dialogflow');
/** Sends digits. */
export const dtmf = maker('dtmf');
/** Further audio tracks. */
export const dub = maker('dub');
/** Puts the call into a queue. */
export const enqueue = maker('enqueue');
/** Sends or receives a fax. */
export const fax = maker('fax');
/** Collects digits or speech. */
export const gather = maker('gather');
/** Ends the call. */
export const hangup = maker('hangup');
/** Leaves the queue. */
export const leave = maker('leave');
/** Amazon Lex bot. */
export const lex = maker('lex');
/** Forks the audio to a WebSocket server. */
export const listen = maker('listen');
/** Speech-to-speech model. */
export const llm = maker('llm');
/** Sends a text message. */
export const message = maker('message');
/** Waits. */
export const pause = maker('pause');
/** Older form of agent. */
export const pipeline = maker('pipeline');
/** Plays audio. */
export const play = maker('play');
/** Rasa bot. */
export const rasa = maker('rasa');
/** Gives the call to another application. */
export const redirect = maker('redirect');
/** Speaks text. */
export const say = maker('say');
/** Refuses the call. */
export const sipDecline = maker('sip:decline');
/** Transfers the call by SIP REFER. */
export const sipRefer = maker('sip:refer');
/** Sends a SIP request within the call. */
export const sipRequest = maker('sip:request');
/** Sets customerData. */
export const tag = maker('tag');
/** Transcribes the call. */
export const transcribe = maker('transcribe');
/** Transfers the call. */
export const transfer = maker('transfer');

/** A function for each verb that an application may use. */
const makers = {
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
  fax,
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
  sipDecline,
  sipRefer,
  sipRequest,
  tag,
  transcribe,
  transfer,
};

type Makers = typeof makers;

/** A document of verbs in the making: one method per verb, each of which appends and returns the same document. */
export type VerbDocument = {
  [M in keyof Makers]: (...properties: Parameters<Makers[M]>) => VerbDocument;
} & {
  /** Appends a verb that was made elsewhere. */
  add(verb: VerbSpec): VerbDocument;
  /** The document; `JSON.stringify` and `response.json` call it. */
  toJSON(): VerbSpec[];
};

/**
 * Starts a document of verbs.
 *
 * @example
 * ```ts
 * response.json(verbs().say({ text: 'Hello.' }).hangup());
 * ```
 */
export function verbs(): VerbDocument {
  const list: VerbSpec[] = [];
  const document = {
    add(verb: VerbSpec) {
      list.push(verb);
      return document;
    },
    toJSON: () => [...list],
  } as VerbDocument;
  for (const [method, make] of Object.entries(makers)) {
    const append = (properties?: object) => document.add((make as (properties?: object) => VerbSpec)(properties));
    Object.defineProperty(document, method, { value: append });
  }
  return document;
}
