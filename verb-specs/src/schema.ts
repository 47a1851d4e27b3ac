/** The JSON types a schema may name. */
export type JsonType = 'string' | 'number' | 'integer' | 'boolean' | 'object' | 'array' | 'null';

/** The part of JSON Schema 2020-12 that the verb schemas use. */
export interface JsonSchema {
  readonly $schema?: string;
  readonly $id?: string;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly title?: string;
  readonly description?: string;
  readonly type?: JsonType | readonly JsonType[];
  readonly enum?: readonly (string | number)[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema | true>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly if?: JsonSchema;
  readonly then?: JsonSchema;
  readonly else?: JsonSchema;
  readonly allOf?: readonly JsonSchema[];
}

/** Key under which a schema remembers its TypeScript type; it has no value at run time. */
export declare const shape: unique symbol;

/** A JSON Schema that remembers, for the compiler only, the TypeScript type of what it accepts. */
export interface Schema<T> extends JsonSchema {
  readonly [shape]?: T;
}

/** The type of the values that a schema accepts. */
export type Static<S> = S extends Schema<infer T> ? T : never;

/** A shared schema that others refer to by `$id`. */
export interface Component<T> extends Schema<T> {
  readonly $id: string;
  readonly title: string;
}

/** The schema of one verb in the form `{ verb: '<name>', … }`. */
export interface VerbSchema<T> extends Component<T> {
  readonly properties: Readonly<Record<string, JsonSchema | true>>;
  readonly required: readonly string[];
}

/** Conditional requirements of an object, beside its list of properties. */
export type Rules = Pick<JsonSchema, 'if' | 'then' | 'else' | 'allOf'>;

/** Requires `consequence` where `condition` holds, `otherwise` where it does not. */
export const when = (condition: JsonSchema, consequence: JsonSchema, otherwise?: JsonSchema): Rules => ({
  if: condition,
  // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema; nothing awaits a schema.
  then: consequence,
  ...(otherwise !== undefined && { else: otherwise }),
});

type Shape = Readonly<Record<string, Schema<unknown>>>;
type Flat<T> = { [K in keyof T]: T[K] };
type ObjectOf<P extends Shape, R extends keyof P> = { -readonly [K in R]: Static<P[K]> } & {
  -readonly [K in Exclude<keyof P, R>]?: Static<P[K]>;
};

/** A verb as it stands inside another one, where its name may be left out. */
export type Body<T extends { verb: string }> = Flat<Omit<T, 'verb'> & Partial<Pick<T, 'verb'>>>;

/** A string. */
export const text = (description: string): Schema<string> => ({ type: 'string', description });
/** A number; numeric strings are refused, as jambonz refuses them. */
export const number = (description: string): Schema<number> => ({ type: 'number', description });
/** A number that is not negative: a length, a count, a timeout. */
export const amount = (description: string): Schema<number> => ({ type: 'number', minimum: 0, description });
/** `true` or `false`. */
export const flag = (description: string): Schema<boolean> => ({ type: 'boolean', description });
/** A number or a string, checked by type only: what the string means is up to the verb. */
export const numberOrText = (description: string): Schema<number | string> => ({
  type: ['number', 'string'],
  description,
});
/** A number that is not negative, or a string as of {@link numberOrText}. */
export const amountOrText = (description: string): Schema<number | string> => ({
  type: ['number', 'string'],
  minimum: 0,
  description,
});
/** `true`, `false` or a number. */
export const flagOrNumber = (description: string): Schema<boolean | number> => ({
  type: ['boolean', 'number'],
  description,
});
/** `true`, `false` or the given string. */
export const flagOr = <const V extends string>(value: V, description: string): Schema<boolean | V> => ({
  type: ['boolean', 'string'],
  ...when({ type: 'string' }, { enum: [value] }),
  description,
});
/** One of the given strings. */
export const choice = <const V extends readonly string[]>(values: V, description: string): Schema<V[number]> => ({
  type: 'string',
  enum: values,
  description,
});
/** A list of anything. */
export const anyList = (description: string): Schema<unknown[]> => ({ type: 'array', description });
/** A list of strings. */
export const texts = (description: string): Schema<string[]> => ({
  type: 'array',
  items: { type: 'string' },
  description,
});
/** One string or a list of strings. */
export const textOrTexts = (description: string): Schema<string | string[]> => ({
  type: ['string', 'array'],
  items: { type: 'string' },
  description,
});
/** One string, or a list of strings and of lists of strings. */
export const textOrTextsOrChoices = (description: string): Schema<string | (string | string[])[]> => ({
  type: ['string', 'array'],
  items: { type: ['string', 'array'], items: { type: 'string' } },
  description,
});
/** A list of the given strings. */
export const choices = <const V extends readonly string[]>(values: V, description: string): Schema<V[number][]> => ({
  type: 'array',
  items: { type: 'string', enum: values },
  description,
});
/** One of the given strings, or a list of them. */
export const choiceOrChoices = <const V extends readonly string[]>(
  values: V,
  description: string,
): Schema<V[number] | V[number][]> => ({
  type: ['string', 'array'],
  items: { type: 'string', enum: values },
  ...when({ type: 'string' }, { enum: values }),
  description,
});
/** An object whose content is the application's own affair. */
export const freeObject = (description: string): Schema<Record<string, unknown>> => ({ type: 'object', description });
/** A string, or an object whose content is the vendor's affair. */
export const textOrFreeObject = (description: string): Schema<string | Record<string, unknown>> => ({
  type: ['string', 'object'],
  description,
});
/** SIP headers by name. */
export const headers = (description: string): Schema<Record<string, string | number | boolean>> => ({
  type: 'object',
  additionalProperties: { type: ['string', 'number', 'boolean'] },
  description,
});
/** A shared schema is referred to, any other is written out. */
const byName = (schema: JsonSchema): JsonSchema => (schema.$id === undefined ? schema : { $ref: schema.$id });

/** An object whose keys are the application's and whose values are checked. */
export const mapOf = <T>(values: Schema<T>, description: string): Schema<Record<string, T>> => ({
  type: 'object',
  additionalProperties: byName(values),
  description,
});
/** A list whose elements are checked. */
export const list = <T>(items: Schema<T>, description: string): Schema<T[]> => ({
  type: 'array',
  items: byName(items),
  description,
});
/** The same with at least one element. */
export const someOf = <T>(items: Schema<T>, description: string): Schema<T[]> => ({
  ...list(items, description),
  minItems: 1,
});

/** Reference to a shared schema. */
export const ref = <T>(target: Component<T>, description: string): Schema<T> => ({ $ref: target.$id, description });

/**
 * An object in which unknown properties are errors. `_` is always allowed: servers carry state between themselves in it.
 */
export function object<const P extends Shape, R extends keyof P & string = never>(
  properties: P,
  required: readonly R[] = [],
  rules: Rules = {},
): Schema<Flat<ObjectOf<P, R>>> {
  return {
    type: 'object',
    properties: { ...properties, _: true },
    ...(required.length > 0 && { required }),
    additionalProperties: false,
    ...rules,
  };
}

/** What a schema says about values, without the schema's own name. */
export function anonymous(schema: JsonSchema): JsonSchema {
  const { $id: _id, $schema: _dialect, title: _title, ...rest } = schema;
  return rest;
}

/** A string (any, or one of `values`), or an object of the given kind. */
export function textOr<const V extends readonly string[], T>(
  values: V,
  schema: Schema<T>,
  description: string,
): Schema<V[number] | T> {
  const rules = values.length > 0 ? when({ type: 'string' }, { enum: values }) : {};
  return { ...anonymous(schema), type: ['string', 'object'], ...rules, description };
}

/** Any string, or a verb's body. Conditions of the body bind objects only, as its list of properties does. */
export const textOrBody = <T>(schema: Schema<T>, description: string): Schema<string | T> => ({
  ...anonymous(schema),
  type: ['string', 'object'],
  description,
});

/** The same schema with its description. */
export const described = <T>(schema: Schema<T>, description: string): Schema<T> => ({ ...schema, description });

/** Names a schema so that others can refer to it. */
export const component = <T>(name: string, description: string, schema: Schema<T>): Component<T> => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: `urn:ringwire:component:${name}`,
  title: name,
  description,
  ...schema,
});

/** What every verb has. */
interface CommonProperties {
  /** Tag of the application's choice; comes back as `verb_id` in this verb's hooks. */
  id?: string;
  /** State that servers carry between themselves. */
  _?: unknown;
}

/** The schema of a verb: its own properties plus `verb`, `id` and `_`. */
export function verb<const N extends string, const P extends Shape, R extends keyof P & string = never>(
  name: N,
  description: string,
  properties: P,
  required: readonly R[] = [],
  rules: Rules = {},
): VerbSchema<Flat<{ verb: N } & CommonProperties & ObjectOf<P, R>>> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `urn:ringwire:verb:${name}`,
    title: name,
    description,
    type: 'object',
    properties: {
      verb: { const: name, description: 'name of the verb' },
      id: { type: 'string', description: "tag of your choice; comes back as `verb_id` in this verb's hooks" },
      ...properties,
      _: true,
    },
    required: ['verb', ...required],
    additionalProperties: false,
    ...rules,
  };
}

/** The schema of a verb nested in another one. */
export const body = <T extends { verb: string }>(schema: VerbSchema<T>): Component<Body<T>> => ({
  ...(schema as JsonSchema),
  $id: `urn:ringwire:component:${schema.title}`,
  title: schema.title,
  required: schema.required.filter((property) => property !== 'verb'),
});
