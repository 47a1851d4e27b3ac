import t from 'tap';
import type { LcrCarrierSetEntry, LcrRoute, ProvisioningRows } from '../provisioning/rows.js';
import { ProvisioningSnapshot } from '../provisioning/snapshot.js';
import { carrier, gateway } from '../testing/routing-rows.js';
import { type Admission, type HealthView, rankedRoutes } from './ranked-routes.js';
import { RateBook } from './rate-book.js';
import { type RateRow, RateTrieBuilder, rateRow } from './rate-trie-builder.js';
import type { OutboundRequest, RouteDecision } from './types.js';

const ask = (called: string, more: Partial<OutboundRequest> = {}): OutboundRequest => ({
  accountSid: 'acc',
  serviceProviderSid: 'sp',
  applicationSid: null,
  called,
  calling: 'anonymous',
  requestedCarrier: null,
  inboundCarrierSid: null,
  atMs: 1_000_000,
  ...more,
});
const route = (regex: string, priority = 0, strategy: LcrRoute['strategy'] = 'workload', lcrSid = 'lcr'): LcrRoute => ({
  lcrRouteSid: regex,
  lcrSid,
  regex,
  description: null,
  priority,
  strategy,
});
const entry = (lcrRouteSid: string, voipCarrierSid: string, workload = 1, priority = 0): LcrCarrierSetEntry => ({
  lcrCarrierSetEntrySid: `${lcrRouteSid}>${voipCarrierSid}`,
  lcrRouteSid,
  voipCarrierSid,
  workload,
  priority,
});
const lcr = (lcrSid: string, more: object = {}) => ({
  lcrSid,
  name: null,
  isActive: true,
  accountSid: 'acc',
  serviceProviderSid: null,
  defaultCarrierSetEntrySid: null,
  ...more,
});
const names = ['a', 'b', 'c'];
const carriers = [...names.map((name) => carrier(name)), carrier('foreign', { accountSid: 'other' })];
const snapshotOf = (rows: Partial<ProvisioningRows>) =>
  new ProvisioningSnapshot(
    {
      serviceProviders: [],
      accounts: [],
      applications: [],
      webhooks: [],
      phoneNumbers: [],
      voipCarriers: carriers,
      sipGateways: carriers.map(({ voipCarrierSid }) => gateway(`${voipCarrierSid}.example`, voipCarrierSid)),
      ...rows,
    },
    [],
    0,
  );
const deck = (voipCarrierSid: string, rows: RateRow[], accountSid: string | null = 'acc') => {
  const builder = new RateTrieBuilder();
  for (const row of rows) builder.add(row, 1);
  return {
    deck: {
      rateDeckSid: `deck of ${voipCarrierSid}`,
      name: 'deck',
      accountSid,
      serviceProviderSid: 'sp',
      voipCarrierSid,
      currency: 'USD',
      activeVersion: 1,
    },
    version: 1,
    trie: builder.build(),
  };
};
/** Health as a test says it is. */
const healthOf = (scores: Record<string, number> = {}, admissions: Record<string, Admission> = {}): HealthView => ({
  score: (sid) => scores[sid] ?? 1,
  admit: (sid) => admissions[sid] ?? { verdict: 'in', why: '' },
});
const routesOf = (decks: ReturnType<typeof deck>[] = [], health = healthOf(), random = () => 0) => {
  const book = new RateBook(decks);
  return rankedRoutes({ rates: () => book, health, random });
};
const carriersOf = ({ gateways }: RouteDecision) => gateways.map(({ carrier }) => carrier.voipCarrierSid);

t.test('routing: the carrier that the application asks for comes before LCR and prices', async (t) => {
  const snapshot = snapshotOf({ lcrs: [lcr('lcr')], lcrRoutes: [route('1')], lcrCarrierSetEntries: [entry('1', 'a')] });
  const routes = routesOf([deck('b', [rateRow('1', 0.01)])]);
  t.strictSame(carriersOf(routes.decide(snapshot, ask('1555', { requestedCarrier: 'c' }))), ['c']);
  t.match(routes.decide(snapshot, ask('1555', { requestedCarrier: 'b' })).gateways[0]?.price?.rate, {
    rateMicros: 10_000,
  });
  t.match(routes.decide(snapshot, ask('1', { requestedCarrier: 'foreign' })), {
    gateways: [],
    passedOver: [{ name: 'foreign', why: 'the account has no such carrier' }],
  });
});

t.test(
  'routing: the LCR of the account counts, else that of its service provider, and only when it is active',
  async (t) => {
    const rows = (isActive: boolean) => ({
      lcrs: [lcr('lcr', { isActive }), lcr('shared', { accountSid: null, serviceProviderSid: 'sp' })],
      lcrRoutes: [route('1'), route('15', 0, 'workload', 'shared')],
      lcrCarrierSetEntries: [entry('1', 'a'), entry('15', 'b')],
    });
    t.strictSame(carriersOf(routesOf().decide(snapshotOf(rows(true)), ask('1555'))), ['a']);
    t.strictSame(carriersOf(routesOf().decide(snapshotOf(rows(false)), ask('1555'))), ['b']);
  },
);

t.test(
  'routing: the lowest priority comes first, then the longest prefix, then expressions; the first with a carrier decides',
  async (t) => {
    const lcrRoutes = [
      route('^1', 0),
      route('1', 0),
      route('155', 0),
      route('49', 9),
      route('^49\\d{3}$', 5),
      route('+44'),
      route('33*'),
    ];
    const snapshot = snapshotOf({
      lcrs: [lcr('lcr')],
      lcrRoutes,
      lcrCarrierSetEntries: [
        ...[entry('^1', 'c'), entry('1', 'b'), entry('155', 'a'), entry('49', 'a'), entry('^49\\d{3}$', 'b')],
        ...[entry('+44', 'c'), entry('33*', 'b')],
      ],
    });
    const routes = routesOf();
    const decided = (called: string) => carriersOf(routes.decide(snapshot, ask(called)));
    t.strictSame(['1555', '1666', '49123', '491234', '441', '33'].map(decided), [
      ['a'],
      ['b'],
      ['b'],
      ['a'],
      ['c'],
      ['b'],
    ]);
    t.same(decided('2155'), names, 'digits are a prefix, not a part; what no route matches goes to any carrier');
  },
);

t.test(
  'routing: a route whose carriers cannot be used says so and leaves the number to the next; at last to the default',
  async (t) => {
    const snapshot = snapshotOf({
      lcrs: [lcr('lcr', { defaultCarrierSetEntrySid: '.*>c' })],
      lcrRoutes: [route('155'), route('1'), route('.*', 9999)],
      lcrCarrierSetEntries: [entry('155', 'foreign'), entry('1', 'b'), entry('.*', 'c')],
    });
    const decision = routesOf().decide(snapshot, ask('1555'));
    t.strictSame(carriersOf(decision), ['b']);
    t.match(decision.passedOver, [
      { name: 'foreign', why: 'the account has no such carrier' },
      { name: 'LCR route 155', why: 'none of its carriers can be called over' },
    ]);
    t.match(routesOf().decide(snapshot, ask('49')).gateways, [
      { carrier: { voipCarrierSid: 'c' }, why: /^LCR route \.\*/ },
    ]);
    const linked = snapshotOf({
      lcrs: [lcr('lcr', { defaultCarrierSetEntrySid: '9>c' })],
      lcrRoutes: [route('9')],
      lcrCarrierSetEntries: [entry('9', 'c')],
    });
    t.match(routesOf().decide(linked, ask('49')).gateways, [
      { carrier: { voipCarrierSid: 'c' }, why: /default of the LCR/ },
    ]);
  },
);

t.test('routing: equals of a carrier set share calls by workload; another priority comes after them', async (t) => {
  const snapshot = snapshotOf({
    lcrs: [lcr('lcr')],
    lcrRoutes: [route('1')],
    lcrCarrierSetEntries: [entry('1', 'c', 1, 1), entry('1', 'a', 70), entry('1', 'b', 30)],
  });
  let seed = 5;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const routes = routesOf([], healthOf(), random);
  let first = 0;
  for (let call = 0; call < 10_000; call++) {
    const decided = carriersOf(routes.decide(snapshot, ask('1')));
    if (decided[0] === 'a') first += 1;
    if (decided.length !== 3 || decided[2] !== 'c') t.fail(`${decided}`);
  }
  t.ok(Math.abs(first / 10_000 - 0.7) < 0.02, `${first} of 10,000 went to the one with 70 %`);
  t.match(
    routes.decide(snapshot, ask('1')).gateways.find(({ carrier: { name } }) => name === 'name of a')?.why,
    /share 70 of 100/,
  );
});

t.test(
  'routing: least cost decides where no LCR does, then quality; a carrier whose deck has no price is not tried',
  async (t) => {
    const decks = [
      deck('a', [rateRow('1', 0.02), rateRow('155', 0.005)]),
      deck('b', [rateRow('1', 0.01)]),
      deck('c', [rateRow('15', 0.01)]),
    ];
    const routes = routesOf(decks, healthOf({ 'b.example/b': 0.4 }));
    const snapshot = snapshotOf({});
    t.strictSame(carriersOf(routes.decide(snapshot, ask('1555'))), ['a', 'c', 'b']);
    t.strictSame(carriersOf(routes.decide(snapshot, ask('1566'))), ['c', 'b', 'a']);
    const decision = routes.decide(snapshot, ask('16'));
    t.strictSame(carriersOf(decision), ['b', 'a']);
    t.match(decision.passedOver, [{ name: 'name of c', why: 'its rate deck has no price for the number' }]);
    t.strictSame(carriersOf(routes.decide(snapshot, ask('49'))), [], 'decks are all that these carriers sell');
    const withOther = routesOf(decks.slice(0, 2)).decide(snapshot, ask('49'));
    t.strictSame(carriersOf(withOther), ['c'], 'a carrier without a deck still takes what no deck prices');
  },
);

t.test("routing: an account's own deck of a carrier counts instead of its service provider's", async (t) => {
  const decks = [deck('a', [rateRow('1', 9)]), deck('a', [rateRow('1', 1)], null), deck('b', [rateRow('1', 2)], null)];
  const decision = routesOf(decks).decide(snapshotOf({}), ask('1'));
  t.strictSame(carriersOf(decision), ['b', 'a']);
  t.notMatch(decision.gateways.map(({ why }) => why).join(), /0\.|2000000/, 'prices are not told in the reason');
});

t.test('routing: a route may go by price: within its set, or without one over all that price the number', async (t) => {
  const rows = {
    lcrs: [lcr('lcr')],
    lcrRoutes: [route('1', 0, 'least_cost'), route('49', 0, 'least_cost')],
    lcrCarrierSetEntries: [entry('1', 'a'), entry('1', 'b'), entry('1', 'c')],
  };
  const decks = [
    deck('a', [rateRow('1', 0.03), rateRow('49', 0.01)]),
    deck('b', [rateRow('1', 0.02), rateRow('49', 0.02)]),
  ];
  const decided = (called: string) => carriersOf(routesOf(decks).decide(snapshotOf(rows), ask(called)));
  t.strictSame(decided('1'), ['b', 'a', 'c'], 'c has no deck: it is in the set, but comes last');
  t.strictSame(decided('49'), ['a', 'b']);
});

t.test('routing: prices count by their dates', async (t) => {
  const decks = [deck('a', [rateRow('1', 0.01, 0, 1000), rateRow('1', 0.09, 1000)]), deck('b', [rateRow('1', 0.05)])];
  const at = (sec: number) => carriersOf(routesOf(decks).decide(snapshotOf({}), ask('1', { atMs: sec * 1000 })));
  t.strictSame(
    [at(999), at(1000)],
    [
      ['a', 'b'],
      ['b', 'a'],
    ],
  );
});

t.test(
  'routing: a gateway that is out comes last, whatever its rank, and stands at its place when it is tried again',
  async (t) => {
    const out: Admission = { verdict: 'out', why: '5 attempts in a row failed' };
    const snapshot = snapshotOf({});
    const decision = routesOf(
      [],
      healthOf({}, { 'a.example/a': out, 'b.example/b': { verdict: 'probe', why: 'it failed' } }),
    ).decide(snapshot, ask('1'));
    t.match(decision.gateways, [
      { gateway: { address: 'b.example' }, why: /tried again: it failed/ },
      { gateway: { address: 'c.example' } },
      {
        gateway: { address: 'a.example' },
        why: /taken out: 5 attempts in a row failed; only when nothing else is left/,
      },
    ]);
    t.equal(decision.gateways.length, 3);
    t.same(decision.passedOver, []);
    const all = Object.fromEntries(names.map((name) => [`${name}.example/${name}`, out]));
    t.strictSame(carriersOf(routesOf([], healthOf({}, all)).decide(snapshot, ask('1'))), ['a', 'b', 'c']);
  },
);

t.test('routing: broken routes are left out and named; a number that is none is no reason to fail', async (t) => {
  const snapshot = snapshotOf({
    lcrs: [lcr('lcr'), lcr('lcr2')],
    lcrRoutes: [route('((('), route('(\\d+)+x'), route('1', 0, 'workload', 'nowhere')],
    lcrCarrierSetEntries: [entry('(((', 'a')],
  });
  t.match(
    snapshot.skipped.map(({ table, sid }) => [table, sid]),
    [
      ['lcr', 'lcr2'],
      ['lcr_routes', '((('],
      ['lcr_routes', '(\\d+)+x'],
    ],
  );
  for (const called of ['', 'alice', '１２', 'x'.repeat(10_000)]) {
    t.strictSame(carriersOf(routesOf([deck('a', [rateRow('1', 1)])]).decide(snapshot, ask(called))), ['b', 'c']);
  }
});
