import type { ProcessContext } from '@ringwire/common';
import { type Edge, openEdge } from '@ringwire/common/sip/edge.js';
import type { EdgeConfig } from '@ringwire/common/sip/edge-config.js';
import { type FeatureServers, featureServers } from './feature-servers.js';
import { takeInboundCalls } from './inbound-calls.js';
import { type Reachability, watchReachability } from './reachability.js';
import { serveRoute } from './route.js';

/** A running sbc-inbound. */
export interface SbcInbound {
  readonly edge: Edge;
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Builds the process: calls are taken from the moment at which this resolves. */
export async function openSbcInbound(ctx: ProcessContext, config: EdgeConfig): Promise<SbcInbound> {
  let servers: FeatureServers | undefined;
  let reachability: Reachability | undefined;
  const edge = await openEdge({
    ctx,
    config,
    role: 'inbound',
    routes: (app, { sources }) => serveRoute(app, sources),
    takeCalls(opened) {
      reachability = watchReachability(opened.bridging.link, opened.featureServers);
      servers = featureServers(opened.featureServers, reachability);
      takeInboundCalls({ edge: opened, servers });
    },
  });
  return {
    edge,
    drain: () => edge.drain(),
    async close() {
      servers?.close();
      reachability?.close();
      await edge.close();
    },
  };
}
