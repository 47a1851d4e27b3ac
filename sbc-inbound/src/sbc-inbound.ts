import { type ProcessContext, parseHostPort, readConfig } from '@ringwire/common';
import { type Shield, shieldOf } from '@ringwire/common/shield/shield.js';
import { type DigestServer, digestServer } from '@ringwire/common/sip/digest/digest-server.js';
import { type Edge, openEdge } from '@ringwire/common/sip/edge.js';
import type { EdgeConfig } from '@ringwire/common/sip/edge-config.js';
import { inNetworks } from '@ringwire/common/sip/networks.js';
import { temporaryGateways } from './admission/temporary-gateways.js';
import { type AdmissionConfig, admissionVars, DIGEST_ALGORITHMS } from './config.js';
import { type FeatureServers, featureServers } from './feature-servers.js';
import { takeInboundCalls } from './inbound-calls.js';
import { type Reachability, watchReachability } from './reachability.js';
import { serveRoute } from './route.js';
import { callerChecks } from './stir/caller-check.js';
import { type StirConfig, stirVars, stirVerifier } from './stir/config.js';

/** A running sbc-inbound. */
export interface SbcInbound {
  readonly edge: Edge;
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Gateways of carriers, our proxies and feature servers. Users who are registered will be known, too. */
function knownSources({ provisioning, privateNetworks, featureServers }: Edge): (address: string) => boolean {
  return (address) =>
    provisioning.snapshot().findInboundGateways(address).length > 0 ||
    inNetworks(privateNetworks, address) ||
    featureServers.list().some(({ sipAddress }) => parseHostPort(sipAddress)?.host === address);
}

/** Builds the process: calls are taken from the moment at which this resolves. */
export async function openSbcInbound(
  ctx: ProcessContext,
  config: EdgeConfig,
  settings: AdmissionConfig & StirConfig = readConfig({ ...admissionVars, ...stirVars }, ctx.env),
): Promise<SbcInbound> {
  const verifier = stirVerifier(settings);
  let servers: FeatureServers | undefined;
  let reachability: Reachability | undefined;
  let digest: DigestServer | undefined;
  let shield: Shield | undefined;
  const edge = await openEdge({
    ctx,
    config,
    role: 'inbound',
    routes: (app, { sources }) => serveRoute(app, sources, (address) => shield?.isBanned(address) ?? false),
    takeCalls(opened) {
      reachability = watchReachability(opened.bridging.link, opened.featureServers);
      servers = featureServers(opened.featureServers, reachability);
      const { redis, logger, metrics, instanceId } = opened;
      shield = shieldOf({
        redis,
        logger,
        metrics,
        instanceId,
        isKnown: knownSources(opened),
        banMs: settings.SHIELD_BAN_MINUTES * 60_000,
      });
      digest = digestServer({ redis, logger, algorithms: DIGEST_ALGORITHMS[settings.SIP_DIGEST] });
      const callers = callerChecks(verifier, metrics);
      takeInboundCalls({ edge: opened, servers, digest, shield, temporary: temporaryGateways(redis), callers });
    },
  });
  return {
    edge,
    drain: () => edge.drain(),
    async close() {
      servers?.close();
      reachability?.close();
      digest?.close();
      shield?.close();
      await edge.close();
    },
  };
}
