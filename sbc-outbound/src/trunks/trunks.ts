import type { GatewayHealth } from '@ringwire/common';
import type { Edge } from '@ringwire/common/sip/edge.js';
import type { TrunkConfig } from '../config.js';
import { gatewayPinger } from './gateway-pinger.js';

/** What keeps trunks in use apart from calls: OPTIONS to gateways. */
export interface Trunks {
  close(): Promise<void>;
}

/** Begins with what is provisioned, and follows its changes. */
export function openTrunks(edge: Edge, health: GatewayHealth | undefined, config: TrunkConfig): Trunks {
  const pinger = gatewayPinger(edge, health, config);
  pinger.follow(edge.provisioning.snapshot());
  edge.provisioning.onChange((snapshot) => pinger.follow(snapshot));
  return { close: () => pinger.close() };
}
