/** Which hook of which verb is what kind of message, and what each kind has to carry beside what its published schema says. */

/** A kind of message to an application: a callback of `@jambonz/schema`, or one that the package has no schema for. */
export interface HookKind {
  /** File below `callbacks/` of the package; absent where it has none, so that {@link HookKind.required} alone counts. */
  schema?: string;
  /** Fields that the compatibility facts promise always, though the schema does not ask for them. */
  required: readonly string[];
}

/** What every hook after the first carries (compat 2.4), but for `application_sid`: a call ordered with hooks of its own has none. */
const COMMON = ['call_sid', 'direction', 'from', 'to', 'call_id', 'account_sid', 'trace_id'].concat([
  'sip_status',
  'sip_reason',
  'call_status',
  'fs_sip_address',
]);

/** What the first request carries beside `sip`, which GET hooks and calls on order do without (compat 2.3). */
const INITIAL = COMMON.filter((name) => name !== 'fs_sip_address').concat('defaults');

const common = (schema?: string, ...more: string[]): HookKind => ({
  ...(schema !== undefined && { schema }),
  required: [...COMMON, ...more],
});

/** Every kind, by name. */
export const HOOK_KINDS = {
  base: common('base'),
  'session-new': { schema: 'session-new', required: INITIAL },
  'session-reconnect': { schema: 'session-new', required: INITIAL },
  'session-redirect': common('session-redirect'),
  'session-adulting': common('base', 'parent_call_info'),
  'call-status': common('call-status'),
  'verb-status': { schema: 'verb-status', required: [] },
  'tts-streaming-event': { schema: 'tts-streaming-event', required: [] },
  'agent-turn': { schema: 'agent-turn', required: [] },
  gather: common('gather', 'reason'),
  'gather-partial': common('gather-partial', 'speech'),
  play: common('play'),
  dial: common('dial', 'dial_call_status', 'dial_sip_status'),
  'dial-confirm': common('base'),
  'dial-dtmf': common('dial-dtmf'),
  'dial-hold': common('dial-hold'),
  'dial-refer': common('dial-refer'),
  conference: common('conference'),
  'conference-wait': common('conference-wait'),
  'conference-enter': common('base'),
  'conference-status': common('conference-status', 'friendly_name', 'members', 'duration', 'time'),
  enqueue: common('enqueue'),
  'enqueue-wait': {
    schema: 'enqueue-wait',
    required: ['queue_sid', 'queue_time', 'queue_size', 'queue_position', 'call_sid', 'call_id'],
  },
  dequeue: common('dequeue'),
  listen: common('listen', 'dial_call_duration'),
  transcribe: common('transcribe'),
  'transcribe-translation': common('transcribe-translation'),
  amd: common('amd'),
  message: common('message'),
  'sip-request': common('sip-request'),
  'sip-refer': common('sip-refer'),
  'sip-refer-event': { schema: 'sip-refer-event', required: COMMON },
  'sip-request-within-dialog': common('base', 'sip_method'),
  transfer: common('transfer', 'transfer_result', 'transfer_reason'),
  llm: common('llm'),
  // No schema is published for these; the fields are those of compat 1.3.17, 1.3.19, 1.3.24 and 2.7.
  dialogflow: common('base', 'dialogflow_result'),
  'dialogflow-tool': common('base', 'tool_call'),
  lex: common('base', 'lex_result'),
  rasa: common('base', 'rasa_result'),
  'bot-event': common('base', 'event'),
  'llm-event': { required: [] },
  'llm-tool-call': { required: [] },
  'queue-event': { required: ['event', 'queue', 'length', 'join_time'] },
  'message-in': { required: ['message_sid', 'account_sid', 'from', 'to'] },
  registration: { required: ['username', 'realm', 'nonce', 'uri', 'response', 'method'] },
} as const satisfies Record<string, HookKind>;

/** The name of a kind. */
export type HookKindName = keyof typeof HOOK_KINDS;

/** Kinds of the hooks of each verb, by the name of the property that names the hook. */
export const HOOKS_OF_VERBS: Readonly<Record<string, Readonly<Record<string, HookKindName>>>> = {
  agent: { actionHook: 'llm', eventHook: 'agent-turn', toolHook: 'llm-tool-call' },
  amd: { actionHook: 'amd' },
  bargeIn: { actionHook: 'gather' },
  conference: {
    actionHook: 'conference',
    waitHook: 'conference-wait',
    enterHook: 'conference-enter',
    statusHook: 'conference-status',
  },
  config: { sipRequestWithinDialogHook: 'sip-request-within-dialog', referHook: 'dial-refer' },
  dequeue: { actionHook: 'dequeue', confirmHook: 'dial-confirm' },
  dial: {
    actionHook: 'dial',
    confirmHook: 'dial-confirm',
    dtmfHook: 'dial-dtmf',
    onHoldHook: 'dial-hold',
    referHook: 'dial-refer',
  },
  dialogflow: { actionHook: 'dialogflow', eventHook: 'bot-event', toolHook: 'dialogflow-tool' },
  enqueue: { actionHook: 'enqueue', waitHook: 'enqueue-wait' },
  gather: { actionHook: 'gather', partialResultHook: 'gather-partial' },
  lex: { actionHook: 'lex', eventHook: 'bot-event' },
  listen: { actionHook: 'listen' },
  llm: { actionHook: 'llm', eventHook: 'llm-event', toolHook: 'llm-tool-call' },
  message: { actionHook: 'message' },
  play: { actionHook: 'play' },
  rasa: { actionHook: 'rasa', eventHook: 'bot-event' },
  redirect: { actionHook: 'session-redirect', statusHook: 'call-status' },
  'sip:refer': { actionHook: 'sip-refer', eventHook: 'sip-refer-event' },
  'sip:request': { actionHook: 'sip-request' },
  transcribe: { transcriptionHook: 'transcribe', translationHook: 'transcribe-translation' },
  transfer: { actionHook: 'transfer', confirmHook: 'dial-confirm' },
};

/** Kinds of the messages of the WebSocket protocol (compat 3.2) that need not be looked up by their hook. */
export const KINDS_OF_MESSAGES: Readonly<Record<string, HookKindName>> = {
  'session:new': 'session-new',
  'session:reconnect': 'session-reconnect',
  'session:redirect': 'session-redirect',
  'session:adulting': 'session-adulting',
  'call:status': 'call-status',
  'queue:status': 'queue-event',
  'dial:confirm': 'dial-confirm',
  'verb:status': 'verb-status',
  'tts:streaming-event': 'tts-streaming-event',
  'agent:event': 'agent-turn',
  'llm:event': 'llm-event',
  'llm:tool-call': 'llm-tool-call',
};

type Payload = Readonly<Record<string, unknown>>;
const GATHER_REASONS = new Set<unknown>(['speechDetected', 'dtmfDetected', 'timeout', 'error', 'stt-low-confidence']);
const has =
  (...names: string[]) =>
  (payload: Payload): boolean =>
    names.every((name) => Object.hasOwn(payload, name));

/** Marks by which a payload is known whose hook nobody named; the first that fits counts. */
const MARKS: readonly (readonly [HookKindName, (payload: Payload) => boolean])[] = [
  ['session-new', has('defaults')],
  ['session-new', has('has_recording')],
  ['registration', has('nonce')],
  ['queue-event', has('queue', 'event')],
  ['message-in', (payload) => has('message_sid')(payload) && !has('message_status')(payload)],
  ['dial', has('dial_call_status')],
  ['listen', has('dial_call_duration')],
  ['enqueue', has('queue_result')],
  ['enqueue-wait', has('queue_sid')],
  ['dequeue', has('dequeue_result')],
  ['conference-status', has('conference_sid')],
  ['dial-refer', has('refer_details')],
  ['dial-hold', has('hold_detail')],
  ['dial-dtmf', has('dtmf')],
  ['sip-refer', has('refer_status')],
  ['sip-refer-event', ({ event }) => event === 'transfer-status'],
  ['sip-request-within-dialog', has('sip_method')],
  ['sip-request', has('result')],
  ['transcribe-translation', has('translation')],
  ['transfer', has('transfer_result')],
  ['llm', has('completion_reason')],
  ['message', has('message_status')],
  ['amd', ({ type }) => typeof type === 'string' && type.startsWith('amd')],
  ['play', ({ reason }) => typeof reason === 'string' && reason.startsWith('play')],
  ['gather', ({ reason }) => GATHER_REASONS.has(reason)],
  ['gather', has('digits')],
  ['transcribe', has('speech')],
  ['dialogflow', has('dialogflow_result')],
  ['dialogflow-tool', has('tool_call')],
  ['lex', has('lex_result')],
  ['rasa', has('rasa_result')],
];

/** The kind that a payload looks like. Without any mark it is a call's status, which carries the common fields. */
export function looksLike(payload: Payload): HookKindName {
  return MARKS.find(([, fits]) => fits(payload))?.[0] ?? 'call-status';
}
