import {
  type LcrCarrierSetEntry,
  type LcrRoute,
  type LoadedDeck,
  ProvisioningSnapshot,
  RateBook,
  type RateDeck,
  rankedRoutes,
} from '@ringwire/common';
import { RateTrieBuilder } from '@ringwire/common/routing/rate-trie-builder.js';
import { carrier, gateway } from '@ringwire/common/testing/routing-rows.js';
import { percentile } from '../table.js';
import { makeNumbers, seeded } from './prefixes.js';

/** How long decisions took. */
export interface DecisionTimes {
  name: string;
  decisions: number;
  /** Decisions that named no gateway. */
  without: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
  maxUs: number;
  meanUs: number;
  /** CPU time of the process per decision, with what collects its garbage: what other programs of the machine do not change. */
  cpuUs: number;
  /** Bytes of the packed tables, and of these per prefix. */
  tableBytes: number;
  bytesPerPrefix: number;
  /** What packing them took. */
  buildMs: number;
}

const CARRIERS = 10;

function deckOf(index: number, prefixes: readonly string[], random: () => number): LoadedDeck {
  const builder = new RateTrieBuilder();
  for (const prefix of prefixes) {
    const row = {
      prefix,
      rateMicros: Math.floor(random() * 500_000),
      effectiveFromSec: 0,
      effectiveUntilSec: 0xffff_ffff,
    };
    builder.add(row, 0);
  }
  const deck: RateDeck = {
    rateDeckSid: `deck ${index}`,
    name: `deck ${index}`,
    accountSid: null,
    serviceProviderSid: 'sp',
    voipCarrierSid: `carrier ${index}`,
    currency: 'USD',
    activeVersion: 1,
  };
  return { deck, version: 1, trie: builder.build() };
}

function snapshotOf(routes: number): ProvisioningSnapshot {
  const voipCarriers = Array.from({ length: CARRIERS }, (_, i) => carrier(`carrier ${i}`, { accountSid: null }));
  const lcrRoutes: LcrRoute[] = Array.from({ length: routes }, (_, i) => ({
    lcrRouteSid: `route ${i}`,
    lcrSid: 'lcr',
    regex: `${10_000 + i}`,
    description: null,
    priority: 0,
    strategy: 'workload',
  }));
  const lcrCarrierSetEntries: LcrCarrierSetEntry[] = lcrRoutes.flatMap(({ lcrRouteSid }, i) =>
    [0, 1, 2].map((step) => ({
      lcrCarrierSetEntrySid: `${lcrRouteSid} ${step}`,
      lcrRouteSid,
      voipCarrierSid: `carrier ${(i + step) % CARRIERS}`,
      workload: 1 + step,
      priority: 0,
    })),
  );
  const lcr = {
    lcrSid: 'lcr',
    name: null,
    isActive: true,
    accountSid: null,
    serviceProviderSid: 'sp',
    defaultCarrierSetEntrySid: null,
  };
  return new ProvisioningSnapshot(
    {
      serviceProviders: [],
      accounts: [],
      applications: [],
      webhooks: [],
      phoneNumbers: [],
      voipCarriers,
      // Two gateways each.
      sipGateways: voipCarriers.flatMap(({ voipCarrierSid }) =>
        ['one', 'two'].map((host) => gateway(`${host}.example`, voipCarrierSid)),
      ),
      ...(routes === 0 ? {} : { lcrs: [lcr], lcrRoutes, lcrCarrierSetEntries }),
    },
    [],
    0,
  );
}

/** Decides for many numbers, one after the other, each timed by itself. */
function timeDecisions(
  name: string,
  decks: LoadedDeck[],
  snapshot: ProvisioningSnapshot,
  numbers: readonly string[],
  buildMs: number,
): DecisionTimes {
  const book = new RateBook(decks);
  const health = { score: () => 1, admit: () => ({ verdict: 'in', why: '' }) as const };
  const routes = rankedRoutes({ rates: () => book, health });
  const decide = (called: string) =>
    routes.decide(snapshot, {
      accountSid: 'acc',
      serviceProviderSid: 'sp',
      applicationSid: null,
      called,
      calling: '15550001111',
      requestedCarrier: null,
      inboundCarrierSid: null,
      atMs: 1_800_000_000_000,
    }).gateways.length;
  for (const number of numbers.slice(0, 20_000)) decide(number);
  const times = new Float64Array(numbers.length);
  let without = 0;
  const cpuBefore = process.cpuUsage();
  for (const [index, number] of numbers.entries()) {
    const startedAt = performance.now();
    const found = decide(number);
    times[index] = (performance.now() - startedAt) * 1000;
    if (found === 0) without += 1;
  }
  const cpu = process.cpuUsage(cpuBefore);
  const all = [...times];
  const prices = decks.reduce((sum, { trie }) => sum + trie.size, 0);
  const tableBytes = decks.reduce((sum, { trie }) => sum + trie.image.byteLength, 0);
  return {
    name,
    decisions: numbers.length,
    without,
    p50Us: percentile(all, 0.5),
    p99Us: percentile(all, 0.99),
    p999Us: percentile(all, 0.999),
    maxUs: percentile(all, 1),
    meanUs: all.reduce((sum, time) => sum + time, 0) / all.length,
    cpuUs: (cpu.user + cpu.system) / numbers.length,
    tableBytes,
    bytesPerPrefix: prices === 0 ? 0 : tableBytes / prices,
    buildMs,
  };
}

/** All prefixes with one carrier, then spread over ten, then with 1,000 LCR routes asked before them. */
export function measureDecisions(prefixes: readonly string[], count: number): DecisionTimes[] {
  const random = seeded(3);
  const numbers = makeNumbers(count, prefixes, random);
  const build = (parts: readonly (readonly string[])[]): [LoadedDeck[], number] => {
    const startedAt = performance.now();
    const decks = parts.map((part, index) => deckOf(index, part, random));
    return [decks, performance.now() - startedAt];
  };
  const [one, oneMs] = build([prefixes]);
  const results = [timeDecisions('one deck', one, snapshotOf(0), numbers, oneMs)];
  const each = Math.ceil(prefixes.length / CARRIERS);
  // Half of each deck's prefixes are short ones that all carriers price, so that a number has offers to be ordered.
  const short = Array.from({ length: 99 }, (_, i) => String(i + 1));
  const [ten, tenMs] = build(
    Array.from({ length: CARRIERS }, (_, i) => [...short, ...prefixes.slice(i * each, (i + 1) * each)]),
  );
  results.push(timeDecisions('ten decks, ten offers', ten, snapshotOf(0), numbers, tenMs));
  results.push(timeDecisions('1,000 LCR routes, ten decks', ten, snapshotOf(1_000), numbers, tenMs));
  return results;
}
