import type { JsonSchema } from './schema.js';
import { componentOf } from './schemas/index.js';

/** A property of a schema, or of a document that is read along its schema. */
export interface Visit {
  /** Which property it is, the same wherever its schema is used: `urn:ringwire:component:target#from.user`. */
  key: string;
  /** Steps from the document to the value; only where a document is read. */
  steps: readonly (string | number)[];
  /** Schema of the property, references resolved. */
  schema: JsonSchema;
  /** What its place says, for example its description, references not resolved. */
  site: JsonSchema;
}

const resolve = (schema: JsonSchema): JsonSchema => (schema.$ref ? (componentOf(schema.$ref) ?? schema) : schema);

const startOf = (owner: string, schema: JsonSchema): string => schema.$id ?? owner;

const below = (owner: string, name: string): string => (owner.includes('#') ? `${owner}.${name}` : `${owner}#${name}`);

/** Every property that a schema names itself; those of shared schemas belong to these. */
export function propertiesOf(schema: JsonSchema, owner = schema.$id ?? ''): Visit[] {
  const named = Object.entries(schema.properties ?? {}).flatMap(([name, site]) => {
    if (site === true) return [];
    const key = below(owner, name);
    const visit: Visit = { key, steps: [], schema: resolve(site), site };
    return [visit, ...(site.$ref === undefined ? propertiesOf(site, key) : [])];
  });
  const inner = [schema.items, schema.additionalProperties].flatMap((part) =>
    typeof part === 'object' && part.$ref === undefined ? propertiesOf(part, owner) : [],
  );
  return [...named, ...inner];
}

/** Every object and value of a document that its schema speaks about, each with its schema. */
export function valuesOf(
  schema: JsonSchema,
  value: unknown,
  owner = schema.$id ?? '',
  steps: readonly (string | number)[] = [],
): Visit[] {
  const here: Visit = { key: owner, steps, schema, site: schema };
  if (Array.isArray(value)) {
    const items = schema.items;
    if (items === undefined) return [here];
    const target = resolve(items);
    return [here, ...value.flatMap((item, i) => valuesOf(target, item, startOf(owner, target), [...steps, i]))];
  }
  if (typeof value !== 'object' || value === null) return [here];
  const found = Object.entries(value).flatMap(([name, child]) => {
    const site = schema.properties?.[name] ?? schema.additionalProperties;
    if (typeof site !== 'object') return [];
    const isNamed = schema.properties?.[name] !== undefined;
    const key = isNamed ? below(owner, name) : owner;
    const target = resolve(site);
    const [self, ...rest] = valuesOf(target, child, startOf(key, target), [...steps, name]);
    return self === undefined ? rest : [{ ...self, key: isNamed ? key : self.key, site }, ...rest];
  });
  return [here, ...found];
}
