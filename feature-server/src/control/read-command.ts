import { shorten } from '@ringwire/verb-specs';
import type { ApplicationCommand } from '../app-client/application.js';
import { checkVerbs } from '../app-client/read-verbs.js';
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
  verbOf,
  verbsOf,
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
  unwrapped,
  whisperOf,
} from './read-parts.js';

/** A command that can be done, or why what was sent is none. `field`: what of it cannot be read, where it is one thing. */
export type ReadCommand = { ok: true; command: SessionCommand } | { ok: false; reason: string; field?: string };

type Reader = (data: unknown, sent: ApplicationCommand) => SessionCommand;

/** The value of a field, or the data itself where it is a bare text. */
const bareOr = (data: unknown, key: string): unknown => (typeof data === 'string' ? data : objectOf('data', data)[key]);

const tapOf = (data: unknown, keys: readonly string[]): 'pause' | 'silence' | 'resume' => {
  const key = (isObject(data) && keys.find((candidate) => Object.hasOwn(data, candidate))) || keys[0]!;
  return wordOf(key, bareOr(data, key), TAP);
};

/** jambonz's commands (compat 3.5), and those of its SDK. */
const READERS: Readonly<Record<string, Reader>> = {
  redirect: (data, { queueCommand }) => {
    if (Array.isArray(data)) {
      return { command: 'redirect', verbs: checkVerbs(data, JSON.stringify(data)), isQueued: queueCommand === true };
    }
    const fields = presentOf(objectOf('data', data));
    if (typeof fields.verb === 'string') {
      return { command: 'redirect', verbs: verbsOf('data', data), isQueued: queueCommand === true };
    }
    onlyKnown('', fields, ['call_hook', 'child_call_hook', 'call_status_hook', 'parent_call', 'child_call']);
    const legs = legsOf(fields);
    const hasHooks = fields.call_hook !== undefined || fields.child_call_hook !== undefined;
    if (legs && hasHooks) throw new CommandFault('call_hook', 'cannot stand beside parent_call or child_call');
    if (!legs && !hasHooks)
      throw new CommandFault('data', 'must be a list of verbs, or have call_hook or child_call_hook');
    return legs ?? redirectHooksOf(fields);
  },
  'call:status': (data) => ({
    command: 'call:status',
    callStatus: wordOf('call_status', bareOr(data, 'call_status'), ENDS),
  }),
  config: (data) => {
    const { verb: _, ...spec } = verbOf(
      'config',
      objectOf('data', data),
      (path) => path.replace(/^\$\[0\]\.?/, '') || 'data',
    );
    return { command: 'config', spec };
  },
  dial: (data) => ({ command: 'dial', body: objectOf('data', data) }),
  dub: (data) => dubOf('dub', unwrapped(data, 'dub')),
  record: (data) => recordOf('record', unwrapped(data, 'record')),
  'mute:status': (data) => ({
    command: 'mute:status',
    isMuted: wordOf('mute_status', bareOr(data, 'mute_status'), MUTE) === 'mute',
  }),
  'conf:mute-status': (data) => ({
    command: 'conf:mute-status',
    isMuted: wordOf('conf_mute_status', bareOr(data, 'conf_mute_status'), MUTE) === 'mute',
  }),
  'conf:hold-status': (data) => {
    const waitHook = isObject(data) ? (data.wait_hook ?? data.waitHook ?? undefined) : undefined;
    return {
      command: 'conf:hold-status',
      isHeld: wordOf('conf_hold_status', bareOr(data, 'conf_hold_status'), HOLD) === 'hold',
      ...(waitHook !== undefined && { waitHook: hookOf('wait_hook', waitHook) }),
    };
  },
  'conf:participant-action': (data) => participantActionOf('data', unwrapped(data, 'conferenceParticipantAction')),
  'listen:status': (data) => ({ command: 'listen:status', status: tapOf(data, ['listen_status', 'stream_status']) }),
  'stream:status': (data) => ({ command: 'listen:status', status: tapOf(data, ['stream_status', 'listen_status']) }),
  'transcribe:status': (data) => ({ command: 'transcribe:status', status: tapOf(data, ['transcribe_status']) }),
  'room:say': (data) => roomSayOf('room:say', unwrapped(data, 'room_say')),
  'room:play': (data) => roomPlayOf('room:play', unwrapped(data, 'room_play')),
  whisper: (data) => whisperOf('whisper', unwrapped(data, 'whisper')),
  'sip:request': (data) => sipRequestOf('sip_request', unwrapped(data, 'sip_request')),
  dtmf: (data) => dtmfOf('dtmf', isObject(data) && isObject(data.dtmf) ? data.dtmf : data),
  boostAudioSignal: (data) => gainOf('boostAudioSignal', unwrapped(unwrapped(data, 'boostAudioSignal'), 'gain')),
  'media:path': (data) => ({
    command: 'media:path',
    path: wordOf('media_path', typeof data === 'string' ? data : unwrapped(data, 'media_path'), MEDIA_PATHS),
  }),
  tag: (data) => ({ command: 'tag', data: { ...objectOf('data', data) } }),
  'llm:tool-output': (data, { toolCallId }) => {
    const given = toolCallId ?? (isObject(data) ? data.tool_call_id : undefined);
    return { command: 'llm:tool-output', toolCallId: textOf('tool_call_id', given, 1_024), output: data };
  },
  'llm:update': (data) => ({ command: 'llm:update', data }),
  'agent:update': (data) => ({ command: 'llm:update', data }),
  'tts:tokens': (data) => {
    const { id, tokens } = objectOf('data', data);
    if (typeof id !== 'number' && typeof id !== 'string') throw new CommandFault('id', 'must be a number or a text');
    // That they are missing is told by the answer to these tokens, as in jambonz.
    if (tokens !== undefined && typeof tokens !== 'string') throw new CommandFault('tokens', 'must be a text');
    return { command: 'tts:tokens', id, ...(tokens !== undefined && { tokens }) };
  },
  'tts:flush': () => ({ command: 'tts:flush' }),
  'tts:clear': () => ({ command: 'tts:clear' }),
};

/** Commands that mean something without data. */
const WITHOUT_DATA = ['llm:tool-output', 'tts:flush', 'tts:clear'];

function legsOf({ parent_call: parent, child_call: child }: Fields): SessionCommand | undefined {
  if (parent === undefined && child === undefined) return undefined;
  return {
    command: 'redirect:legs',
    ...(parent !== undefined && { parentCall: verbsOf('parent_call', parent) }),
    ...(child !== undefined && { childCall: verbsOf('child_call', child) }),
  };
}

/** Reads a command as a WebSocket application sends it (compat 3.5). Never throws. */
export function readCommand(sent: ApplicationCommand): ReadCommand {
  const { command, data } = sent;
  const reader = Object.hasOwn(READERS, command) ? READERS[command] : undefined;
  if (!reader) {
    const absent = Object.hasOwn(NOT_AVAILABLE, command) ? NOT_AVAILABLE[command] : undefined;
    const reason = absent ?? `is no command; known are ${Object.keys(READERS).join(', ')}`;
    return { ok: false, field: 'command', reason: `"${shorten(command)}" ${reason}` };
  }
  if ((data === undefined || data === null) && !WITHOUT_DATA.includes(command)) {
    return { ok: false, field: 'data', reason: `data: is required for ${command}` };
  }
  return readSafely(() => {
    assertBounded('data', data);
    return reader(data, sent);
  });
}

/** What a reader makes of it, or its fault. */
export function readSafely(read: () => SessionCommand): ReadCommand {
  try {
    return { ok: true, command: read() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, reason, ...(error instanceof CommandFault && { field: error.field }) };
  }
}
