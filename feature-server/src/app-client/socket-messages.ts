import type { ApplicationCommand, HookType, NoticeType } from './application.js';
import { toWire } from './payload.js';

/** Types of what is sent to an application. */
export type OutgoingType = HookType | NoticeType | 'session:reconnect';

/** What is sent without an answer being waited for (compat 3.2). */
const WITHOUT_ACK = new Set<OutgoingType>(['call:status', 'llm:event', 'llm:tool-call']);

/** What says which hook it is for. */
const WITH_HOOK = new Set<OutgoingType>([
  'verb:hook',
  'dial:confirm',
  'session:redirect',
  'llm:event',
  'llm:tool-call',
]);

/** Whether the application must answer a message of this type. */
export const wantsAck = (type: HookType): boolean => !WITHOUT_ACK.has(type);

/** A message as it goes out. `payload` has camelCase keys. */
export function writeMessage(message: {
  type: OutgoingType;
  msgid: string;
  callSid: string;
  hook?: string;
  payload: object;
  b3: string;
}): { text: string; data: unknown } {
  const { type, msgid, callSid, hook, payload, b3 } = message;
  const data = toWire(payload);
  const wire = { type, msgid, call_sid: callSid, ...(WITH_HOOK.has(type) && { hook }), data, b3 };
  return { text: JSON.stringify(wire), data };
}

/** What an application sends. */
export type IncomingMessage =
  | { kind: 'ack'; msgid: string; data: unknown }
  | { kind: 'command'; command: ApplicationCommand }
  | { kind: 'invalid'; reason: string };

/** Commands that say all by their name; the others need `data` (compat 3.3). */
const WITHOUT_DATA = new Set(['llm:tool-output', 'tts:flush', 'tts:clear']);

/** Reads what an application sends (compat 3.3). Never throws. */
export function readMessage(text: string): IncomingMessage {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch (error) {
    return invalid(`the message is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    return invalid('the message is not a JSON object');
  }
  const fields = message as Record<string, unknown>;
  const { type, msgid, data } = fields;
  if (type === 'ack') {
    if (typeof msgid !== 'string' || msgid === '')
      return invalid('msgid: is missing: an ack names the message it answers');
    return { kind: 'ack', msgid, data };
  }
  if (type === 'command') return readCommandMessage(fields);
  if (type === undefined) return invalid('type: is missing: must be ack or command');
  return invalid(`type: must be ack or command, not ${JSON.stringify(type)?.slice(0, 100)}`);
}

function readCommandMessage({
  command,
  data,
  queueCommand,
  callSid,
  call_sid: snakeCallSid,
  tool_call_id: toolCallId,
}: Record<string, unknown>): IncomingMessage {
  if (typeof command !== 'string' || command === '') return invalid('command: is missing');
  if ((data === undefined || data === null) && !WITHOUT_DATA.has(command)) {
    return invalid(`data: is missing: the command ${command.slice(0, 100)} needs it`);
  }
  const leg = callSid ?? snakeCallSid;
  return {
    kind: 'command',
    command: {
      command,
      ...(data !== undefined && { data }),
      ...(queueCommand === true && { queueCommand }),
      ...(typeof leg === 'string' && { callSid: leg }),
      ...(typeof toolCallId === 'string' && { toolCallId }),
    },
  };
}

const invalid = (reason: string): IncomingMessage => ({ kind: 'invalid', reason });
