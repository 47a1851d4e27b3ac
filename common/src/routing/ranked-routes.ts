import type { LcrCarrierSetEntry, VoipCarrier } from '../provisioning/rows.js';
import type { ProvisioningSnapshot } from '../provisioning/snapshot.js';
import { type CarrierGateways, carrierGateways, eachGateway } from './carrier-gateways.js';
import { type CarrierChoice, carriersFor, isWayOut, mayUse } from './carrier-routes.js';
import type { CompiledRoute } from './lcr.js';
import type { DecksByCarrier, LoadedDeck, RateBook } from './rate-book.js';
import type { Rate } from './rate-trie.js';
import type {
  GatewayAttempt,
  OutboundRequest,
  OutboundRoutes,
  PassedOver,
  RouteDecision,
  RoutedGateway,
} from './types.js';
import { drawInOrder } from './weighted.js';

/** What a carrier takes for the number, and who says so. */
export interface KnownPrice {
  readonly rate: Rate;
  readonly deck: LoadedDeck;
}

/** A gateway of a ranked decision, with the figures that it was ranked by. */
export interface RankedGateway extends RoutedGateway {
  /** Null when no rate deck prices the number for this carrier. */
  readonly price: KnownPrice | null;
  /** Quality from 0 to 1; 1 when nothing is known. */
  readonly score: number;
}

/** Whether a gateway gets this call: in, out, or out but tried again with this one. */
export interface Admission {
  verdict: 'in' | 'probe' | 'out';
  /** Why it is not simply in, for people. */
  why: string;
}

/** What is known of the gateways' health at the moment; answers at once. */
export interface HealthView {
  /** Quality from 0 to 1; 1 when nothing is known. */
  score(sipGatewaySid: string): number;
  /** Asked once for each gateway that a call could go to. */
  admit(sipGatewaySid: string, atMs: number): Admission;
  /** Asked when a call comes to a gateway that was to be tried again with it: false when another call is the trial meanwhile. */
  takeTrial?(sipGatewaySid: string): boolean;
  attempted?(attempt: GatewayAttempt): void;
}

/** What ranking works with. */
export interface RankingOptions {
  /** The prices as they are now. */
  rates: () => RateBook;
  health: HealthView;
  /** From 0 to less than 1, for shares. @defaultValue Math.random */
  random?: () => number;
}

interface RankedChoice extends CarrierChoice {
  price: KnownPrice | null;
  /** Its ways out, where they are at hand. */
  ways?: CarrierGateways;
}

/** A carrier that can be called over, with the deck that says what it takes. */
interface PricedCarrier {
  readonly carrier: VoipCarrier;
  readonly deck: LoadedDeck;
  readonly ways: CarrierGateways;
}

interface Ranking {
  readonly snapshot: ProvisioningSnapshot;
  readonly request: OutboundRequest;
  readonly atSec: number;
  readonly decks: DecksByCarrier;
  readonly health: HealthView;
  readonly random: () => number;
  readonly passedOver: PassedOver[];
}

/** Where a call goes, with the figures behind it. */
export interface RankedDecision extends RouteDecision {
  gateways: readonly RankedGateway[];
}

/** Routes that tell what they were ranked by. */
export interface RankedRoutes extends OutboundRoutes {
  decide(snapshot: ProvisioningSnapshot, request: OutboundRequest): RankedDecision;
}

/**
 * Routes by all that is known: the carrier that the application asked for; else the LCR of the account, or of its service provider;
 * else the cheapest by the rate decks, of equals the one that does better; else any carrier as {@link carriersFor} has them.
 * Gateways that fail come last, and are tried again gently.
 */
export function rankedRoutes({ rates, health, random = Math.random }: RankingOptions): RankedRoutes {
  return {
    decide(snapshot, request) {
      const ranking: Ranking = {
        snapshot,
        request,
        atSec: Math.floor(request.atMs / 1000),
        decks: rates().decksOf(request.accountSid, request.serviceProviderSid),
        health,
        random,
        passedOver: [],
      };
      return { gateways: admitted(ranking, gatewaysFor(ranking)), passedOver: ranking.passedOver };
    },
    takeTrial: ({ sipGatewaySid }) => health.takeTrial?.(sipGatewaySid) ?? true,
    attempted: (attempt) => health.attempted?.(attempt),
  };
}

function gatewaysFor(ranking: Ranking): RankedGateway[] {
  const { snapshot, random, passedOver, health } = ranking;
  const gateways: RankedGateway[] = [];
  for (const choice of choicesFor(ranking)) {
    const { carrier, why, price } = choice;
    if (!carrier.isActive) {
      passedOver.push({ name: carrier.name, why: 'carrier is not active' });
      continue;
    }
    const ways = choice.ways ?? carrierGateways(snapshot, carrier);
    passedOver.push(...ways.passedOver);
    eachGateway(ways, random, ({ gateway, place }) => {
      gateways.push({ carrier, gateway, why: why + place, price, score: health.score(gateway.sipGatewaySid) });
    });
  }
  return gateways;
}

function choicesFor(ranking: Ranking): RankedChoice[] {
  const { snapshot, request, passedOver, decks } = ranking;
  if (request.requestedCarrier !== null) {
    return carriersFor(snapshot, request, passedOver).map((choice) => priced(ranking, choice));
  }
  const byLcr = choicesByLcr(ranking);
  if (byLcr.length > 0) return byLcr;
  const byPrice = cheapestFirst(ranking, deckCarriers(ranking), 'least cost');
  if (byPrice.length > 0) return byPrice;
  return carriersFor(snapshot, request, passedOver)
    .filter(({ carrier }) => !decks.has(carrier.voipCarrierSid))
    .map((choice) => ({ ...choice, price: null }));
}

/** The carriers of the first matching route that has one to call over, else the LCR's default. */
function choicesByLcr(ranking: Ranking): RankedChoice[] {
  const { snapshot, request } = ranking;
  const lcr = snapshot.findLcr(request.accountSid, request.serviceProviderSid);
  if (lcr === undefined) return [];
  for (const matched of lcr.match(request.called)) {
    const choices = choicesOfRoute(ranking, matched);
    if (choices.length > 0) return choices;
  }
  if (lcr.defaultEntry === undefined) return [];
  return usable(ranking, [lcr.defaultEntry]).map(({ carrier }) =>
    priced(ranking, { carrier, why: 'default of the LCR' }),
  );
}

function choicesOfRoute(ranking: Ranking, { route, entries }: CompiledRoute): RankedChoice[] {
  const name = `LCR route ${route.regex}`;
  const candidates = usable(ranking, entries);
  if (candidates.length === 0) {
    // A route without carriers that is to go by price means all that have one.
    if (entries.length === 0 && route.strategy === 'least_cost') {
      return cheapestFirst(ranking, deckCarriers(ranking), `${name}, least cost`);
    }
    ranking.passedOver.push({ name, why: 'none of its carriers can be called over' });
    return [];
  }
  const choices: RankedChoice[] = [];
  for (let start = 0, end = 0; start < candidates.length; start = end) {
    const { priority } = candidates[start]!.entry;
    while (end < candidates.length && candidates[end]!.entry.priority === priority) end += 1;
    const equals = candidates.slice(start, end);
    choices.push(
      ...(route.strategy === 'least_cost' ? byPrice(ranking, equals, name) : byShare(ranking, equals, name)),
    );
  }
  return choices;
}

interface Candidate {
  entry: LcrCarrierSetEntry;
  carrier: VoipCarrier;
}

/** The entries whose carriers this account may use and that have a gateway to call; the others are named with the reason. */
function usable({ snapshot, request, passedOver }: Ranking, entries: readonly LcrCarrierSetEntry[]): Candidate[] {
  const candidates: Candidate[] = [];
  for (const entry of entries) {
    const carrier = snapshot.carriersBySid.get(entry.voipCarrierSid);
    if (carrier === undefined || !mayUse(carrier, request)) {
      passedOver.push({ name: entry.voipCarrierSid, why: 'the account has no such carrier' });
    } else if (!isWayOut(snapshot, carrier)) {
      passedOver.push({ name: carrier.name, why: 'carrier is not active, or has no active outbound gateway' });
    } else candidates.push({ entry, carrier });
  }
  return candidates;
}

function byShare(ranking: Ranking, candidates: Candidate[], name: string): RankedChoice[] {
  const sum = candidates.reduce((total, { entry }) => total + entry.workload, 0);
  const drawn = drawInOrder(candidates, ({ entry }) => entry.workload, ranking.random);
  return drawn.map(({ entry: { priority, workload }, carrier }) =>
    priced(ranking, { carrier, why: `${name}, priority ${priority}, share ${workload} of ${sum}` }),
  );
}

function byPrice(ranking: Ranking, candidates: Candidate[], name: string): RankedChoice[] {
  const { snapshot, decks } = ranking;
  const priced: PricedCarrier[] = [];
  const others: RankedChoice[] = [];
  for (const { carrier } of candidates) {
    const deck = decks.get(carrier.voipCarrierSid);
    if (deck !== undefined) priced.push({ carrier, deck, ways: carrierGateways(snapshot, carrier) });
    // The operator has put them into the set: they come, after those that say what they take.
    else others.push({ carrier, why: `${name}, price not known`, price: null });
  }
  return [...cheapestFirst(ranking, priced, `${name}, least cost`), ...others];
}

/** Snapshots and decks are immutable: what is worked out for a pair of them, by account, stays right, and goes with them. */
const pricedCarriers = new WeakMap<ProvisioningSnapshot, WeakMap<DecksByCarrier, Map<string, PricedCarrier[]>>>();

/** The carriers with a rate deck that this account may call over. */
function deckCarriers({ snapshot, request, decks }: Ranking): PricedCarrier[] {
  let ofSnapshot = pricedCarriers.get(snapshot);
  if (ofSnapshot === undefined) {
    ofSnapshot = new WeakMap();
    pricedCarriers.set(snapshot, ofSnapshot);
  }
  let byAccount = ofSnapshot.get(decks);
  if (byAccount === undefined) {
    byAccount = new Map();
    ofSnapshot.set(decks, byAccount);
  }
  let carriers = byAccount.get(request.accountSid);
  if (carriers === undefined) {
    carriers = [];
    for (const [carrierSid, deck] of decks) {
      const carrier = snapshot.carriersBySid.get(carrierSid);
      if (carrier === undefined || !mayUse(carrier, request) || !isWayOut(snapshot, carrier)) continue;
      carriers.push({ carrier, deck, ways: carrierGateways(snapshot, carrier) });
    }
    byAccount.set(request.accountSid, carriers);
  }
  return carriers;
}

interface Offer extends RankedChoice {
  price: KnownPrice;
  score: number;
  lot: number;
}

/** Those that price the number, the cheapest first; of equals the one that does better, then by chance. */
function cheapestFirst(ranking: Ranking, carriers: readonly PricedCarrier[], name: string): RankedChoice[] {
  const { request, atSec, health } = ranking;
  const offers: Offer[] = [];
  for (const { carrier, deck, ways } of carriers) {
    const rate = deck.trie.find(request.called, atSec);
    if (rate === undefined) {
      ranking.passedOver.push({ name: carrier.name, why: 'its rate deck has no price for the number' });
      continue;
    }
    offers.push({ carrier, ways, price: { rate, deck }, score: scoreOf(ways, health), lot: ranking.random(), why: '' });
  }
  offers.sort((a, b) => a.price.rate.rateMicros - b.price.rate.rateMicros || b.score - a.score || a.lot - b.lot);
  for (const [index, offer] of offers.entries()) {
    const prefix = request.called.slice(0, offer.price.rate.prefixLength);
    offer.why = `${name}: ${index + 1} of ${offers.length}, prefix ${prefix}, quality ${offer.score}`;
  }
  return offers;
}

function priceOf({ decks, request, atSec }: Ranking, carrier: VoipCarrier): KnownPrice | null {
  const deck = decks.get(carrier.voipCarrierSid);
  const rate = deck?.trie.find(request.called, atSec);
  return deck === undefined || rate === undefined ? null : { rate, deck };
}

const priced = (ranking: Ranking, choice: CarrierChoice): RankedChoice => ({
  ...choice,
  price: priceOf(ranking, choice.carrier),
});

/** A carrier does as well as its best gateway. */
function scoreOf({ groups }: CarrierGateways, health: HealthView): number {
  let best = 0;
  for (const group of groups) {
    for (const { gateway } of group) best = Math.max(best, health.score(gateway.sipGatewaySid));
  }
  return best;
}

/** What is out comes last: it is tried when nothing else is left, since a wrong judgement must not end a call that it could carry. */
function admitted({ health, request }: Ranking, gateways: RankedGateway[]): RankedGateway[] {
  const outs: RankedGateway[] = [];
  const ins: RankedGateway[] = [];
  for (const gateway of gateways) {
    const { verdict, why } = health.admit(gateway.gateway.sipGatewaySid, request.atMs);
    if (verdict === 'in') ins.push(gateway);
    else if (verdict === 'probe') ins.push({ ...gateway, isTrial: true, why: `${gateway.why}; tried again: ${why}` });
    else outs.push({ ...gateway, why: `${gateway.why}; taken out: ${why}; only when nothing else is left` });
  }
  return [...ins, ...outs];
}
