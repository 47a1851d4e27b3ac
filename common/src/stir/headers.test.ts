import t from 'tap';
import { callParties, signedRequestOf } from './call-parties.js';
import { canonicalNumber } from './canonical-number.js';
import { identityHeader, parseIdentityHeaders } from './identity-header.js';
import { parseStirHeader, stirHeaderValue, stirResult } from './result.js';

const URL = 'https://cert.example.org/passport.cer';

t.test('identity header: full and compact form with their parameters', async (t) => {
  t.same(parseIdentityHeaders(`aa.bb.cc;info=<${URL}>;alg=ES256;ppt="shaken"`), {
    headers: [{ token: 'aa.bb.cc', isCompact: false, info: URL, alg: 'ES256', ppt: 'shaken' }],
    unreadable: 0,
  });
  t.same(parseIdentityHeaders(`..cc ; info = <${URL}>`).headers, [
    { token: '..cc', isCompact: true, info: URL, alg: 'ES256' },
  ]);
  t.match(parseIdentityHeaders(identityHeader('aa.bb.cc', { info: URL, ppt: 'shaken' })).headers, [{ ppt: 'shaken' }]);
});

t.test('identity header: several in one line, with commas in a URL', async (t) => {
  const { headers, unreadable } = parseIdentityHeaders(
    `aa.bb.cc;info=<https://x.example/a,b;c>;ppt=shaken, dd.ee.ff;info=<${URL}>;ppt=div,"old style";info=<x>`,
  );
  t.same(
    headers.map(({ token, info, ppt }) => [token, info, ppt]),
    [
      ['aa.bb.cc', 'https://x.example/a,b;c', 'shaken'],
      ['dd.ee.ff', URL, 'div'],
    ],
  );
  t.equal(unreadable, 1);
});

t.test('identity header: what cannot be read is counted, never thrown', async (t) => {
  for (const value of ['x', ';;;', '<', '"', 'a.b.c;info=http://x', `a.b;info=<${URL}>`, 'a.b.c', 'a'.repeat(20_000)]) {
    t.match(parseIdentityHeaders(value), { headers: [], unreadable: 1 }, value.slice(0, 20));
  }
  t.same(parseIdentityHeaders(' '), { headers: [], unreadable: 0 });
  const many = Array.from({ length: 50 }, () => `aa.bb.cc;info=<${URL}>`).join(',');
  t.equal(parseIdentityHeaders(many).headers.length, 8);
});

t.test('canonical number: RFC 8224 §8.3', async (t) => {
  const cases: [string | null, string | null][] = [
    ['+1-215-555-1212', '12155551212'],
    ['+1 (215) 555.1212', '12155551212'],
    ['12155551212', '12155551212'],
    ['*67#', '*67#'],
    ['alice', null],
    ['+', null],
    ['', null],
    [null, null],
    ['1'.repeat(40), null],
  ];
  for (const [user, expected] of cases) t.equal(canonicalNumber(user), expected, `${user}`);
  t.equal(
    canonicalNumber('0207946000', (number) => number.replace(/^0/, '+44')),
    '44207946000',
    'by rules of a carrier',
  );
  t.equal(
    canonicalNumber('0207946000', () => 'alice'),
    null,
  );
});

const request = (parts: Partial<Parameters<typeof callParties>[0]>) => ({
  identity: undefined,
  date: undefined,
  from: '"A, <b>" <sip:+12155551212@gw.example;user=phone>;tag=1',
  assertedIdentity: undefined,
  to: '<sip:12155551213@Edge.Example:5060>',
  uri: 'sip:+12155551213@10.0.0.1',
  ...parts,
});

t.test('call parties: numbers of From, P-Asserted-Identity, To and the Request-URI', async (t) => {
  t.same(callParties(request({})), {
    caller: { tn: '12155551212' },
    callerHeader: 'From',
    to: { tn: '12155551213' },
    asked: { tn: '12155551213' },
  });
  const asserted = '"Anna" <sip:anna@gw.example>, <tel:+1-215-555-9999>';
  t.match(callParties(request({ assertedIdentity: asserted })), {
    caller: { tn: '12155559999' },
    callerHeader: 'P-Asserted-Identity',
  });
  t.match(callParties(request({ assertedIdentity: '<sip:anna@gw.example>' })), { caller: { tn: '12155551212' } });
});

t.test('call parties: who has no number is a URI with the host in lower case', async (t) => {
  const parties = callParties(request({ from: 'sip:Anna@GW.Example;x=1', to: undefined, uri: 'urn:service:sos' }));
  t.same(parties, { caller: { uri: 'sip:Anna@gw.example' }, callerHeader: 'From', to: null, asked: null });
});

t.test('call parties: a header full of escaped quotes costs no time', async (t) => {
  const startedAt = performance.now();
  callParties(request({ assertedIdentity: '"\\'.repeat(150_000), from: '<'.repeat(300_000) }));
  // Steps that grow with the square would take a minute.
  t.ok(performance.now() - startedAt < 5_000);
});

t.test('signed request: the short name of Identity is read too', async (t) => {
  const message = (headers: Record<string, string>) => ({ uri: 'sip:1@x', get: (name: string) => headers[name] });
  t.equal(signedRequestOf(message({ y: 'a.b.c' })).identity, 'a.b.c');
  t.equal(signedRequestOf(message({ Identity: 'd.e.f' })).identity, 'd.e.f');
  t.equal(signedRequestOf(message({})).identity, undefined);
});

t.test('X-Stir: one line of printable ASCII that is read again', async (t) => {
  const result = stirResult('invalid', { orig: 'ü\r\nX-Evil: 1', dest: Array(50).fill('1'.repeat(500)), code: 438 });
  const value = stirHeaderValue(result);
  t.match(value, /^[\x20-\x7e]+$/);
  t.ok(value.length < 1_000);
  t.match(parseStirHeader(value), {
    status: 'invalid',
    verstat: 'TN-Validation-Failed',
    orig: 'ü\r\nX-Evil: 1',
    code: 438,
  });
  for (const text of ['', '{', '[]', 'null', '{"a":1}']) t.equal(parseStirHeader(text), null);
});
