import type { Database } from '../db/database.js';
import { type GatewayHealth, openGatewayHealth } from '../gateway-health/gateway-health.js';
import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Provisioning } from '../provisioning/provisioning.js';
import type { Redis } from '../redis/connection.js';
import { type RankedRoutes, rankedRoutes } from '../routing/ranked-routes.js';
import { openRateDecks, type RateDecks } from './rate-decks.js';

/** Routing with all that it needs in memory: prices, and the health of gateways. */
export interface Routing {
  /** For calls. */
  readonly routes: RankedRoutes;
  /** For looking: the same decisions, without using up the turn of a gateway that is tried again. */
  readonly preview: RankedRoutes;
  readonly health: GatewayHealth;
  readonly decks: RateDecks;
  close(): Promise<void>;
}

/** Loads the rate decks and follows the health of gateways; resolves when decisions can be made. */
export async function openRouting(options: {
  db: Database;
  redis: Redis;
  provisioning: Provisioning;
  logger: Logger;
  metrics?: Metrics;
}): Promise<Routing> {
  const health = openGatewayHealth(options);
  const [decks] = await Promise.all([openRateDecks(options), firstExchange(health)]);
  return {
    routes: rankedRoutes({ rates: decks.book, health }),
    preview: rankedRoutes({ rates: decks.book, health: health.preview }),
    health,
    decks,
    async close() {
      await decks.close();
      await health.close();
    },
  };
}

/** A Redis that is away must not keep an edge from starting. */
const FIRST_EXCHANGE_DEADLINE_MS = 1_000;
const firstExchange = (health: GatewayHealth): Promise<unknown> =>
  Promise.race([health.exchange(), new Promise((resolve) => setTimeout(resolve, FIRST_EXCHANGE_DEADLINE_MS).unref())]);
