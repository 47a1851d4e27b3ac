import { Ajv2020 } from 'ajv/dist/2020.js';
import t from 'tap';
import type { JsonSchema } from './schema.js';
import { propertiesOf, valuesOf } from './schema-walk.js';
import { bundledSchema, COMPONENTS, VERB_SCHEMAS, type VerbName } from './schemas/index.js';
import { validate } from './validate.js';
import { VERB_FIXTURES } from './verb.fixtures.js';

/** Properties that no fixture has, with the reason why. A gap that is closed has to leave this list. */
const KNOWN_GAPS: Readonly<Record<string, string>> = {};

const names = Object.keys(VERB_SCHEMAS) as VerbName[];
const everySchema: JsonSchema[] = [...Object.values(VERB_SCHEMAS), ...COMPONENTS];

t.test('every schema is a valid JSON Schema 2020-12 that stands alone', async (t) => {
  for (const name of names) {
    const ajv = new Ajv2020({ allowUnionTypes: true, strictTypes: false });
    const validator = ajv.compile(bundledSchema(name));
    for (const fixture of VERB_FIXTURES[name]) t.ok(validator(fixture), `${name}: ${JSON.stringify(validator.errors)}`);
  }
});

t.test('every property says in one line what it is', async (t) => {
  const silent = everySchema.flatMap((schema) =>
    propertiesOf(schema).filter(({ site }) => !site.description || site.description.includes('\n')),
  );
  t.strictSame(
    silent.map(({ key }) => key),
    [],
  );
});

t.test('every reference has its target', async (t) => {
  const known = new Set(COMPONENTS.map((schema) => schema.$id));
  const dangling = [...JSON.stringify(everySchema).matchAll(/"\$ref":"([^"]+)"/g)].filter(([, id]) => !known.has(id!));
  t.strictSame(dangling, []);
});

t.test('the documents with all properties are valid and come back as they are', async (t) => {
  for (const name of names) {
    for (const fixture of VERB_FIXTURES[name]) {
      const before = JSON.stringify(fixture);
      const result = validate([fixture]);
      t.ok(result.ok, `${name}: ${JSON.stringify(result)}`);
      t.equal(JSON.stringify(fixture), before, `${name} is not changed`);
      // Where stream means listen, one of the two is left.
      if (result.ok && !('stream' in fixture && 'listen' in fixture)) t.strictSame(result.verbs, [fixture]);
    }
  }
});

t.test('the documents reach every property of every schema, except the known gaps', async (t) => {
  const reached = new Set(
    names.flatMap((name) =>
      VERB_FIXTURES[name].flatMap((fixture) => valuesOf(VERB_SCHEMAS[name], fixture).map(({ key }) => key)),
    ),
  );
  const all = new Set(everySchema.flatMap((schema) => propertiesOf(schema).map(({ key }) => key)));
  t.ok(all.size > 600, `${all.size} properties`);
  const missing = [...all].filter((key) => !reached.has(key) && KNOWN_GAPS[key] === undefined);
  t.strictSame(missing, []);
  const closed = Object.keys(KNOWN_GAPS).filter((key) => reached.has(key) || !all.has(key));
  t.strictSame(closed, [], 'gaps that are none');
});
