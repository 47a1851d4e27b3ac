import { ALIASES } from './aliases.js';
import { COMMON_FIELDS, HOOK_PAYLOADS, STATUS_FIELDS } from './hook-payloads.js';
import { LIMITS } from './limits.js';
import type { JsonSchema } from './schema.js';
import { COMPONENTS, componentOf, VERB_SCHEMAS, type VerbName } from './schemas/index.js';
import { VERB_EXAMPLES } from './verb-examples.js';

const preface = (): string => `# Verbs

Generated from the schemas in \`verb-specs/src/schemas/\` by \`npm run docs -w verb-specs\`; do not edit.

An application answers with a JSON list of verbs, which run one after another. A verb is written
\`{ "verb": "say", "text": "Hello" }\` or \`{ "say": { "text": "Hello" } }\`. A property that is not listed here is an error;
undefined values, null where an object may stand, and hooks with a blank URL count as absent. \`id\` may be put on any verb and comes back as
\`verb_id\` in its hooks. \`_\` is reserved for the platform. Times are in seconds unless the text says otherwise.

A list is checked as a whole before any of it runs; of a list with faults nothing runs, and every fault is told with its JSON path and reason (the
first hundred of them). A list may have up to ${LIMITS.verbs} verbs (those within verbs included), ${LIMITS.values} values in all, other lists
of ${LIMITS.listElements} elements, texts of ${LIMITS.textCharacters} characters, and objects and lists ${LIMITS.depth} deep.

The examples below are checked by a test. What each verb's hooks carry stands with the verb; every one carries besides:

${fieldTable(COMMON_FIELDS)}
The last call-status hook of a call, which goes to the application's \`call_status_hook\`, carries also:

${fieldTable(STATUS_FIELDS)}`;

const cell = (value: string): string => value.replace(/\|/g, '\\|').replace(/</g, '&lt;');

/** Fields of a payload as a table. */
function fieldTable(fields: Readonly<Record<string, string>>): string {
  const body = Object.entries(fields).map(([name, meaning]) => `| \`${name}\` | ${cell(meaning)} |`);
  return ['| Field | Meaning |', '| --- | --- |', ...body, ''].join('\n');
}

/** The verb as an application writes it. */
const exampleOf = (name: VerbName): string => `\`\`\`json\n${JSON.stringify(VERB_EXAMPLES[name], null, 2)}\n\`\`\`\n`;

/** What the verb's hooks are told. */
function hooksOf(name: VerbName): string {
  return (HOOK_PAYLOADS[name] ?? [])
    .map(({ hook, when, fields }) => {
      const table = Object.keys(fields).length === 0 ? '' : `\n${fieldTable(fields)}`;
      return `\n**${hook}**: ${when}\n${table}`;
    })
    .join('');
}

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
      `### ${schema.title}\n\n${schema.description}\n\n${aliasesOf(schema.title ?? '')}${exampleOf(schema.title as VerbName)}\n${table(schema)}${hooksOf(schema.title as VerbName)}`,
  );
  // A verb within a verb has the properties of the verb: it needs no table of its own.
  const shared = COMPONENTS.filter((schema) => !Object.hasOwn(VERB_SCHEMAS, schema.title)).map(
    (schema) => `### shared: ${schema.title}\n\n${schema.description}\n\n${table(schema)}`,
  );
  return [preface(), '## The verbs\n', ...verbs, '## Shared objects\n', ...shared].join('\n').trimEnd().concat('\n');
}
