import { inspect } from 'node:util';
import t from 'tap';
import {
  ConfigError,
  flag,
  integer,
  oneOf,
  optionalText,
  privateAddresses,
  readConfig,
  secret,
  text,
} from './read-config.js';
import { mysqlConfig, mysqlVars, redisConfig, redisVars } from './variables.js';

t.test('everything that is wrong is listed at once, with variable, value and what is expected', async (t) => {
  const spec = {
    HOST: text({ doc: 'a host' }),
    PORT: integer({ min: 0, max: 65535, doc: 'a port' }),
    LEVEL: oneOf(['info', 'debug'], { default: 'info', doc: 'a level' }),
    DRY: flag({ default: false, doc: 'a flag' }),
    KEY: secret({ minLength: 8, doc: 'a key' }),
  };
  try {
    readConfig(spec, { PORT: '70000', LEVEL: 'loud', DRY: 'perhaps', KEY: 'short' });
    t.fail('it must throw');
  } catch (err) {
    t.ok(err instanceof ConfigError);
    const { problems, message } = err as ConfigError;
    t.strictSame(
      problems.map(({ variable, value }) => [variable, value]),
      [
        ['HOST', '(not set)'],
        ['PORT', '"70000"'],
        ['LEVEL', '"loud"'],
        ['DRY', '"perhaps"'],
        ['KEY', '***'],
      ],
    );
    t.match(message, /PORT is "70000"; expected a whole number from 0 to 65535/);
    t.notMatch(message, /short/, 'a secret is not shown');
  }
});

t.test('zero and the empty text are values, not absences', async (t) => {
  t.equal(readConfig({ P: integer({ default: 3000, doc: '' }) }, { P: '0' }).P, 0);
  t.throws(() => readConfig({ H: text({ default: 'x', doc: '' }) }, { H: '' }), ConfigError);
  t.throws(() => readConfig({ P: integer({ default: 1, doc: '' }) }, { P: '' }), ConfigError);
  t.equal(readConfig({ S: secret({ doc: '' }) }, { S: '' }).S.reveal(), '');
});

t.test('numbers are decimal digits and nothing else', async (t) => {
  for (const raw of ['1e3', '0x10', ' 1', '1.5', 'NaN', '--1', '99999999999999999999']) {
    t.throws(() => readConfig({ P: integer({ doc: '' }) }, { P: raw }), ConfigError, raw);
  }
});

t.test('what is left out takes its default, and the result cannot be changed', async (t) => {
  const config = readConfig(
    { A: optionalText({ doc: '' }), B: text({ default: 'b', doc: '' }), C: flag({ default: true, doc: '' }) },
    {},
  );
  t.strictSame({ ...config }, { A: undefined, B: 'b', C: true });
  t.ok(Object.isFrozen(config));
});

t.test('a secret prints as *** wherever it is turned into text', async (t) => {
  const { S } = readConfig({ S: secret({ doc: '' }) }, { S: 'opensesame' });
  t.equal(`${S}${JSON.stringify({ S })}${inspect({ S })}`.includes('opensesame'), false);
  t.equal(S.reveal(), 'opensesame');
});

t.test('the groups give what the database and Redis are opened with', async (t) => {
  const env = {
    MYSQL_HOST: 'h',
    MYSQL_USER: 'u',
    MYSQL_PASSWORD: '',
    MYSQL_DATABASE: 'd',
    REDIS_HOST: 'r',
    REDIS_PORT: '7',
  };
  const config = readConfig({ ...mysqlVars, ...redisVars }, env);
  t.match(mysqlConfig(config), { host: 'h', port: 3306, user: 'u', database: 'd' });
  t.strictSame(redisConfig(config), { host: 'r', port: 7 });
});

t.test('private addresses are allowed to nobody, on the machine itself or everywhere', (t) => {
  const spec = { ALLOW: privateAddresses({ default: false, doc: '' }) };
  const read = (value: string) => readConfig(spec, { ALLOW: value }).ALLOW;
  t.same([read('loopback'), read('true'), read('0'), readConfig(spec, {}).ALLOW], ['loopback', true, false, false]);
  t.throws(() => read('local'), { message: /ALLOW is "local"; expected true, loopback or false/ });
  t.end();
});
