import type { VerbName } from './schemas/index.js';

/** A field that a hook carries, and what it says. */
type Fields = Readonly<Record<string, string>>;

/** What is told to one hook of a verb, besides what every hook carries. */
export interface HookPayload {
  /** Name of the property that names the hook. */
  hook: string;
  /** When it is told, and what becomes of the answer. */
  when: string;
  fields: Fields;
}

const REPLACES = 'Verbs in the answer replace what waits.';
const IGNORED = 'The answer does not matter.';

/** What every hook after the first request carries. */
export const COMMON_FIELDS: Fields = {
  call_sid: 'id of the call, or of the leg that the hook is about',
  account_sid: 'account',
  application_sid: 'application; absent for calls that were ordered with hooks of their own',
  direction: '`inbound`, or `outbound` for a leg that the platform called',
  from: 'calling number or user',
  to: 'called number or user',
  call_id: 'Call-ID of SIP, inside the platform',
  sbc_callid: 'Call-ID of SIP, towards the outside',
  call_status:
    '`trying`, `ringing`, `early-media`, `in-progress`, `completed`, `failed`, `busy`, `no-answer` or `queued`',
  sip_status: 'last status of SIP',
  sip_reason: 'its reason phrase',
  trace_id: 'id of the call in logs and traces',
  originating_sip_ip: 'where the call came from (inbound)',
  originating_sip_trunk_name: 'carrier over which it came (inbound)',
  parent_call_sid: 'call that placed this leg',
  fs_sip_address: 'feature server that holds the call',
  fs_public_ip: 'its public address, where it has one',
  api_base_url: 'base URL of the REST API, where the operator named one',
  customer_data: 'what `tag` or the order of the call said',
  verb_id: '`id` of the verb, where it has one',
};

/** What call-status hooks carry besides, on a call's last one. */
export const STATUS_FIELDS: Fields = {
  call_termination_by: '`caller` or `jambonz` (the platform)',
  duration: 'seconds from answer to end; with `completed`',
  headers: 'custom headers of the BYE that ended it',
};

const SPEECH = '`language_code`, `channel_tag`, `is_final`, `alternatives` (`transcript`, `confidence`), `vendor`';

/** The hooks of each verb. */
export const HOOK_PAYLOADS: { readonly [K in VerbName]?: readonly HookPayload[] } = {
  agent: [
    {
      hook: 'actionHook',
      when: `At the end. ${REPLACES}`,
      fields: { completion_reason: 'why it ended', error: 'what failed' },
    },
  ],
  conference: [
    { hook: 'actionHook', when: `When the caller has left. ${REPLACES}`, fields: {} },
    {
      hook: 'waitHook',
      when: 'Again and again until the conference starts. say, play and pause of the answer are run.',
      fields: {},
    },
    { hook: 'enterHook', when: 'When the caller enters. The verbs of the answer are heard by him alone.', fields: {} },
    {
      hook: 'statusHook',
      when: `For each event of \`statusEvents\`. ${IGNORED}`,
      fields: {
        event: '`start`, `end`, `join`, `leave`, `start-talking` or `stop-talking`',
        conference_sid: 'id of the conference',
        friendly_name: 'its name, as the verb has it',
        members: 'how many are in it',
        duration: 'seconds since its start',
        time: 'when, ISO 8601',
      },
    },
  ],
  config: [
    {
      hook: 'sipRequestWithinDialogHook',
      when: `When an INFO or MESSAGE comes within the call, and where the operator wishes (\`HOLD_EVENTS\`) when the far end holds the call or takes it back. ${REPLACES}`,
      fields: {
        sip_method: 'method; `INVITE` where the call is held or taken back',
        sip_body: 'body',
        sip_headers: 'headers',
        event: 'with `INVITE`: `hold` or `unhold`',
        on_hold: 'with `INVITE`: whether the call is held now',
        siprec: 'with `INVITE`: `false`',
      },
    },
    { hook: 'bargeIn.actionHook', when: `As that of gather, in the background. ${REPLACES}`, fields: {} },
    {
      hook: 'referHook',
      when: `When the caller sends a REFER. ${REPLACES}`,
      fields: { refer_details: 'as that of dial' },
    },
    { hook: 'transcribe.transcriptionHook', when: `As that of transcribe. ${REPLACES}`, fields: {} },
    {
      hook: 'amd.actionHook',
      when: `For each event of the detection of answering machines. ${REPLACES}`,
      fields: {
        type: '`amd_human_detected`, `amd_machine_detected`, `amd_no_speech_detected`, `amd_decision_timeout`, `amd_machine_stopped_speaking`, `amd_tone_detected`, `amd_tone_timeout`, `amd_error` or `amd_stopped`',
        reason: 'what it was told by',
        greeting: 'what was said',
        hint: 'phrase that was recognized',
        language: 'language of the recognizer',
        frequency: 'Hz of the beep',
        variance: 'how much it varied',
      },
    },
  ],
  dequeue: [
    {
      hook: 'actionHook',
      when: `At the end. ${REPLACES}`,
      fields: { dequeue_result: '`complete`, `timeout` or `hangup`' },
    },
  ],
  dial: [
    {
      hook: 'actionHook',
      when: `At the end. ${REPLACES}`,
      fields: {
        dial_call_status: '`completed`, `no-answer`, `busy` or `failed`',
        dial_sip_status: 'last status of SIP of the leg that decided',
        dial_call_sid: 'its call sid',
        dial_sbc_callid: 'its Call-ID towards the outside',
      },
    },
    { hook: 'confirmHook', when: 'When a target answers. The verbs of the answer are run on that leg.', fields: {} },
    {
      hook: 'dtmfHook',
      when: `When a pattern of \`dtmfCapture\` was pressed. ${IGNORED}`,
      fields: { dtmf: 'the pattern' },
    },
    {
      hook: 'onHoldHook',
      when: 'When one side holds the other. say, play and pause of the answer are heard by who is held.',
      fields: { hold_detail: '`from`, `to`' },
    },
    {
      hook: 'referHook',
      when: 'When one side sends a REFER. Verbs in the answer become the application of the other.',
      fields: {
        refer_details:
          '`sip_refer_to`, `refer_to_user`, `sip_referred_by`, `referred_by_user`, `sip_user_agent`, `referring_call_sid`, `referred_call_sid`, custom headers',
      },
    },
  ],
  dialogflow: [
    {
      hook: 'actionHook',
      when: `At the end. ${REPLACES}`,
      fields: {
        dialogflow_result:
          '`completed`, `redirect`, `caller hungup`, or `error` where the agent or the recognizer failed',
      },
    },
    {
      hook: 'eventHook',
      when: 'For each event of `events`. Verbs in the answer end the conversation.',
      fields: {
        event: '`intent`, `transcription`, `end-utterance`, `dtmf`, `start-play`, `stop-play` or `no-input`',
        data: 'the answer of the agent (intent), `transcript`, `digits`',
      },
    },
    {
      hook: 'toolHook',
      when: 'When the agent asks its client to do something (cx, ces). It goes on with `outputParameters` of the answer, or hears of `error`.',
      fields: {
        tool_call:
          'as the agent has it: `tool`, `action`, `input_parameters` (cx), `id`, `display_name`, `tool`, `args` (ces)',
      },
    },
  ],
  enqueue: [
    {
      hook: 'actionHook',
      when: `When the caller has left the queue. ${REPLACES}`,
      fields: {
        queue_sid: 'id of the queue',
        queue_time: 'seconds in it',
        queue_result: '`bridged`, `hangup`, `leave` or `error`',
      },
    },
    {
      hook: 'waitHook',
      when: 'Again and again while the caller waits; without the common fields. say, play, pause, leave and tag of the answer are run.',
      fields: {
        queue_sid: 'id of the queue',
        queue_time: 'seconds in it',
        queue_size: 'how many wait',
        queue_position: 'place in the queue; 0 is the first',
        call_sid: 'id of the call',
        call_id: 'Call-ID of SIP',
        customer_data: 'what `tag` said',
      },
    },
  ],
  gather: [
    {
      hook: 'actionHook',
      when: `At the end. ${REPLACES}`,
      fields: {
        reason: '`dtmfDetected`, `speechDetected`, `timeout`, `stt-low-confidence` or `error`',
        digits: 'what was keyed (dtmfDetected)',
        speech: SPEECH,
        details: 'what failed (error)',
      },
    },
    { hook: 'partialResultHook', when: `For each result before the final one. ${IGNORED}`, fields: { speech: SPEECH } },
  ],
  lex: [
    {
      hook: 'actionHook',
      when: `At the end. ${REPLACES}`,
      fields: { lex_result: '`redirect`, `caller hungup`, or `error` where the bot or the recognizer failed' },
    },
    {
      hook: 'eventHook',
      when: 'For each event. Verbs in the answer end the conversation.',
      fields: {
        event: '`intent`, `transcription`, `response-text`, `dtmf`, `start-play`, `stop-play` or `play-interrupted`',
        data: 'the answer of the bot (intent), `transcript`, `text`, `digits`',
      },
    },
  ],
  listen: [
    {
      hook: 'actionHook',
      when: `At the end. ${REPLACES}`,
      fields: { dial_call_duration: 'seconds that it lasted', digits: 'keys that were pressed, with `finishOnKey`' },
    },
  ],
  llm: [
    {
      hook: 'actionHook',
      when: `At the end. ${REPLACES}`,
      fields: {
        completion_reason:
          '`normal conversation end`, `connection failure`, `disconnect from remote end`, `server failure`, `server error` and others',
        error: 'what failed: `code`, `message`',
      },
    },
  ],
  message: [
    {
      hook: 'actionHook',
      when: `When a carrier has answered, or the wait for it is over. ${REPLACES}`,
      fields: {
        message_sid: 'id of the message',
        message_status: '`success`, `failure`, `no carriers`, `smpp configuration error`, `system error` or `queued`',
        carrier: 'who took it',
        carrier_message_id: 'its id there',
        message_failure_reason: 'why not',
      },
    },
  ],
  play: [
    {
      hook: 'actionHook',
      when: `At the end. ${REPLACES}`,
      fields: {
        reason: '`playCompleted` or `playFailed`',
        playback_seconds: 'seconds that were played',
        playback_milliseconds: 'the same in ms',
        playback_last_offset_pos: 'samples into the file',
        status: '`fail` (playFailed)',
      },
    },
  ],
  rasa: [
    {
      hook: 'actionHook',
      when: `At the end. ${REPLACES}`,
      fields: { rasa_result: '`timeout`, `webhookError`, `redirect` or `caller hungup`' },
    },
    {
      hook: 'eventHook',
      when: 'For each message. Verbs in the answer end the conversation.',
      fields: { event: '`userMessage` or `botMessage`', message: 'its text' },
    },
  ],
  redirect: [
    { hook: 'actionHook', when: `At once. ${REPLACES}`, fields: {} },
    { hook: 'statusHook', when: `The call's status, from now on. ${IGNORED}`, fields: STATUS_FIELDS },
  ],
  'sip:refer': [
    {
      hook: 'actionHook',
      when: `When the transfer is refused, or over. ${REPLACES}`,
      fields: { refer_status: 'status of SIP of the REFER', final_referred_call_status: 'last status of the new call' },
    },
    {
      hook: 'eventHook',
      when: `For each NOTIFY. ${IGNORED}`,
      fields: { event: '`transfer-status`', call_status: 'status of SIP of the new call: a number' },
    },
  ],
  'sip:request': [
    {
      hook: 'actionHook',
      when: `When it is answered. ${REPLACES}`,
      fields: { result: '`success` or `failed`', sip_status: 'status of the answer', err: 'why it failed' },
    },
  ],
  transcribe: [
    {
      hook: 'transcriptionHook',
      when: `For each result. ${REPLACES}`,
      fields: {
        speech: SPEECH,
        speech_event: 'an event of the vendor, in place of `speech`',
        stt_latency_ms: 'how long the vendor took',
        stt_talkspurts: 'when the caller spoke',
        stt_start_time: 'begin of the recognition',
        stt_stop_time: 'its end',
        stt_usage: 'what the vendor counted',
      },
    },
    {
      hook: 'translationHook',
      when: `For each translation. ${REPLACES}`,
      fields: { translation: '`channel`, `language`, `translation`' },
    },
  ],
  transfer: [
    {
      hook: 'actionHook',
      when: `At the end. ${REPLACES}`,
      fields: {
        transfer_result: '`bridged`, `returned`, `voicemail` or `failed`',
        transfer_reason: '`completed`, `no-answer`, `busy`, `declined`, `caller-abandoned` or `error`',
        dial_call_sid: 'leg of the destination',
        sip_status: 'its last status of SIP',
      },
    },
  ],
};
