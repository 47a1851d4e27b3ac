/** Readers of what WebSocket commands and REST updates have in common, each for one kind of data. */
import { shorten, type VerbSpec } from '@ringwire/verb-specs';
import type { ParticipantAction, RecordCommand, SessionCommand } from './commands.js';
import {
  CommandFault,
  type Fields,
  headersOf,
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

/** What is done with sound that is sent somewhere. */
export const TAP = ['pause', 'silence', 'resume'] as const;
/** Of one leg, or all members of a conference. */
export const MUTE = ['mute', 'unmute'] as const;
/** Of a member of a conference. */
export const HOLD = ['hold', 'unhold'] as const;
/** How a call is ended. */
export const ENDS = ['completed', 'no-answer'] as const;
/** Where the media of a `dial` flows. */
export const MEDIA_PATHS = ['no-media', 'partial-media', 'full-media'] as const;
const ACTIONS: readonly ParticipantAction[] = [
  ...(['tag', 'untag', 'coach', 'uncoach', 'mute', 'unmute', 'hold', 'unhold', 'kick'] as const),
];
/** Requests that set the call itself up, change or end it. */
const OWN_METHODS = ['INVITE', 'ACK', 'BYE', 'CANCEL', 'PRACK', 'UPDATE', 'REGISTER'];
/** What whispering can do. */
const WHISPERED: readonly VerbSpec['verb'][] = ['say', 'play', 'pause'];
/** Beyond these nothing is heard, or nothing but noise. */
const MAX_GAIN_DB = 50;

/** What stands under `key`, or the data itself where it is not wrapped: jambonz takes the one, its SDK sends the other. */
export function unwrapped(data: unknown, key: string): unknown {
  return isObject(data) && Object.keys(data).length === 1 && Object.hasOwn(data, key) ? data[key] : data;
}

/** `{action, type, siprecServerURL, recordingID, headers}`. @throws CommandFault */
export function recordOf(field: string, value: unknown): SessionCommand {
  const { record } = verbOf('config', { record: objectOf(field, value) }, (path) =>
    path.replace(/^\$\[0\]\.record/, field),
  );
  const command = record as RecordCommand;
  if (command.action === 'startCallRecording' && command.type === 'siprec' && !command.siprecServerURL?.length) {
    throw new CommandFault(`${field}.siprecServerURL`, 'is required where type is siprec');
  }
  return { command: 'record', ...command };
}

/** `{method, content_type, content, headers}`. @throws CommandFault */
export function sipRequestOf(field: string, value: unknown): SessionCommand {
  const fields = objectOf(field, value);
  onlyKnown(`${field}.`, fields, ['method', 'content_type', 'contentType', 'content', 'body', 'headers']);
  const method = textOf(`${field}.method`, fields.method, 32).toUpperCase();
  if (!/^[A-Z]+$/.test(method)) throw new CommandFault(`${field}.method`, 'must be a SIP method');
  if (OWN_METHODS.includes(method)) {
    throw new CommandFault(
      `${field}.method`,
      `must not be ${method}: that is the call's own; INFO, MESSAGE, NOTIFY and others are for you`,
    );
  }
  const headers = headersOf(`${field}.headers`, fields.headers);
  const content = fields.content ?? fields.body;
  if (content !== undefined && typeof content !== 'string')
    throw new CommandFault(`${field}.content`, 'must be a text');
  const type = fields.content_type ?? fields.contentType;
  const hasType = type !== undefined || Object.keys(headers).some((name) => /^content-type$/i.test(name));
  if (content && !hasType) throw new CommandFault(`${field}.content_type`, 'is required with content');
  return {
    command: 'sip:request',
    method,
    headers,
    ...(content !== undefined && { content }),
    ...(type !== undefined && { contentType: textOf(`${field}.content_type`, type, 256) }),
  };
}

/** `{digit, duration}`, or the keys alone. @throws CommandFault */
export function dtmfOf(field: string, value: unknown): SessionCommand {
  const fields = typeof value === 'string' || typeof value === 'number' ? { digit: value } : objectOf(field, value);
  onlyKnown(`${field}.`, fields, ['digit', 'duration', 'dtmf']);
  const { digit, dtmf, duration } = fields as Fields;
  const given = digit ?? dtmf;
  const keys = textOf(`${field}.digit`, typeof given === 'number' ? String(given) : given, 256);
  if (!/^[0-9*#A-Dw]+$/i.test(keys))
    throw new CommandFault(`${field}.digit`, 'must be keys: 0 to 9, *, #, A to D, or w for a pause');
  if (duration === undefined || duration === null) return { command: 'dtmf', digits: keys };
  const durationMs = Number(duration);
  if (!(durationMs >= 20 && durationMs <= 10_000))
    throw new CommandFault(`${field}.duration`, 'must be ms, from 20 to 10000');
  return { command: 'dtmf', digits: keys, durationMs };
}

/** A number of dB, or `"N dB"`. @throws CommandFault */
export function gainOf(field: string, value: unknown): SessionCommand {
  const [, text] = /^\s*([+-]?\d+(?:\.\d+)?)\s*(?:dB)?\s*$/i.exec(typeof value === 'string' ? value : '') ?? [];
  const gainDb = typeof value === 'number' ? value : Number(text ?? Number.NaN);
  if (!(Math.abs(gainDb) <= MAX_GAIN_DB)) {
    throw new CommandFault(
      field,
      `must be a number of dB from -${MAX_GAIN_DB} to ${MAX_GAIN_DB}, or a text such as "-6 dB"`,
    );
  }
  return { command: 'boostAudioSignal', gainDb };
}

/** The verb `dub` without its name. @throws CommandFault */
export function dubOf(field: string, value: unknown): SessionCommand {
  const { verb: _, ...spec } = verbOf('dub', objectOf(field, value), (path) => path.replace(/^\$\[0\]/, field));
  return { command: 'dub', spec };
}

/** One verb that is whispered, or several. @throws CommandFault */
export function whisperOf(field: string, value: unknown): SessionCommand {
  if (typeof value === 'string') throw new CommandFault(field, 'must be a verb say or play, or a list of them');
  // Before what is wrong within such a verb: to mend that would not help.
  for (const one of Array.isArray(value) ? value : [value]) {
    const { verb } = isObject(one) ? one : {};
    if (typeof verb === 'string') requireWhispered(field, verb);
  }
  const verbs = verbsOf(field, value);
  if (verbs.length === 0) throw new CommandFault(field, 'must hold a verb');
  for (const { verb } of verbs) requireWhispered(field, verb);
  return { command: 'whisper', verbs };
}

function requireWhispered(field: string, verb: string): void {
  if (WHISPERED.some((one) => one === verb)) return;
  throw new CommandFault(field, `must hold only ${WHISPERED.join(', ')}, not ${shorten(verb)}`);
}

/** `{action, tag, wait_hook}`. @throws CommandFault */
export function participantActionOf(field: string, value: unknown): SessionCommand {
  const fields = presentOf(objectOf(field, value));
  onlyKnown(`${field}.`, fields, ['action', 'tag', 'wait_hook', 'waitHook']);
  const action = wordOf(`${field}.action`, fields.action, ACTIONS);
  const waitHook = fields.wait_hook ?? fields.waitHook;
  const tag = fields.tag === undefined ? undefined : textOf(`${field}.tag`, fields.tag, 256);
  if (tag === undefined && (action === 'tag' || action === 'coach')) {
    throw new CommandFault(`${field}.tag`, `is required for ${action}`);
  }
  return {
    command: 'conf:participant-action',
    action,
    ...(tag !== undefined && { tag }),
    ...(waitHook !== undefined && { waitHook: hookOf(`${field}.wait_hook`, waitHook) }),
  };
}

/** The call, and the leg that its `dial` has connected, get new applications. @throws CommandFault */
export function redirectHooksOf(fields: Fields): SessionCommand {
  const { call_hook: callHook, child_call_hook: childCallHook, call_status_hook: statusHook } = fields;
  return {
    command: 'redirect:hooks',
    ...(callHook !== undefined && { callHook: hookOf('call_hook', callHook) }),
    ...(childCallHook !== undefined && { childCallHook: hookOf('child_call_hook', childCallHook) }),
    ...(statusHook !== undefined && { statusHook: hookOf('call_status_hook', statusHook) }),
  };
}

/** The verb `say` without its name, and `replace`. @throws CommandFault */
export function roomSayOf(field: string, value: unknown): SessionCommand {
  const { replace, ...rest } = presentOf(objectOf(field, value));
  const replaces = flagOf(`${field}.replace`, replace);
  const { verb: _, ...say } = verbOf('say', rest, (path) => path.replace(/^\$\[0\]/, field));
  if (say.stream) throw new CommandFault(`${field}.stream`, 'is not available: a room hears whole texts');
  if (say.text === undefined) throw new CommandFault(`${field}.text`, 'is required');
  return { command: 'room:say', say, replaces };
}

/** `{url, id, replace}`. @throws CommandFault */
export function roomPlayOf(field: string, value: unknown): SessionCommand {
  const { replace, ...rest } = presentOf(objectOf(field, value));
  onlyKnown(`${field}.`, rest, ['url', 'id']);
  const replaces = flagOf(`${field}.replace`, replace);
  const { verb: _, ...play } = verbOf('play', rest, (path) => path.replace(/^\$\[0\]/, field));
  return { command: 'room:play', play, replaces };
}

function flagOf(field: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw new CommandFault(field, 'must be true or false');
  return value === true;
}

/** The verb `transfer` without its name: it replaces what the call does. @throws CommandFault */
export function transferOf(field: string, value: unknown): SessionCommand {
  const transfer = verbOf('transfer', objectOf(field, value), (path) => path.replace(/^\$\[0\]/, field));
  return { command: 'redirect', verbs: [transfer] };
}

/** What newer versions of jambonz have and this one has not, by the field of an update or the name of a command; and why. */
export const NOT_AVAILABLE: Readonly<Record<string, string>> = {
  llm_status: 'is not available: no vendor of language models is configured in this version',
  noise_isolation_status: 'is not available: no vendor of noise isolation is configured in this version',
  'noiseIsolation:status': 'is not available: no vendor of noise isolation is configured in this version',
  'stt:reconfigure': 'is not available in this version: config.recognizer changes the recognizer of what follows',
};
