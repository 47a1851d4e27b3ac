import { readFileSync } from 'node:fs';
import {
  ConfigError,
  EMPTY_RATE_BOOK,
  type FraudGuard,
  fraudGuard,
  type OutboundRoutes,
  openRouting,
  type ProcessContext,
  type Routing,
  readConfig,
  registrations,
} from '@ringwire/common';
import { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { type Edge, openEdge } from '@ringwire/common/sip/edge.js';
import type { EdgeConfig } from '@ringwire/common/sip/edge-config.js';
import {
  type GatewayConfig,
  gatewayVars,
  type MessageConfig,
  messageVars,
  type TeamsConfig,
  type TrunkConfig,
  teamsVars,
  trunkVars,
} from './config.js';
import { gatewayMetrics } from './gateway-metrics.js';
import { startMessaging } from './messages/messaging.js';
import { userMessages } from './messages/user-messages.js';
import { takeOutboundCalls } from './outbound-calls.js';
import { parseHubs } from './teams/hubs.js';
import { pingHubs, type TenantPings } from './teams/tenant-pings.js';
import { openTrunks, type Trunks } from './trunks/trunks.js';

/** The text of `MESSAGE_CA_FILE`. @throws ConfigError */
function readAuthorities(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    const value = JSON.stringify(path);
    throw new ConfigError([{ variable: 'MESSAGE_CA_FILE', value, expected: 'a file that can be read' }]);
  }
}

/** A running sbc-outbound. */
export interface SbcOutbound {
  readonly edge: Edge;
  drain(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Builds the process: calls are taken from the moment at which this resolves, which is when the rate decks are in memory.
 *
 * @param routes - instead of {@link openRouting}'s, for tests
 */
export async function openSbcOutbound(
  ctx: ProcessContext,
  config: EdgeConfig,
  gateways: GatewayConfig & TrunkConfig & TeamsConfig = readConfig(
    { ...gatewayVars, ...trunkVars, ...teamsVars },
    ctx.env,
  ),
  routes?: OutboundRoutes,
  messages: MessageConfig = readConfig(messageVars, ctx.env),
): Promise<SbcOutbound> {
  let routing: Routing | undefined;
  let trunks: Trunks | undefined;
  let tenantPings: TenantPings | undefined;
  const teamsHubs = parseHubs(gateways.TEAMS_HUBS);
  let fraud: FraudGuard | undefined;
  const edge = await openEdge({
    ctx,
    config,
    role: 'outbound',
    takeCalls: async (open) => {
      const metrics = gatewayMetrics(open.metrics);
      const { redis, logger, instanceId: owner } = open;
      const deadlineMs = config.CALL_LIMIT_TIMEOUT_MS;
      fraud = fraudGuard({ redis, logger, metrics: open.metrics, owner, deadlineMs });
      if (routes === undefined) routing = await openRouting(open);
      takeOutboundCalls(open, {
        gateways,
        routes: routes ?? routing!.routes,
        metrics,
        fraud,
        rates: routing?.decks.book ?? (() => EMPTY_RATE_BOOK),
        registrations: registrations(redis),
        addresses: new AddressGuard({ allowPrivate: gateways.SIP_ALLOW_PRIVATE }),
        encryptionSecret: config.ENCRYPTION_SECRET,
        teamsHubs,
      });
      trunks = openTrunks(open, routing?.health, gateways);
      tenantPings = pingHubs(open, {
        hubs: teamsHubs,
        intervalMs: gateways.TEAMS_PING_INTERVAL_MS,
        deadlineMs: gateways.OPTIONS_PING_TIMEOUT_MS,
      });
    },
  });
  const messaging = startMessaging({
    ...edge,
    fraud: fraud!,
    toUser: userMessages(edge, registrations(edge.redis)),
    allowPrivate: messages.MESSAGE_ALLOW_PRIVATE,
    ...(messages.MESSAGE_CA_FILE !== undefined && { ca: readAuthorities(messages.MESSAGE_CA_FILE) }),
    retryForMs: messages.MESSAGE_RETRY_MINUTES * 60_000,
    ...(messages.API_BASE_URL !== undefined && { callbackBase: messages.API_BASE_URL }),
  });
  return {
    edge,
    async drain() {
      await Promise.all([messaging.drain(), trunks?.drain(), edge.drain()]);
    },
    async close() {
      await messaging.close();
      await tenantPings?.close();
      await trunks?.close();
      fraud?.close();
      await routing?.close();
      await edge.close();
    },
  };
}
