import type { SipGateway, VoipCarrier } from '../provisioning/rows.js';
import type { ProvisioningSnapshot } from '../provisioning/snapshot.js';
import type { PassedOver } from './types.js';
import { drawInOrder } from './weighted.js';

/** A gateway that may be called, with what is said of its place. */
export interface CallableGateway {
  readonly gateway: SipGateway;
  /** `; priority 0, weight 1`. */
  readonly place: string;
}

/** The ways out of one carrier, worked out once for a snapshot. */
export interface CarrierGateways {
  /** Active outbound gateways by priority, small first; those of equal priority together. */
  readonly groups: readonly (readonly CallableGateway[])[];
  /** What is not called, and why. */
  readonly passedOver: readonly PassedOver[];
  /** Whether the carrier is active and has a gateway to call. */
  readonly isWayOut: boolean;
}

/** Snapshots are immutable: what is worked out for one stays right, and goes with it. */
const known = new WeakMap<ProvisioningSnapshot, Map<string, CarrierGateways>>();

function workOut(snapshot: ProvisioningSnapshot, carrier: VoipCarrier): CarrierGateways {
  const all = snapshot.gatewaysByCarrierSid.get(carrier.voipCarrierSid) ?? [];
  const outbound = all.filter((gateway) => gateway.outbound);
  const passedOver: PassedOver[] = [];
  if (outbound.length === 0) passedOver.push({ name: carrier.name, why: 'carrier has no outbound gateway' });
  const groups = new Map<number, CallableGateway[]>();
  for (const gateway of [...outbound].sort((a, b) => a.priority - b.priority)) {
    const { address, isActive, priority, weight } = gateway;
    if (!isActive) {
      passedOver.push({ name: `${address} of ${carrier.name}`, why: 'gateway is not active' });
      continue;
    }
    const callable = { gateway, place: `; priority ${priority}, weight ${weight}` };
    const group = groups.get(priority);
    if (group === undefined) groups.set(priority, [callable]);
    else group.push(callable);
  }
  return { groups: [...groups.values()], passedOver, isWayOut: carrier.isActive && groups.size > 0 };
}

/** The ways out of a carrier. */
export function carrierGateways(snapshot: ProvisioningSnapshot, carrier: VoipCarrier): CarrierGateways {
  let ofSnapshot = known.get(snapshot);
  if (ofSnapshot === undefined) {
    ofSnapshot = new Map();
    known.set(snapshot, ofSnapshot);
  }
  let found = ofSnapshot.get(carrier.voipCarrierSid);
  if (found === undefined) {
    found = workOut(snapshot, carrier);
    ofSnapshot.set(carrier.voipCarrierSid, found);
  }
  return found;
}

const weightOf = ({ gateway }: CallableGateway): number => gateway.weight;

/** Calls `visit` with the gateways of a carrier in the order in which they are tried: by priority, within one by a draw by weight. */
export function eachGateway(
  { groups }: CarrierGateways,
  random: () => number,
  visit: (callable: CallableGateway) => void,
): void {
  for (const group of groups) {
    if (group.length === 1) visit(group[0]!);
    else for (const callable of drawInOrder(group, weightOf, random)) visit(callable);
  }
}
