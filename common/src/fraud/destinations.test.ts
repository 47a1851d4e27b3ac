import t from 'tap';
import { type DestinationAction, type DestinationRule, Destinations } from './destinations.js';
import { FraudPolicies, type FraudPolicyRow, type PolicyAuthor } from './policy.js';
import { readDestinations } from './read-destinations.js';

const allow = (...prefixes: string[]): DestinationRule[] => prefixes.map((prefix) => ({ prefix, action: 'allow' }));
const deny = (...prefixes: string[]): DestinationRule[] => prefixes.map((prefix) => ({ prefix, action: 'deny' }));
const country = (code: string, action: DestinationAction = 'allow'): DestinationRule => ({ country: code, action });
const may = (list: Destinations, ...numbers: string[]) => numbers.map((number) => list.verdict(number).allowed);

t.test('what no line allows is denied, and the longest prefix decides', async (t) => {
  const list = new Destinations([...allow('49', '493012'), ...deny('4930')], 'deny');
  t.same(may(list, '4989123', '4930555', '49301234', '331234', '4', ''), [true, false, true, false, false, false]);
  t.match(list.verdict('4930555'), { allowed: false, why: 'prefix 4930 is denied' });
  t.match(list.verdict('331'), { allowed: false, why: 'no entry allows it' });
  const open = new Destinations(deny('33'), 'allow');
  t.same(may(open, '4989123', '331', '3'), [true, false, true]);
  t.same(
    may(new Destinations([...allow('49'), ...deny('49')], 'allow'), '491'),
    [false],
    'of two lines the one that denies',
  );
});

t.test('satellite and premium numbers are denied unless a line as long as they are allows them', async (t) => {
  const open = new Destinations(allow('8'), 'allow');
  t.same(may(open, '882161234567', '870123456789', '19005551234', '4490912', '2521'), [
    false,
    false,
    false,
    false,
    true,
  ]);
  t.match(open.verdict('881612345678'), { allowed: false, why: /8816 is of high risk \(satellite\)/ });
  const named = new Destinations(allow('8816', '449'), 'deny');
  t.same(may(named, '881612345678', '881712345678', '4490912', '448712'), [true, false, true, false]);
});

t.test('a country is its own numbers, not those of others that share its code', async (t) => {
  const usa = new Destinations([country('US')], 'deny');
  t.same(may(usa, '12125550100', '18765550100', '14165550100', '19005550100'), [true, false, false, false]);
  const both = new Destinations([country('US'), country('JM')], 'deny');
  t.same(may(both, '12125550100', '18765550100', '16585550100', '12425550100'), [true, true, true, false]);
  t.same(may(new Destinations([country('RU')], 'deny'), '74951234567', '77271234567'), [true, false]);
  t.same(may(new Destinations([country('JM', 'deny')], 'allow'), '18765550100', '12125550100'), [false, true]);
});

t.test('a number with an international prefix is judged by what stands behind it, too', async (t) => {
  const open = new Destinations([], 'allow');
  t.same(may(open, '00881612345678', '011881612345678', '0011881612345678', '00493012', '0301234'), [
    false,
    false,
    false,
    true,
    true,
  ]);
  const home = new Destinations(allow('0', '49'), 'deny');
  t.same(may(home, '0301234', '00493012', '00331234'), [true, true, false]);
});

t.test('what is no telephone number is denied', async (t) => {
  const open = new Destinations([], 'allow');
  t.same(may(open, 'alice', '*6788161', '%38816', '49 30', '4'.repeat(33)), [false, false, false, false, false]);
});

const row = (setBy: PolicyAuthor, ownerSid: string, rules: DestinationRule[], callsPerHour: number | null = null) =>
  ({
    ownerSid,
    setBy,
    defaultAction: 'deny',
    highRiskAction: 'deny',
    destinations: rules,
    limits: {
      callsPerMinute: null,
      callsPerHour,
      messagesPerMinute: null,
      messagesPerHour: null,
      expensivePrefixesPerHour: null,
      expensiveRateMicros: null,
      blockMinutes: 5,
    },
  }) satisfies FraudPolicyRow;

t.test('each author narrows what those before allow; who has no word has that of the one above', async (t) => {
  const policies = new FraudPolicies([
    row('operator', 'platform', allow('49', '33'), 100),
    row('operator', 'sp-2', allow('1')),
    row('service_provider', 'sp-1', allow('49', '44')),
    row('service_provider', 'acc-2', allow('33')),
    row('account', 'acc-1', allow('4930', '44'), 500),
  ]);
  const allowed = (account: string, sp: string) =>
    ['49301', '4989', '331', '441', '1212'].filter((number) => policies.of(account, sp).verdict(number).allowed);
  t.same(
    allowed('acc-0', 'sp-1'),
    ['49301', '4989'],
    'the default of its service provider, within that of the operator',
  );
  t.same(allowed('acc-1', 'sp-1'), ['49301'], 'an account cannot widen');
  t.same(allowed('acc-2', 'sp-1'), ['331'], "the service provider's word about it");
  t.same(allowed('acc-3', 'sp-2'), ['1212'], "the operator's word about its service provider");
  t.same(allowed('acc-4', 'sp-3'), ['49301', '4989', '331'], "the operator's default");
  t.equal(policies.of('acc-1', 'sp-1').limits.callsPerHour, 100, 'the smaller limit counts');
  t.match(policies.of('acc-1', 'sp-1').verdict('441'), { why: 'no entry allows it (list of the operator)' });
});

const SATELLITE = '881612345678';

t.test(
  'while operator and service provider have no word the built-in one stands in: all but what is of high risk',
  async (t) => {
    const allowed = (rows: FraudPolicyRow[]) => {
      const policy = new FraudPolicies(rows).of('acc-1', 'sp-1');
      return ['4930123456', SATELLITE].filter((number) => policy.verdict(number).allowed);
    };
    const everything = [...allow('49'), ...allow('8816')];
    t.same(allowed([]), ['4930123456']);
    const none = new FraudPolicies([]).of('acc-1', 'sp-1');
    t.match(none.verdict(SATELLITE), {
      why: '8816 is of high risk (satellite) and not allowed by name (built-in list)',
    });
    t.match(none.limits, {
      expensivePrefixesPerHour: 10,
      callsPerMinute: null,
      messagesPerHour: null,
      blockMinutes: 60,
    });
    t.same(allowed([row('account', 'acc-1', everything)]), ['4930123456'], 'an account cannot take it away');
    t.same(allowed([row('account', 'acc-2', [])]), ['4930123456']);
    t.same(allowed([row('service_provider', 'acc-1', everything)]), ['4930123456', SATELLITE]);
    t.same(allowed([row('service_provider', 'sp-1', everything)]), ['4930123456', SATELLITE]);
    t.same(allowed([row('operator', 'platform', everything)]), ['4930123456', SATELLITE]);
    const open = { ...row('operator', 'platform', []), defaultAction: 'allow', highRiskAction: 'allow' } as const;
    t.same(allowed([open]), ['4930123456', SATELLITE], 'or by a word that leaves high risk alone');
    t.notOk(new FraudPolicies([open]).of('acc-1', 'sp-1').hasLimits, 'what the operator does not limit is not');
  },
);

t.test(
  'what is too short for a service of high risk is none: a number at home, an extension, a short code',
  async (t) => {
    const open = new Destinations([], 'allow');
    t.same(may(open, '8085551234', '8705551234', '44911', '8081', '45901'), [true, true, true, true, true]);
  },
);

t.test('a faulty list is refused with the place of its fault', async (t) => {
  t.match(
    readDestinations([
      { prefix: '+49', action: 'allow' },
      { country: 'de', action: 'deny' },
    ]),
    {
      ok: true,
      rules: [{ prefix: '49' }, { country: 'DE' }],
    },
  );
  for (const [list, at] of [
    ['49', 'destinations'],
    [[...Array(2_001)].map(() => ({ prefix: '1', action: 'allow' })), 'destinations'],
    [[null], 'destinations[0]'],
    [
      [
        { prefix: '49', action: 'allow' },
        { prefix: '4x', action: 'allow' },
      ],
      'destinations[1].prefix',
    ],
    [[{ prefix: '49' }], 'destinations[0].action'],
    [[{ action: 'deny' }], 'destinations[0]'],
    [[{ prefix: '1', country: 'US', action: 'deny' }], 'destinations[0]'],
    [[{ country: 'XX', action: 'deny' }], 'destinations[0].country'],
    [[{ prefix: '1', action: 'deny', note: '' }], 'destinations[0].note'],
  ] as const) {
    t.match(readDestinations(list), { ok: false, at }, at);
  }
});
