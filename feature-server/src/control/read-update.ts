import type { SessionCommand } from './commands.js';
import {
  assertBounded,
  CommandFault,
  type Fields,
  hookOf,
  isObject,
  objectOf,
  onlyKnown,
  presentOf,
  textOf,
  wordOf,
} from './fault.js';
import {
  dtmfOf,
  dubOf,
  ENDS,
  gainOf,
  HOLD,
  MEDIA_PATHS,
  MUTE,
  NOT_AVAILABLE,
  participantActionOf,
  recordOf,
  redirectHooksOf,
  roomPlayOf,
  roomSayOf,
  sipRequestOf,
  TAP,
  transferOf,
  whisperOf,
} from './read-parts.js';

/** What an update asks for: one operation, a whisper, or both, in this order; or why it cannot be read. */
export type ReadUpdate = { ok: true; commands: SessionCommand[] } | { ok: false; reason: string; field?: string };

type Reader = (value: unknown, body: Fields) => SessionCommand;

const participantAction: Reader = (value) => participantActionOf('conferenceParticipantAction', value);
const listenStatus =
  (field: string): Reader =>
  (value) => ({ command: 'listen:status', status: wordOf(field, value, TAP) });
const gain: Reader = (value) => gainOf('boostAudioSignal', value);

/** The operations of compat 4.2 by their fields, under both spellings where jambonz and its clients differ. */
const OPERATIONS: Readonly<Record<string, Reader>> = {
  call_hook: (_, body) => redirectHooksOf(body),
  child_call_hook: (_, body) => redirectHooksOf(body),
  call_status: (value) => ({ command: 'call:status', callStatus: wordOf('call_status', value, ENDS) }),
  mute_status: (value) => ({ command: 'mute:status', isMuted: wordOf('mute_status', value, MUTE) === 'mute' }),
  conf_mute_status: (value) => ({
    command: 'conf:mute-status',
    isMuted: wordOf('conf_mute_status', value, MUTE) === 'mute',
  }),
  conf_hold_status: (value, body) => {
    const waitHook = body.wait_hook ?? body.waitHook;
    return {
      command: 'conf:hold-status',
      isHeld: wordOf('conf_hold_status', value, HOLD) === 'hold',
      ...(waitHook !== undefined && { waitHook: hookOf('wait_hook', waitHook) }),
    };
  },
  conferenceParticipantAction: participantAction,
  conference_participant_action: participantAction,
  listen_status: listenStatus('listen_status'),
  stream_status: listenStatus('stream_status'),
  transcribe_status: (value) => ({ command: 'transcribe:status', status: wordOf('transcribe_status', value, TAP) }),
  sip_request: (value) => sipRequestOf('sip_request', value),
  record: (value) => recordOf('record', value),
  dub: (value) => dubOf('dub', value),
  tag: (value) => ({ command: 'tag', data: { ...objectOf('tag', value) } }),
  dtmf: (value) => dtmfOf('dtmf', value),
  boostAudioSignal: gain,
  boost_audio_signal: gain,
  media_path: (value) => ({ command: 'media:path', path: wordOf('media_path', value, MEDIA_PATHS) }),
  room_say: (value) => roomSayOf('room_say', value),
  room_play: (value) => roomPlayOf('room_play', value),
  transfer: (value) => transferOf('transfer', value),
  llm_tool_output: (value, body) => {
    const id = body.tool_call_id ?? (isObject(value) ? value.tool_call_id : undefined);
    return { command: 'llm:tool-output', toolCallId: textOf('tool_call_id', id, 1_024), output: value };
  },
  llm_update: (value) => ({ command: 'llm:update', data: value }),
  agent_update: (value) => ({ command: 'llm:update', data: value }),
};

/** Fields that belong to an operation, and to which. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  child_call_hook: ['call_hook'],
  call_status_hook: ['call_hook', 'child_call_hook'],
  wait_hook: ['conf_hold_status'],
  waitHook: ['conf_hold_status'],
  tool_call_id: ['llm_tool_output'],
};
const KNOWN = [...Object.keys(OPERATIONS), 'whisper', ...Object.keys(BESIDE)];

/**
 * Reads the body of a REST update (compat 4.2): exactly one operation, `whisper` alone or beside it. `call_hook` goes with `child_call_hook`,
 * `conf_hold_status` with a wait hook. Never throws.
 */
export function readUpdate(body: unknown): ReadUpdate {
  try {
    assertBounded('body', body);
    return { ok: true, commands: commandsOf(presentOf(objectOf('body', body))) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, reason, ...(error instanceof CommandFault && { field: error.field }) };
  }
}

function commandsOf(body: Fields): SessionCommand[] {
  const absent = Object.keys(body).find((name) => Object.hasOwn(NOT_AVAILABLE, name));
  if (absent !== undefined) throw new CommandFault(absent, NOT_AVAILABLE[absent]!);
  onlyKnown('', body, [...new Set(KNOWN)]);
  const given = Object.keys(body).filter((name) => body[name] !== undefined);
  const asked = given.filter((name) => Object.hasOwn(OPERATIONS, name) && !isPartOf(name, given));
  const [operation, second] = asked;
  if (second !== undefined) throw new CommandFault(second, `cannot stand beside ${operation}: one operation at a time`);
  const orphan = given.find((name) => Object.hasOwn(BESIDE, name) && name !== operation && !isPartOf(name, given));
  if (orphan !== undefined) throw new CommandFault(orphan, `stands only beside ${BESIDE[orphan]?.join(' or ')}`);
  const commands = operation === undefined ? [] : [OPERATIONS[operation]!(body[operation], body)];
  if (given.includes('whisper')) commands.push(whisperOf('whisper', body.whisper));
  if (commands.length === 0) {
    throw new CommandFault('body', `must have one of ${[...Object.keys(OPERATIONS), 'whisper'].join(', ')}`);
  }
  return commands;
}

function isPartOf(name: string, given: readonly string[]): boolean {
  return BESIDE[name]?.some((whole) => given.includes(whole)) ?? false;
}
