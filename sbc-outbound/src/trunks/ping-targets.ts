import type { ProvisioningSnapshot, SipGateway, VoipCarrier } from '@ringwire/common';
import type { DigestCredentials } from '@ringwire/common/sip/digest-client.js';
import { credentialsOf, gatewayUri, hostPort, proxyOf } from '../gateway-uri.js';

/** A gateway that gets OPTIONS. */
export interface PingTarget {
  sipGatewaySid: string;
  carrier: VoipCarrier;
  gateway: SipGateway;
  /** What people call it. */
  name: string;
  uri: string;
  proxy?: string;
  credentials?: DigestCredentials;
  /** The same for as long as nothing changes that a ping depends on. */
  key: string;
}

/** Active outbound gateways of active carriers that want OPTIONS, by sid; those whose address cannot be read are left out. */
export function pingTargets(snapshot: ProvisioningSnapshot): Map<string, PingTarget> {
  const targets = new Map<string, PingTarget>();
  for (const carrier of snapshot.carriersBySid.values()) {
    if (!carrier.isActive) continue;
    for (const gateway of snapshot.gatewaysByCarrierSid.get(carrier.voipCarrierSid) ?? []) {
      if (!gateway.isActive || !gateway.outbound || !gateway.sendOptionsPing) continue;
      const proxy = proxyOf(carrier, gateway);
      if (proxy === null) continue;
      const { sipGatewaySid } = gateway;
      const uri = gatewayUri(null, carrier, gateway);
      const credentials = credentialsOf(carrier);
      targets.set(sipGatewaySid, {
        sipGatewaySid,
        carrier,
        gateway,
        name: `${hostPort(gateway)} of ${carrier.name}`,
        uri,
        ...(proxy === undefined ? {} : { proxy }),
        ...(credentials ? { credentials } : {}),
        key: JSON.stringify([uri, proxy, credentials?.username, credentials?.password]),
      });
    }
  }
  return targets;
}
