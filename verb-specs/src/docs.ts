import { ALIASES } from './aliases.js';
import type { JsonSchema } from './schema.js';
import { COMPONENTS, componentOf, VERB_SCHEMAS } from './schemas/index.js';

const PREFACE = `# Verbs

Generated from the schemas in \`verb-specs/src/schemas/\` by \`npm run docs -w verb-specs\`; do not edit.

An application answers with a JSON list of verbs, which run one after another. A verb is written
\`{ "verb": "say", "text": "Hello" }\` or \`{ "say": { "text": "Hello" } }\`. A property that is not listed here is an error;
undefined values, and null where an object may stand, count as absent. \`id\` may be put on any verb and comes back as
\`verb_id\` in its hooks. \`_\` is reserved for the platform. Times are in seconds unless the text says otherwise.
`;

const cell = (value: string): string => value.replace(/\|/g, '\\|').replace(/</g, '&lt;');

/** GitHub's anchor of a heading. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replace(/ /g, '-');

/** What may stand for a value, as one writes it in a table. */
function typeOf(schema: JsonSchema): string {
  if (schema.$ref !== undefined) {
    const target = componentOf(schema.$ref);
    const title = target?.title ?? '';
    const isVerb = Object.hasOwn(VERB_SCHEMAS, title);
    return `[${title}](#${anchor(isVerb ? title : `shared ${title}`)})`;
  }
  if (schema.type === undefined) return 'any';
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  return types.map((type: string) => (type === 'array' ? listType(schema) : type)).join(' or ');
}

const listType = (schema: JsonSchema): string =>
  schema.items === undefined ? 'list' : `list of ${typeOf(schema.items)}`;

const allowedOf = (schema: JsonSchema): readonly unknown[] =>
  schema.enum ?? schema.items?.enum ?? schema.then?.enum ?? [];

/** Rows of a table, those of nested objects below their parent as `parent.child`. */
function rows(schema: JsonSchema, prefix = ''): string[] {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    if (property === true || (prefix === '' && (name === 'verb' || name === 'id'))) return [];
    const allowed = allowedOf(property).map((value) => `\`${String(value)}\``);
    const description = [property.description ?? '', allowed.length > 0 ? `(${allowed.join(', ')})` : '']
      .filter((part) => part !== '')
      .join(' ');
    const columns = [`\`${prefix}${name}\``, typeOf(property), required.has(name) ? 'yes' : '', description];
    return [`| ${columns.map(cell).join(' | ')} |`, ...rows(property, `${prefix}${name}.`)];
  });
}

function table(schema: JsonSchema): string {
  const body = rows(schema);
  if (body.length === 0) return 'No properties of its own.\n';
  return ['| Property | Type | Required | Meaning |', '| --- | --- | --- | --- |', ...body, ''].join('\n');
}

function aliasesOf(verb: string): string {
  const names = [...ALIASES].filter(([, alias]) => alias.verb === verb);
  if (names.length === 0) return '';
  const shown = names.map(([name, { vendor }]) => (vendor === undefined ? `\`${name}\`` : `\`${name}\` (${vendor})`));
  return `Also written ${shown.join(', ')}.\n\n`;
}

/** The verb reference as Markdown, made of the schemas alone: the same schemas give the same text. */
export function renderVerbReference(): string {
  const verbs = Object.values(VERB_SCHEMAS).map(
    (schema: JsonSchema) =>
      `### ${schema.title}\n\n${schema.description}\n\n${aliasesOf(schema.title ?? '')}${table(schema)}`,
  );
  // A verb within a verb has the properties of the verb: it needs no table of its own.
  const shared = COMPONENTS.filter((schema) => !Object.hasOwn(VERB_SCHEMAS, schema.title)).map(
    (schema) => `### shared: ${schema.title}\n\n${schema.description}\n\n${table(schema)}`,
  );
  return [PREFACE, '## The verbs\n', ...verbs, '## Shared objects\n', ...shared].join('\n').trimEnd().concat('\n');
}
