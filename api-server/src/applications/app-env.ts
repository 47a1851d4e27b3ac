import type { HttpError } from '@ringwire/common';
import { isEnvName, MAX_NAME, MAX_VARIABLES } from '@ringwire/common/calls/env-vars.js';
import { type AddressGuard, PrivateAddressError } from '@ringwire/common/http/address-guard.js';
import { callHook, HookCallError } from '@ringwire/common/http/call-hook.js';
import { badField } from '../http/input.js';

/** What an application says of one variable of its environment; what portals make of the rest (`uiHint` …) is theirs. */
export interface EnvVariable {
  type: 'string' | 'number' | 'boolean';
  description: string;
  required?: boolean;
  default?: string | number | boolean;
  /** The values that it may have. */
  enum?: readonly unknown[];
  /** Portals show no value of it. */
  obscure?: boolean;
}

/** The environment that an application wants, by the names of its variables. */
export type EnvSchema = Readonly<Record<string, EnvVariable>>;

const TYPES = ['string', 'number', 'boolean'];

/** What asking for a schema came to; neither, where there is none: no answer, one other than 2xx, one that is no JSON. */
export interface EnvAnswer {
  schema?: EnvSchema;
  /** Why nobody may ask there: a private address. */
  forbidden?: string;
}

/**
 * Asks an application for the schema of its environment: `OPTIONS` at the URL of its hook, over HTTP where that is a WebSocket's (compat 2.10).
 *
 * @throws HttpError 400 that names `field`, for a schema that is none
 */
export async function askEnvSchema(url: string, field: string, guard: AddressGuard): Promise<EnvAnswer> {
  const hook = { url: url.replace(/^ws/i, 'http'), method: 'OPTIONS' as const, username: null, password: null };
  try {
    const { json } = await callHook({ hook, payload: {}, secret: null, guard });
    return json === undefined ? {} : { schema: readEnvSchema(json, field) };
  } catch (error) {
    if (!(error instanceof HookCallError)) throw error;
    // Without the address: whoever asks is not to read the operator's own names.
    return error.cause instanceof PrivateAddressError ? { forbidden: 'is at a private address' } : {};
  }
}

/** @throws HttpError 400 that names the variable and its property */
function readEnvSchema(json: unknown, field: string): EnvSchema {
  const bad = (path: string, why: string): HttpError =>
    badField(field, `the schema that OPTIONS gets there cannot be used: ${path}${why}`);
  if (!isObject(json)) throw bad('', 'it is no object');
  const entries = Object.entries(json);
  if (entries.length === 0 || entries.length > MAX_VARIABLES)
    throw bad('', `it has not 1 to ${MAX_VARIABLES} variables`);
  for (const [name, variable] of entries) {
    const shown = `${name.slice(0, MAX_NAME)}: `;
    if (!isEnvName(name)) throw bad(shown, 'is no name: letters, digits and _ are, 64 at most');
    if (!isObject(variable)) throw bad(shown, 'must be an object');
    const fault = variableFault(variable);
    if (fault !== undefined) throw bad(shown, fault);
  }
  return json as EnvSchema;
}

function variableFault({
  type,
  description,
  required,
  default: preset,
  enum: values,
  obscure,
}: Record<string, unknown>) {
  if (typeof type !== 'string' || !TYPES.includes(type)) return `type must be one of ${TYPES.join(', ')}`;
  if (typeof description !== 'string') return 'description must be a text';
  if (required !== undefined && typeof required !== 'boolean') return 'required must be true or false';
  if (obscure !== undefined && typeof obscure !== 'boolean') return 'obscure must be true or false';
  if (preset !== undefined && !TYPES.includes(typeof preset)) return 'default must be a text, a number or a boolean';
  if (values !== undefined && !Array.isArray(values)) return 'enum must be a list';
  return undefined;
}

/**
 * Checks the environment of an application against the schema. Names that the schema does not know are let through, as in jambonz: it may have
 * changed since the values were given.
 *
 * @throws HttpError 400 that names the variable
 */
export function checkEnvVars(values: Readonly<Record<string, unknown>>, schema: EnvSchema): void {
  for (const [name, variable] of Object.entries(schema)) {
    const field = `env_vars.${name}`;
    // A variable may be called as what every object has.
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) {
      if (variable.required === true && variable.default === undefined)
        throw badField(field, `is required: ${variable.description}`);
      continue;
    }
    if (typeof value !== variable.type) throw badField(field, `must be a ${variable.type}: ${variable.description}`);
    if (variable.enum && !variable.enum.includes(value))
      throw badField(field, `must be one of ${variable.enum.map((one) => JSON.stringify(one)).join(', ')}`);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
