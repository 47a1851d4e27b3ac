import { createRequire } from 'node:module';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { HOOK_KINDS, type HookKind, type HookKindName } from './hook-kinds.js';

/** The files of `callbacks/` of the published package. */
const CALLBACKS = [
  ...['agent-turn', 'amd', 'base', 'call-status', 'conference', 'conference-status', 'conference-wait', 'dequeue'],
  ...['dial', 'dial-dtmf', 'dial-hold', 'dial-refer', 'enqueue', 'enqueue-wait', 'gather', 'gather-partial', 'listen'],
  ...['llm', 'message', 'play', 'session-new', 'session-reconnect', 'session-redirect', 'sip-refer', 'sip-refer-event'],
  ...['sip-request', 'transcribe', 'transcribe-translation', 'transfer', 'tts-streaming-event', 'verb-status'],
] as const;

const ID = 'https://jambonz.org/schema/callbacks/';
const load = createRequire(import.meta.url);
const ajv = new Ajv2020({ allErrors: true, strict: false, verbose: true });
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
for (const name of CALLBACKS) {
  ajv.addSchema(load(`@jambonz/schema/callbacks/${name}.schema.json`) as Record<string, unknown>);
}

/** A place where the published schema and what jambonz sends (or what we add) differ: both are accepted. */
export interface PayloadException {
  kind: HookKindName;
  /** Field at the top of the payload. */
  field: string;
  /** Whether a value is right though the schema refuses it. */
  accepts(value: unknown): boolean;
  reason: string;
}

const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);

/** All of them. What is not here and not in the schema fails the test that saw it. */
export const PAYLOAD_EXCEPTIONS: readonly PayloadException[] = [
  {
    kind: 'message',
    field: 'message_status',
    accepts: (value) => value === 'queued',
    reason:
      'ours: no carrier has answered yet when the verb has waited long enough (compat 1.3.22 knows final results only)',
  },
  {
    kind: 'conference-status',
    field: 'event',
    accepts: (value) => ['say-start', 'say-done', 'play-start', 'play-done'].includes(String(value)),
    reason: 'the published SDK tells of these with room:say and room:play; the schema lists the older events only',
  },
  ...(['stt_latency_ms', 'stt_start_time', 'stt_stop_time'] as const).map((field) => ({
    kind: 'transcribe' as const,
    field,
    accepts: isNumber,
    reason: 'the schema has text; compat 2.6 calls it milliseconds, which applications do sums with',
  })),
];

const validators = new Map<HookKindName, ValidateFunction>();

function validatorOf(kind: HookKindName): ValidateFunction | undefined {
  const { schema } = HOOK_KINDS[kind] as HookKind;
  if (schema === undefined) return undefined;
  const known = validators.get(kind) ?? ajv.getSchema(`${ID}${schema}`);
  if (known === undefined) throw new Error(`@jambonz/schema has no callback ${schema}`);
  validators.set(kind, known);
  return known;
}

const isExcepted = (kind: HookKindName, { instancePath, data }: ErrorObject): boolean =>
  PAYLOAD_EXCEPTIONS.some(
    (exception) => exception.kind === kind && instancePath === `/${exception.field}` && exception.accepts(data),
  );

/** Requirements that depend on another field, which JSON Schema leaves open (compat 2.5 and 2.6). */
function* dependentFaults(kind: HookKindName, payload: Readonly<Record<string, unknown>>): Generator<string> {
  const needs = function* (when: boolean, field: string, why: string): Generator<string> {
    if (when && payload[field] === undefined) yield `${field} is missing, which goes with ${why}`;
  };
  const { reason } = payload;
  if (kind === 'gather') {
    yield* needs(reason === 'dtmfDetected', 'digits', 'reason dtmfDetected');
    yield* needs(reason === 'speechDetected' || reason === 'stt-low-confidence', 'speech', `reason ${String(reason)}`);
  } else if (kind === 'play') {
    yield* needs(reason === 'playCompleted', 'playback_seconds', 'reason playCompleted');
    yield* needs(reason === 'playCompleted', 'playback_milliseconds', 'reason playCompleted');
    yield* needs(reason === 'playFailed', 'status', 'reason playFailed');
  } else if (kind === 'call-status') {
    yield* needs(payload.call_status === 'completed', 'duration', 'call_status completed');
    yield* needs(payload.call_status === 'completed', 'call_termination_by', 'call_status completed');
  } else if (kind === 'sip-request') {
    yield* needs(payload.result === 'failed', 'err', 'result failed');
  } else if (kind === 'transcribe' && payload.speech === undefined) {
    yield* needs(true, 'speech_event', 'no speech');
  }
}

/** What is wrong with a payload of a kind, each fault in a line that names its field; empty where nothing is. */
export function payloadFaults(kind: HookKindName, payload: Readonly<Record<string, unknown>>): string[] {
  const missing = (HOOK_KINDS[kind] as HookKind).required.filter((name) => payload[name] === undefined);
  const validator = validatorOf(kind);
  const refused = validator === undefined || validator(payload) ? [] : (validator.errors ?? []);
  return [
    ...new Set([
      ...missing.map((name) => `${name} is missing`),
      ...refused.filter((error) => !isExcepted(kind, error)).map(inWords),
      ...dependentFaults(kind, payload),
    ]),
  ];
}

function inWords({ keyword, instancePath, message, params, data }: ErrorObject): string {
  const where = instancePath.slice(1).replace(/\//g, '.');
  if (keyword === 'required') return `${where && `${where}.`}${String(params.missingProperty)} is missing`;
  const allowed = 'allowedValues' in params ? ` (${JSON.stringify(params.allowedValues)})` : '';
  return `${where || 'payload'} ${message}${allowed}, got ${JSON.stringify(data)?.slice(0, 80)}`;
}

/** The fields that the published schema of a kind adds to those of every hook. */
export function callbackFields(kind: HookKindName): string[] {
  const { schema } = HOOK_KINDS[kind] as HookKind;
  if (schema === undefined || schema === 'base') return [];
  const properties = (name: string): string[] =>
    Object.keys((load(`@jambonz/schema/callbacks/${name}.schema.json`) as { properties?: object }).properties ?? {});
  const common = new Set([...properties('base'), ...properties('session-redirect'), 'customerData', 'b3']);
  const own = properties(schema);
  // Schemas that repeat the common fields are about more than these.
  return own.filter((field) => !common.has(field));
}
