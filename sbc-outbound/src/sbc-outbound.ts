import type { ProcessContext } from '@ringwire/common';
import { type Edge, openEdge } from '@ringwire/common/sip/edge.js';
import type { EdgeConfig } from '@ringwire/common/sip/edge-config.js';
import { takeOutboundCalls } from './outbound-calls.js';

/** A running sbc-outbound. */
export interface SbcOutbound {
  readonly edge: Edge;
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Builds the process: calls are taken from the moment at which this resolves. */
export async function openSbcOutbound(ctx: ProcessContext, config: EdgeConfig): Promise<SbcOutbound> {
  const edge = await openEdge({ ctx, config, role: 'outbound', takeCalls: takeOutboundCalls });
  return { edge, drain: () => edge.drain(), close: () => edge.close() };
}
