import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { COMPONENTS, VERB_SCHEMAS, type VerbName } from './schemas/index.js';

const ajv = new Ajv2020({
  allErrors: true,
  // Errors carry value and schema, from which the reason is worded.
  verbose: true,
  // What an object inherits is not part of the document.
  ownProperties: true,
  // A type may be a list here, and conditions name properties without repeating the type.
  allowUnionTypes: true,
  strictTypes: false,
  // Shared schemas are compiled once instead of into each verb.
  inlineRefs: false,
  // The schemas are ours and checked by a test.
  validateSchema: false,
});
for (const schema of COMPONENTS) ajv.addSchema(schema);

const compiled = new Map<VerbName, ValidateFunction>();

function validatorOf(name: VerbName): ValidateFunction {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const validator = ajv.compile(VERB_SCHEMAS[name]);
  compiled.set(name, validator);
  return validator;
}

/** What is wrong with a verb in the form `{ verb: '<name>', … }`; empty when nothing is. */
export function findFaults(name: VerbName, candidate: unknown): readonly ErrorObject[] {
  const validator = validatorOf(name);
  return validator(candidate) ? [] : (validator.errors ?? []);
}

/**
 * Compiles the validators of all verbs, which takes about a quarter of a second once per process. Without it each
 * is compiled when its verb first occurs, in the middle of a call.
 */
export function compileValidators(): void {
  for (const name of Object.keys(VERB_SCHEMAS) as VerbName[]) validatorOf(name);
}
