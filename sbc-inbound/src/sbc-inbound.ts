import {
  applicationQueue,
  ConfigError,
  type ProcessContext,
  parseHostPort,
  readConfig,
  registrations,
} from '@ringwire/common';
import { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { type Shield, shieldOf } from '@ringwire/common/shield/shield.js';
import { type DigestServer, digestServer } from '@ringwire/common/sip/digest/digest-server.js';
import type { DigestAlgorithm } from '@ringwire/common/sip/digest/response.js';
import { type Edge, openEdge } from '@ringwire/common/sip/edge.js';
import type { EdgeConfig } from '@ringwire/common/sip/edge-config.js';
import { type Ipv4Network, inNetworks, parseNetworks } from '@ringwire/common/sip/networks.js';
import { temporaryGateways } from './admission/temporary-gateways.js';
import type { TeamsSources } from './admission/who.js';
import { type AdmissionConfig, admissionVars, DIGEST_ALGORITHMS } from './config.js';
import { featureServers } from './feature-servers.js';
import { takeInboundCalls } from './inbound-calls.js';
import { takeMessages } from './messages/take-messages.js';
import { type RegistrarConfig, registrarVars } from './registrar/config.js';
import { type KeptBindings, keptBindings } from './registrar/kept-bindings.js';
import { watchLostFlows } from './registrar/lost-flows.js';
import { takeRegisters } from './registrar/take-registers.js';
import { serveRoute } from './route.js';
import { callerChecks } from './stir/caller-check.js';
import { type StirConfig, stirVars, stirVerifier } from './stir/config.js';
import { quietAlerts } from './users/quiet-alerts.js';

/** Messages of users that may wait for the applications of one account: a device that floods fills no more of Redis. */
const WAITING_MESSAGES = 500;

/** A running sbc-inbound. */
export interface SbcInbound {
  readonly edge: Edge;
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Our proxies, our networks and feature servers. */
function ownSources({ privateNetworks, trustedProxies, featureServers }: Edge): (address: string) => boolean {
  return (address) =>
    inNetworks(privateNetworks, address) ||
    inNetworks(trustedProxies, address) ||
    featureServers.list().some(({ sipAddress }) => parseHostPort(sipAddress)?.host === address);
}

/**
 * Gateways of carriers, our proxies, our networks and feature servers; Microsoft Teams where it is sure that it is Teams. Who authenticates or
 * registers is known to the shield itself: such a source may do more, but not everything.
 */
function knownSources(edge: Edge, teams: TeamsSources): (address: string, isHeard: boolean) => boolean {
  const isOurs = ownSources(edge);
  return (address, isHeard) =>
    edge.provisioning.snapshot().findInboundGateways(address).length > 0 ||
    isOurs(address) ||
    ((isHeard || !teams.requireTls) && inNetworks(teams.networks, address));
}

function networksOf(list: string): Ipv4Network[] {
  const networks = parseNetworks(list);
  if (networks) return networks;
  const expected = 'IPv4 networks such as 52.112.0.0/14,52.120.0.0/14';
  throw new ConfigError([{ variable: 'TEAMS_NETWORKS', value: JSON.stringify(list), expected }]);
}

/** Builds the process: calls are taken from the moment at which this resolves. */
export async function openSbcInbound(
  ctx: ProcessContext,
  config: EdgeConfig,
  settings: AdmissionConfig & StirConfig & RegistrarConfig = readConfig(
    { ...admissionVars, ...stirVars, ...registrarVars },
    ctx.env,
  ),
): Promise<SbcInbound> {
  const verifier = stirVerifier(settings);
  const teams: TeamsSources = { networks: networksOf(settings.TEAMS_NETWORKS), requireTls: settings.TEAMS_REQUIRE_TLS };
  let digest: DigestServer | undefined;
  let shield: Shield | undefined;
  let kept: KeptBindings | undefined;
  const edge = await openEdge({
    ctx,
    config,
    role: 'inbound',
    routes: (app, opened) => serveRoute(app, opened, (address) => shield?.isBanned(address) ?? false),
    takeCalls(opened) {
      const servers = featureServers(opened.featureServers, opened.featureServerWatch);
      const { redis, logger, metrics, instanceId } = opened;
      const bindings = registrations(redis, { onKept: (aor, all) => kept?.keep(aor, all) });
      kept = keptBindings({ redis, registrations: bindings, instanceId, logger });
      shield = shieldOf({
        redis,
        logger,
        metrics,
        instanceId,
        isKnown: knownSources(opened, teams),
        isOurs: ownSources(opened),
        banMs: settings.SHIELD_BAN_MINUTES * 60_000,
      });
      const algorithms: readonly [DigestAlgorithm, ...DigestAlgorithm[]] = DIGEST_ALGORITHMS[settings.SIP_DIGEST];
      digest = digestServer({ redis, logger, algorithms });
      const callers = callerChecks(verifier, metrics);
      const users = {
        digest,
        guard: new AddressGuard({ allowPrivate: settings.HOOK_ALLOW_PRIVATE }),
        allowsMd5: algorithms.includes('MD5'),
      };
      const shared = { edge: opened, shield, users, registrations: bindings, alerts: quietAlerts(opened.sink) };
      takeInboundCalls({ ...shared, servers, digest, temporary: temporaryGateways(redis), callers, teams });
      takeRegisters({ ...shared, config: settings });
      watchLostFlows(opened, bindings, kept);
      takeMessages({ ...shared, queue: applicationQueue(redis, { ownerCapacity: WAITING_MESSAGES }) });
    },
  });
  return {
    edge,
    drain: () => edge.drain(),
    async close() {
      digest?.close();
      shield?.close();
      await kept?.close();
      await edge.close();
    },
  };
}
