/** For tests: documents made of a published JSON Schema, so that each property, each form it may have and each allowed value occurs in one. */

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';

type Node = Readonly<Record<string, unknown>>;

const FOLDER = dirname(createRequire(import.meta.url).resolve('@jambonz/schema/package.json'));
const ROOT = 'https://jambonz.org/schema/';
const isObject = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const schemas = new Map<string, Node>();
const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false });
for (const folder of ['components', 'verbs', 'callbacks', 'commands']) {
  for (const file of readdirSync(join(FOLDER, folder))) {
    const schema = JSON.parse(readFileSync(join(FOLDER, folder, file), 'utf8')) as Node;
    schemas.set(String(schema.$id), schema);
    ajv.addSchema(schema);
  }
}

/** A document and what in it is tried: `target[].dialFrom.user = "x"`. */
export interface Sample {
  what: string;
  document: Record<string, unknown>;
}

/** Names of all verbs that the package has a schema for, as documents name them. */
export function publishedVerbs(): string[] {
  return [...schemas.keys()]
    .filter((id) => id.startsWith(`${ROOT}verbs/`))
    .map((id) => id.slice(`${ROOT}verbs/`.length));
}

/** Whether the package itself takes a document of this verb. */
export function isPublished(verb: string, document: unknown): boolean {
  return ajv.getSchema(`${ROOT}verbs/${verb}`)?.(document) === true;
}

/** The examples of a verb, each a document. */
export function publishedExamples(verb: string): Record<string, unknown>[] {
  const { examples } = schemas.get(`${ROOT}verbs/${verb}`) ?? {};
  return (Array.isArray(examples) ? examples : []).filter(isObject);
}

/** A whole document for each property of a verb, at every depth, with each kind of value that the schema names. */
export function publishedSamples(verb: string): Sample[] {
  const id = `${ROOT}verbs/${verb}`;
  return variants({ $ref: id }, id, 0)
    .filter(({ value }) => isObject(value))
    .map(({ what, value }) => ({ what, document: { ...(value as Record<string, unknown>), verb } }))
    .filter(({ document }) => isPublished(verb, document));
}

interface Variant {
  what: string;
  value: unknown;
}

const MAX_DEPTH = 9;

/** What a document needs by the words of the package's descriptions, though its schemas do not require it. */
const NEEDED: Readonly<Record<string, Node>> = {
  [`${ROOT}verbs/say`]: { text: 'Hello.' },
  [`${ROOT}verbs/sip:decline`]: { status: 486 },
  [`${ROOT}components/target`]: { number: '1', sipUri: 'sip:a@example.com', name: 'a@example.com' },
};

/** A schema with what it refers to and what it combines put together, and the `$id` by which its own references are resolved. */
function flat(node: Node, base: string): { node: Node; base: string } {
  if (typeof node.$ref === 'string') {
    const id = new URL(node.$ref, base).href;
    const target = schemaAt(id);
    const inner = flat(target, id);
    return { node: { ...inner.node, ...without(node, '$ref', 'description', 'examples') }, base: inner.base };
  }
  if (!Array.isArray(node.allOf)) return { node, base };
  let properties: Node = {};
  let required: unknown[] = [];
  for (const part of [...(node.allOf as Node[]), without(node, 'allOf')]) {
    const one = flat(part, base);
    if (isObject(one.node.properties)) {
      const own = Object.entries(one.node.properties).map(([name, value]) => [name, absolute(value, one.base)]);
      properties = { ...properties, ...Object.fromEntries(own) };
    }
    if (Array.isArray(one.node.required)) required = [...required, ...(one.node.required as unknown[])];
  }
  return { node: { ...without(node, 'allOf'), type: 'object', properties, required }, base };
}

/** The schema that a reference names, which may be a part of another one (`…#/$defs/x`). */
function schemaAt(id: string): Node {
  const [whole = '', pointer = ''] = id.split('#');
  let found: unknown = schemas.get(whole);
  for (const step of pointer.split('/').slice(1)) found = isObject(found) ? found[step] : undefined;
  if (!isObject(found)) throw new Error(`no schema ${id}`);
  return found;
}

/** References by their whole address, since the schema moves into another one. */
function absolute(value: unknown, base: string): unknown {
  if (Array.isArray(value)) return value.map((item) => absolute(item, base));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' && typeof inner === 'string' ? new URL(inner, base).href : absolute(inner, base),
    ]),
  );
}

const without = (node: Node, ...names: string[]): Node =>
  Object.fromEntries(Object.entries(node).filter(([name]) => !names.includes(name)));

/** Values that a schema accepts; the first is the plainest. */
function variants(given: Node, givenBase: string, depth: number): Variant[] {
  const { node, base } = flat(given, givenBase);
  if (depth > MAX_DEPTH) return [];
  for (const key of ['oneOf', 'anyOf'] as const) {
    const choices = node[key];
    if (!Array.isArray(choices)) continue;
    const rest = without(node, key, 'description', 'examples', 'default');
    return (choices as Node[]).flatMap((choice) => {
      const inner = flat(choice, base);
      const merged: Node = isObject(inner.node.properties)
        ? {
            ...rest,
            ...inner.node,
            properties: { ...((rest.properties as Node | undefined) ?? {}), ...inner.node.properties },
            required: [...((rest.required as unknown[]) ?? []), ...((inner.node.required as unknown[]) ?? [])],
          }
        : {
            ...rest,
            ...inner.node,
            required: [...((rest.required as unknown[]) ?? []), ...((inner.node.required as unknown[]) ?? [])],
          };
      return variants(merged, inner.base, depth);
    });
  }
  if (node.const !== undefined) return [{ what: '', value: node.const }];
  if (Array.isArray(node.enum)) return node.enum.map((value) => ({ what: ` = ${JSON.stringify(value)}`, value }));
  const types = Array.isArray(node.type)
    ? (node.type as string[])
    : [typeof node.type === 'string' ? node.type : 'any'];
  return types.flatMap((type) => ofType(type, node, base, depth));
}

function ofType(type: string, node: Node, base: string, depth: number): Variant[] {
  switch (type) {
    case 'string':
      return [{ what: '', value: 'https://example.com/x' }];
    case 'integer':
    case 'number':
      return [{ what: '', value: (node.minimum as number | undefined) ?? (node.maximum as number | undefined) ?? 1 }];
    case 'boolean':
      return [
        { what: ' = true', value: true },
        { what: ' = false', value: false },
      ];
    case 'null':
      return [{ what: ' = null', value: null }];
    case 'array': {
      if (!isObject(node.items)) return [{ what: '[]', value: [{ any: 'thing' }] }];
      return variants(node.items, base, depth + 1).map(({ what, value }) => ({ what: `[]${what}`, value: [value] }));
    }
    default:
      return type === 'any' && !isObject(node.properties)
        ? [{ what: '', value: 'anything' }]
        : objects(node, base, depth);
  }
}

function objects(node: Node, base: string, depth: number): Variant[] {
  const properties = isObject(node.properties) ? node.properties : {};
  const required = new Set(Array.isArray(node.required) ? (node.required as string[]) : []);
  const plain: Record<string, unknown> = {};
  for (const name of required) {
    const [first] = isObject(properties[name]) ? variants(properties[name] as Node, base, depth + 1) : [];
    plain[name] = first === undefined ? 'anything' : first.value;
  }
  for (const [name, value] of Object.entries(NEEDED[base] ?? {}))
    if (Object.hasOwn(properties, name)) plain[name] = value;
  const found: Variant[] = [{ what: '', value: plain }];
  for (const [name, property] of Object.entries(properties)) {
    if (!isObject(property)) continue;
    for (const { what, value } of variants(property, base, depth + 1)) {
      found.push({ what: `.${name}${what}`, value: { ...plain, [name]: value } });
    }
  }
  const more = node.additionalProperties;
  if (isObject(more)) {
    for (const { what, value } of variants(more, base, depth + 1)) {
      found.push({ what: `.*${what}`, value: { ...plain, anyName: value } });
    }
  }
  return found;
}
