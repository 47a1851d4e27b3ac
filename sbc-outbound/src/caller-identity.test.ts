import { DEFAULT_OUTBOUND_RULES, type OutboundRules, type VoipCarrier } from '@ringwire/common';
import { account, carrier, number, snapshotOf } from '@ringwire/sbc-inbound/testing/snapshots.js';
import t from 'tap';
import { callerIdentity } from './caller-identity.js';

const snapshot = snapshotOf({
  accounts: [account('acc')],
  carriers: [carrier('c'), carrier('own', { accountSid: 'acc' })],
  gateways: [],
  numbers: [
    number('15550002222', 'c', 'acc', null),
    number('15550009999', 'c', 'other', null),
    number('15550003333', 'own', 'acc', null),
  ],
});

interface Case {
  carrier?: Partial<VoipCarrier>;
  rules?: Partial<OutboundRules>;
  headers?: Record<string, string>;
  user?: string | null;
}

const identify = ({ carrier: columns = {}, rules = {}, headers = {}, user = '15550001111' }: Case = {}) => {
  const values = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return callerIdentity(
    {
      accountSid: 'acc',
      ownHost: 'edge.example.com',
      from: { displayName: 'Anna', user, tag: 't', uri: `sip:${user}@localhost` },
      request: { get: (name) => values.get(name.toLowerCase()) },
    },
    carrier('c', { ...columns, outboundRules: { ...DEFAULT_OUTBOUND_RULES, ...rules } }),
    snapshot,
  );
};
const headersOf = (facts?: Case) => identify(facts)?.headers;

t.test(
  'From is the caller with its name; X-Preferred-From-User and -Host, then the carrier, say otherwise',
  async (t) => {
    t.same(headersOf(), { From: '"Anna" <sip:15550001111@localhost>', Contact: '<sip:15550001111@localhost>' });
    t.match(headersOf({ carrier: { registerFromDomain: 'trunk.example' } }), { From: /@trunk\.example>$/ });
    const preferred = { 'X-Preferred-From-User': '777', 'X-Preferred-From-Host': 'pbx.example' };
    t.match(headersOf({ headers: preferred, carrier: { registerFromDomain: 'trunk.example' } }), {
      From: '"Anna" <sip:777@pbx.example>',
    });
    t.equal(identify({ headers: { 'X-Preferred-From-User': 'a b' } }), null);
    t.equal(identify({ headers: { 'X-Preferred-From-Host': 'x>y' } }), null);
  },
);

t.test('a caller who is not to be shown is anonymous in From, and named only in the identity header', async (t) => {
  const hidden = {
    From: '"Anonymous" <sip:anonymous@anonymous.invalid>',
    Contact: '<sip:anonymous@localhost>',
  };
  const asked = headersOf({ headers: { Privacy: 'id' } });
  t.same(asked, { ...hidden, 'P-Asserted-Identity': '"Anna" <sip:15550001111@localhost>' });
  t.same(headersOf({ user: null }), { ...hidden, Privacy: 'id' });
  const rpid = headersOf({ headers: { Privacy: 'user;id' }, rules: { identityHeader: 'rpid' } });
  t.match(rpid, {
    'Remote-Party-ID': '"Anna" <sip:15550001111@edge.example.com>;party=calling;screen=yes;privacy=full',
  });
  const none = headersOf({
    headers: { Privacy: 'id', 'P-Asserted-Identity': '<sip:1@x>' },
    rules: { identityHeader: 'none' },
  });
  t.same(none, hidden);
  t.match(headersOf({ headers: { Privacy: 'none' } }), { From: /15550001111/ });
});

t.test(
  'an asserted identity goes on in the header that the carrier reads, and is cut off where it is not one',
  async (t) => {
    const headers = { 'P-Asserted-Identity': '"Anna, B." <sip:+1555@x>, <tel:+1555>' };
    t.equal(headersOf({ headers })?.['P-Asserted-Identity'], '"Anna, B." <sip:+1555@x>');
    t.equal(
      headersOf({ headers, rules: { identityHeader: 'ppi' } })?.['P-Preferred-Identity'],
      '"Anna, B." <sip:+1555@x>',
    );
    t.equal(headersOf({ headers: { 'P-Asserted-Identity': 'tel:+1555' } })?.['P-Asserted-Identity'], '<tel:+1555>');
    t.notOk(headersOf({ headers: { 'P-Asserted-Identity': 'nonsense' } })?.['P-Asserted-Identity']);
  },
);

t.test('a carrier that wants its user in From learns the caller from the identity header', async (t) => {
  const trunk = { registerUsername: 'trunk-7', registerPassword: 'x' };
  t.same(headersOf({ carrier: trunk, rules: { fromRegisterUsername: true } }), {
    From: '"Anna" <sip:trunk-7@localhost>',
    Contact: '<sip:trunk-7@localhost>',
    'P-Asserted-Identity': '"Anna" <sip:15550001111@localhost>',
  });
  t.match(headersOf({ carrier: { ...trunk, registerFromUser: 'u8' }, rules: { fromRegisterUsername: true } }), {
    From: '"Anna" <sip:u8@localhost>',
  });
});

t.test('what may not stand in the user part of a URI is escaped', (t) => {
  const trunk = { registerUsername: 'me\r\nX-Evil: 1', registerFromUser: 'a>b@c', registerPassword: 'x' };
  t.match(headersOf({ carrier: trunk, rules: { fromRegisterUsername: true } }), {
    From: '"Anna" <sip:a%3Eb%40c@localhost>',
    Contact: '<sip:me%0D%0AX-Evil%3A%201@localhost>',
  });
  t.end();
});

t.test("own numbers only: another's number is replaced, with what was asserted beside it", async (t) => {
  const rules = { callerIdPolicy: 'own_numbers', callerId: '15550002222' } as const;
  t.match(headersOf({ rules, user: '15550002222' }), { From: '"Anna" <sip:15550002222@localhost>' });
  const replaced = identify({ rules, user: '15550009999', headers: { 'P-Asserted-Identity': '<sip:1@x>' } });
  t.same(replaced?.headers, { From: '<sip:15550002222@localhost>', Contact: '<sip:15550002222@localhost>' });
  t.match(replaced?.notes, ['caller id 15550009999 is not a number of the account: 15550002222 is shown']);
  t.match(headersOf({ rules: { callerIdPolicy: 'own_numbers' } }), { From: /anonymous\.invalid/ });
  const asserting = (identity: string) =>
    identify({ rules, user: '15550002222', headers: { 'P-Asserted-Identity': identity } });
  t.match(asserting('<sip:15550002222@x>')?.headers, { 'P-Asserted-Identity': '<sip:15550002222@x>' });
  for (const foreign of ['"Bank" <sip:15550009999@x>', 'tel:15550009999']) {
    t.notMatch(asserting(foreign)?.headers, { 'P-Asserted-Identity': /9999/ });
    t.match(asserting(foreign)?.notes, ['asserted identity 15550009999 is not a number of the account: left out']);
  }
});

t.test(
  'a number that the account has put on a carrier of its own is shown over carriers of its own only',
  async (t) => {
    const rules = { callerIdPolicy: 'own_numbers' } as const;
    t.match(headersOf({ rules, user: '15550003333' }), { From: /anonymous\.invalid/ }, 'over a shared one');
    const headers = { 'P-Asserted-Identity': '<sip:15550003333@x>' };
    t.notOk(headersOf({ rules, user: '15550002222', headers })?.['P-Asserted-Identity']);
    t.match(headersOf({ rules, user: '15550003333', carrier: { accountSid: 'acc' } }), { From: /15550003333/ });
    t.match(headersOf({ rules, user: '15550002222' }), { From: /15550002222/ }, 'that which the provider has given');
  },
);
