import type { GatewayHealth } from '@ringwire/common';
import type { Edge } from '@ringwire/common/sip/edge.js';
import type { CarrierHops } from '../carrier-hops.js';
import type { TrunkConfig } from '../config.js';
import { gatewayPinger } from './gateway-pinger.js';
import { trunkRegistrar } from './trunk-registrar.js';

/** What keeps trunks in use apart from calls: OPTIONS to gateways, and our registrations at carriers. */
export interface Trunks {
  /** Leaves our registrations to another process, or takes them back. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Begins with what is provisioned, and follows its changes. */
export function openTrunks(
  edge: Edge,
  health: GatewayHealth | undefined,
  hops: CarrierHops,
  config: TrunkConfig,
): Trunks {
  const pinger = gatewayPinger(edge, health, hops, config);
  const registrar = trunkRegistrar(edge, hops, config);
  const follow = (): void => {
    const snapshot = edge.provisioning.snapshot();
    pinger.follow(snapshot);
    registrar.follow(snapshot);
  };
  follow();
  edge.provisioning.onChange(follow);
  return {
    drain: () => registrar.drain(),
    async close() {
      await Promise.all([pinger.close(), registrar.close()]);
    },
  };
}
