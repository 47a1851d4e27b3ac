import { type ConfigOf, integer } from '@ringwire/common';
import { edgeVars } from '@ringwire/common/sip/edge-config.js';

/** How patient we are with gateways. */
export const gatewayVars = {
  GATEWAY_RESPONSE_MS: integer({
    default: 10_000,
    min: 100,
    doc: 'how long a gateway may leave an INVITE without a response (100 Trying is none) before the next is tried',
  }),
  GATEWAY_MAX_ATTEMPTS: integer({ default: 10, min: 1, max: 100, doc: 'gateways that are tried for one call' }),
};

/** How trunks are watched. */
export const trunkVars = {
  OPTIONS_PING_INTERVAL_MS: integer({
    default: 60_000,
    min: 100,
    doc: 'how often each edge sends OPTIONS to gateways with send_options_ping',
  }),
  OPTIONS_PING_TIMEOUT_MS: integer({ default: 5_000, min: 100, doc: 'how long a gateway may take to answer OPTIONS' }),
};

/** What sbc-outbound reads from its environment. */
export const outboundVars = { ...edgeVars, ...gatewayVars, ...trunkVars };

/** How gateways are tried. */
export type GatewayConfig = ConfigOf<typeof gatewayVars>;

/** How trunks are watched. */
export type TrunkConfig = ConfigOf<typeof trunkVars>;
