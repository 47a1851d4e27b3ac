import { type ProcessContext, readConfig } from '@ringwire/common';
import { type DigestServer, digestServer } from '@ringwire/common/sip/digest/digest-server.js';
import { type Edge, openEdge } from '@ringwire/common/sip/edge.js';
import type { EdgeConfig } from '@ringwire/common/sip/edge-config.js';
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
  const edge = await openEdge({
    ctx,
    config,
    role: 'inbound',
    routes: (app, { sources }) => serveRoute(app, sources),
    takeCalls(opened) {
      reachability = watchReachability(opened.bridging.link, opened.featureServers);
      servers = featureServers(opened.featureServers, reachability);
      const { redis, logger } = opened;
      digest = digestServer({ redis, logger, algorithms: DIGEST_ALGORITHMS[settings.SIP_DIGEST] });
      const callers = callerChecks(verifier, opened.metrics);
      takeInboundCalls({ edge: opened, servers, digest, temporary: temporaryGateways(redis), callers });
    },
  });
  return {
    edge,
    drain: () => edge.drain(),
    async close() {
      servers?.close();
      reachability?.close();
      digest?.close();
      await edge.close();
    },
  };
}
