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
import { CarrierHops } from './carrier-hops.js';
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
import type { SmppListener } from './messages/smpp-server.js';
import { userMessages } from './messages/user-messages.js';
import { takeOutboundCalls } from './outbound-calls.js';
import { parseHubs } from './teams/hubs.js';
import { pingHubs, type TenantPings } from './teams/tenant-pings.js';
import { openTrunks, type Trunks } from './trunks/trunks.js';

/** The text of a file that a variable names. @throws ConfigError */
function readNamedFile(variable: string, path: string | undefined): string {
  try {
    return readFileSync(path ?? '', 'utf8');
  } catch {
    throw new ConfigError([{ variable, value: JSON.stringify(path), expected: 'a file that can be read' }]);
  }
}

/** Where carriers and clients may bind to us. @throws ConfigError */
function smppListeners(config: MessageConfig): SmppListener[] {
  const { SMPP_HOST: host, SMPP_PORT: port, SMPP_TLS_PORT: tlsPort } = config;
  const plain = port === 0 ? [] : [{ host, port }];
  if (tlsPort === 0) return plain;
  const tls = {
    cert: readNamedFile('SMPP_TLS_CERT_FILE', config.SMPP_TLS_CERT_FILE),
    key: readNamedFile('SMPP_TLS_KEY_FILE', config.SMPP_TLS_KEY_FILE),
  };
  return [...plain, { host, port: tlsPort, tls }];
}

/** A running sbc-outbound. */
export interface SbcOutbound {
  readonly edge: Edge;
  /** Ports of our SMPP server. */
  readonly smppPorts: readonly number[];
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
      const addresses = new AddressGuard({ allowPrivate: gateways.SIP_ALLOW_PRIVATE });
      const hops = new CarrierHops(open, addresses);
      takeOutboundCalls(open, {
        gateways,
        routes: routes ?? routing!.routes,
        metrics,
        fraud,
        rates: routing?.decks.book ?? (() => EMPTY_RATE_BOOK),
        registrations: registrations(redis),
        addresses,
        hops,
        encryptionSecret: config.ENCRYPTION_SECRET,
        teamsHubs,
      });
      trunks = openTrunks(open, routing?.health, hops, gateways);
      tenantPings = pingHubs(open, {
        hubs: teamsHubs,
        intervalMs: gateways.TEAMS_PING_INTERVAL_MS,
        deadlineMs: gateways.OPTIONS_PING_TIMEOUT_MS,
      });
    },
  });
  const closeRest = async (): Promise<void> => {
    await tenantPings?.close();
    await trunks?.close();
    fraud?.close();
    await routing?.close();
    await edge.close();
  };
  const messaging = await startMessaging({
    ...edge,
    fraud: fraud!,
    toUser: userMessages(edge, registrations(edge.redis)),
    smppListeners: smppListeners(messages),
    allowPrivate: messages.MESSAGE_ALLOW_PRIVATE,
    ...(messages.MESSAGE_CA_FILE !== undefined && { ca: readNamedFile('MESSAGE_CA_FILE', messages.MESSAGE_CA_FILE) }),
    retryForMs: messages.MESSAGE_RETRY_MINUTES * 60_000,
    ...(messages.API_BASE_URL !== undefined && { callbackBase: messages.API_BASE_URL }),
  }).catch(async (err: unknown) => {
    await closeRest();
    throw err;
  });
  return {
    edge,
    smppPorts: messaging.smppPorts,
    async drain() {
      await Promise.all([messaging.drain(), trunks?.drain(), edge.drain()]);
    },
    async close() {
      await messaging.close();
      await closeRest();
    },
  };
}
