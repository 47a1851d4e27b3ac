import { badField, type Fields, optionalTextField, rejectUnknown, textField } from '../http/fields.js';
import { parseDocument, parseHook } from '../http/hook-input.js';
import { passableHeaders } from '../sip/header-policy.js';
import { splitUri } from '../sip/uri.js';
import { dialableNumber } from './dialable-number.js';
import { parseEnvVars } from './env-vars.js';
import type { OrderedHook, OrderedSpeech, OrderedTarget, PlaceCallOrder } from './place-call-order.js';

/** What a request says of a call to be placed: an order without who orders it. */
export type CallInput = Omit<PlaceCallOrder, 'callSid' | 'accountSid'>;

/** jambonz's time to ring. */
const DEFAULT_TIMEOUT_SEC = 60;

/** Fields of jambonz that are taken and do nothing here; `dual_streams` offers a second audio stream, to which nothing would be sent. */
const NOT_AVAILABLE = ['dual_streams'];
/** What the call is configured with when it is answered, by properties of the verb `config`. */
const CONFIGURED = ['amd', 'sipRequestWithinDialogHook', 'referHook'];

const SPEECH: Record<string, keyof OrderedSpeech> = {
  speech_synthesis_vendor: 'synthesisVendor',
  speech_synthesis_language: 'synthesisLanguage',
  speech_synthesis_voice: 'synthesisVoice',
  speech_recognizer_vendor: 'recognizerVendor',
  speech_recognizer_language: 'recognizerLanguage',
  speech_synthesis_label: 'synthesisLabel',
  speech_recognizer_label: 'recognizerLabel',
};

const KNOWN = [
  ...['from', 'to', 'application_sid', 'call_hook', 'call_status_hook', 'app_json', 'callerName', 'fromHost'],
  // An ordered call has nobody before it who could be kept waiting: answerOnBridge means nothing, as in jambonz.
  ...['timeout', 'timeLimit', 'tag', 'headers', 'account_sid', 'answerOnBridge', 'trunk'],
  ...['env_vars', 'record_all_calls'],
  ...CONFIGURED,
  ...Object.keys(SPEECH),
  ...NOT_AVAILABLE,
];
/** Of `to`, what a target of `dial` may have besides. */
const TARGET_NOT_AVAILABLE = ['confirmHook', 'method', 'from'];

/** Says what is wrong with a list of verbs; null: nothing. */
export type VerbCheck = (verbs: unknown) => string | null;

/**
 * Checks what a request says of a call: the body of REST create call, and of the command `dial`.
 *
 * @throws HttpError 400 that names the field
 */
export function parseCallInput(fields: Fields, faultsOf: VerbCheck): CallInput {
  rejectUnknown(fields, KNOWN);
  const { to, headers: targetHeaders, notAvailable } = targetOf(fields, faultsOf);
  const headers = textsOf('headers', fields.headers);
  const applicationSid = optionalTextField(fields, 'application_sid', 36);
  const callHook = hookOf(fields, 'call_hook');
  const callStatusHook = hookOf(fields, 'call_status_hook');
  const appJson = fields.app_json === undefined ? null : parseDocument('app_json', fields.app_json, faultsOf);
  if (applicationSid === null && !callHook && appJson === null) {
    throw badField('application_sid', 'or call_hook is required: one of them says what runs when the call is answered');
  }
  const callerName = optionalTextField(fields, 'callerName', 256);
  const fromHost = optionalTextField(fields, 'fromHost', 255);
  if (fromHost !== null && !/^[A-Za-z0-9.-]+$/.test(fromHost)) throw badField('fromHost', 'must be a host name');
  const envVars = fields.env_vars === undefined ? null : parseEnvVars(fields, 'env_vars');
  const { record_all_calls: recordAllCalls = null } = fields;
  if (recordAllCalls !== null && typeof recordAllCalls !== 'boolean')
    throw badField('record_all_calls', 'must be true or false');
  const timeLimit = seconds(fields, 'timeLimit', 86_400);
  return {
    from: callerOf(fields),
    to,
    headers: settable({ ...headers, ...targetHeaders }),
    applicationSid,
    ...(callHook && { callHook }),
    ...(callStatusHook && { callStatusHook }),
    ...(appJson !== null && { appJson }),
    ...(callerName !== null && { callerName }),
    ...(fromHost !== null && { fromHost }),
    timeoutMs: (seconds(fields, 'timeout', 600) ?? DEFAULT_TIMEOUT_SEC) * 1000,
    ...(timeLimit !== undefined && { timeLimitMs: timeLimit * 1000 }),
    ...(fields.tag !== undefined && fields.tag !== null && { tag: objectOf('tag', fields.tag) }),
    ...(envVars !== null && { envVars }),
    ...(typeof recordAllCalls === 'boolean' && { recordAllCalls }),
    speech: speechOf(fields),
    ...configOf(fields, faultsOf),
    notAvailable: [
      ...notAvailable,
      ...NOT_AVAILABLE.filter((name) => fields[name] !== undefined),
      ...notSettable('headers', headers),
      ...notSettable('to.headers', targetHeaders),
    ],
  };
}

function callerOf(fields: Fields): string {
  const from = textField(fields, 'from', 256).replace(/^\+/, '');
  if (!/^[\w.!~*'()&=+$,;?/-]+$/.test(from)) throw badField('from', 'must be a number or a user name');
  return from;
}

/** `to` is what a target of `dial` is, and checked as such. */
function targetOf(
  fields: Fields,
  faultsOf: VerbCheck,
): { to: OrderedTarget; headers: Record<string, string>; notAvailable: string[] } {
  const trunk = optionalTextField(fields, 'trunk', 64);
  const given: Record<string, unknown> = { ...(trunk !== null && { trunk }), ...objectOf('to', fields.to) };
  const faults = faultsOf([{ verb: 'dial', target: [given] }]);
  if (faults !== null) throw badField('to', faults);
  if (typeof given.number === 'string' && dialableNumber(given.number) === null)
    throw badField('to.number', 'must be a number: digits, with or without a plus');
  if (given.type === 'sip') requireSipUri('to.sipUri', given.sipUri);
  if (given.type === 'user') requireSipUri('to.name', userUri(given.name));
  if (given.proxy !== undefined) requireSipUri('to.proxy', given.proxy);
  const { headers, auth, ...to } = given as unknown as OrderedTarget & { headers?: unknown };
  const notAvailable = TARGET_NOT_AVAILABLE.filter((name) => given[name] !== undefined);
  // Carriers and devices have credentials of their own.
  if (auth !== undefined && to.type !== 'sip') notAvailable.push('auth');
  return {
    to: auth !== undefined && to.type === 'sip' ? { ...to, auth } : to,
    headers: textsOf('to.headers', headers),
    notAvailable: notAvailable.map((name) => `to.${name}`),
  };
}

/** A user is a name, with or without a realm. */
const userUri = (name: unknown): unknown =>
  typeof name === 'string' ? `sip:${name.replace(/^sips?:/i, '')}${name.includes('@') ? '' : '@realm'}` : name;

function requireSipUri(field: string, value: unknown): void {
  const parts = typeof value === 'string' ? splitUri(value) : null;
  if (parts === null || parts.scheme === 'tel' || parts.host === '') {
    throw badField(field, `must be ${field === 'to.name' ? 'a user, with or without @realm' : 'a SIP URI'}`);
  }
}

/** Headers that are the call's own, or between processes of the platform, are left out. */
const settable = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => isSettable(name)));
const isSettable = (name: string): boolean => Object.keys(passableHeaders({ headers: { [name]: '' } })).length > 0;
const notSettable = (field: string, headers: Record<string, string>): string[] =>
  Object.keys(headers)
    .filter((name) => !isSettable(name))
    .map((name) => `${field}.${name}`);

function hookOf(fields: Fields, field: string): OrderedHook | null {
  const value = fields[field];
  if (value === undefined || value === null) return null;
  return parseHook(field, typeof value === 'string' ? { url: value } : value);
}

/** Checked as the verb `config` is, which the call begins with. */
function configOf(fields: Fields, faultsOf: VerbCheck): { config?: Record<string, unknown> } {
  const given = CONFIGURED.filter((name) => fields[name] !== undefined && fields[name] !== null);
  for (const name of given) {
    const faults = faultsOf([{ verb: 'config', [name]: fields[name] }]);
    if (faults !== null) throw badField(name, faults);
  }
  return given.length === 0 ? {} : { config: Object.fromEntries(given.map((name) => [name, fields[name]])) };
}

/** Whole seconds; undefined when absent. */
function seconds(fields: Fields, field: string, max: number): number | undefined {
  const value = fields[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > max) {
    throw badField(field, `must be whole seconds from 1 to ${max}`);
  }
  return value;
}

function objectOf(field: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badField(field, 'must be an object');
  return value as Record<string, unknown>;
}

/** Names and texts of headers; numbers and booleans become text, as in jambonz. */
function textsOf(field: string, value: unknown): Record<string, string> {
  if (value === undefined || value === null) return {};
  return Object.fromEntries(
    Object.entries(objectOf(field, value)).map(([name, text]) => {
      if (!/^[\w-]{1,64}$/.test(name)) throw badField(field, `${name} is no name of a header`);
      if (!['string', 'number', 'boolean'].includes(typeof text)) throw badField(`${field}.${name}`, 'must be a text');
      const value = String(text);
      if (/\p{Cc}/u.test(value))
        throw badField(`${field}.${name}`, 'must not have line ends or other control characters');
      return [name, value];
    }),
  );
}

function speechOf(fields: Fields): OrderedSpeech {
  return Object.fromEntries(
    Object.entries(SPEECH).flatMap(([field, name]) => {
      const text = optionalTextField(fields, field, 256);
      return text === null ? [] : [[name, text]];
    }),
  );
}
