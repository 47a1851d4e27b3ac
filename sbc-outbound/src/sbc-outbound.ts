import { carrierRoutes, type OutboundRoutes, type ProcessContext, readConfig } from '@ringwire/common';
import { type Edge, openEdge } from '@ringwire/common/sip/edge.js';
import type { EdgeConfig } from '@ringwire/common/sip/edge-config.js';
import { type GatewayConfig, gatewayVars } from './config.js';
import { gatewayMetrics } from './gateway-metrics.js';
import { takeOutboundCalls } from './outbound-calls.js';

/** A running sbc-outbound. */
export interface SbcOutbound {
  readonly edge: Edge;
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Builds the process: calls are taken from the moment at which this resolves. */
export async function openSbcOutbound(
  ctx: ProcessContext,
  config: EdgeConfig,
  gateways: GatewayConfig = readConfig(gatewayVars, ctx.env),
  routes: OutboundRoutes = carrierRoutes(),
): Promise<SbcOutbound> {
  const edge = await openEdge({
    ctx,
    config,
    role: 'outbound',
    takeCalls: (open) => takeOutboundCalls(open, { gateways, routes, metrics: gatewayMetrics(open.metrics) }),
  });
  return { edge, drain: () => edge.drain(), close: () => edge.close() };
}
