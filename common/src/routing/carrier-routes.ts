import type { SipGateway, VoipCarrier } from '../provisioning/rows.js';
import type { ProvisioningSnapshot } from '../provisioning/snapshot.js';
import type { OutboundRequest, OutboundRoutes, PassedOver, RoutedGateway } from './types.js';

/** A carrier to look at, and why it comes now. */
interface Choice {
  carrier: VoipCarrier;
  why: string;
}

/**
 * Routes by carrier alone: the one that the application asked for and no other; else the one that owns the calling number, that
 * of the inbound leg, and every other active one of the account, or of its service provider where the account has none.
 * Within a carrier gateways go by priority, then by weight.
 *
 * @param options.random - from 0 to less than 1, for weights
 */
export function carrierRoutes({ random = Math.random }: { random?: () => number } = {}): OutboundRoutes {
  return {
    decide(snapshot, request) {
      const gateways: RoutedGateway[] = [];
      const passedOver: PassedOver[] = [];
      for (const { carrier, why } of carriersFor(snapshot, request, passedOver)) {
        if (!carrier.isActive) {
          passedOver.push({ name: carrier.name, why: 'carrier is not active' });
          continue;
        }
        gateways.push(...gatewaysOf(snapshot, carrier, why, random, passedOver));
      }
      return { gateways, passedOver };
    },
  };
}

/** Whether calls of the account may go over the carrier: it is its own, or shared by its service provider. */
export function mayUse(carrier: VoipCarrier, request: OutboundRequest): boolean {
  return carrier.accountSid === null
    ? carrier.serviceProviderSid === request.serviceProviderSid
    : carrier.accountSid === request.accountSid;
}

function carriersFor(snapshot: ProvisioningSnapshot, request: OutboundRequest, passedOver: PassedOver[]): Choice[] {
  const { requestedCarrier: wanted, inboundCarrierSid } = request;
  if (wanted !== null) {
    const carrier = requestedCarrier(snapshot, request, wanted);
    if (!carrier) passedOver.push({ name: wanted, why: 'the account has no such carrier' });
    return carrier ? [{ carrier, why: 'requested by the application' }] : [];
  }
  const choices = new Map<string, Choice>();
  const add = (carrier: VoipCarrier | undefined, why: string): void => {
    if (!carrier || choices.has(carrier.voipCarrierSid) || !mayUse(carrier, request)) return;
    choices.set(carrier.voipCarrierSid, { carrier, why });
  };
  for (const { voipCarrierSid, accountSid } of snapshot.findNumbers(request.calling)) {
    if (accountSid !== request.accountSid || voipCarrierSid === null) continue;
    add(snapshot.carriersBySid.get(voipCarrierSid), 'owns the calling number');
  }
  if (inboundCarrierSid !== null) add(snapshot.carriersBySid.get(inboundCarrierSid), 'carrier of the inbound leg');
  const own = snapshot.carriersOf(request.accountSid);
  for (const carrier of own) if (isWayOut(snapshot, carrier)) add(carrier, 'carrier of the account');
  if (!own.some((carrier) => isWayOut(snapshot, carrier))) {
    for (const carrier of snapshot.sharedCarriersOf(request.serviceProviderSid)) {
      if (isWayOut(snapshot, carrier)) add(carrier, 'carrier of the service provider');
    }
  }
  return [...choices.values()];
}

/** A carrier that is only called in over is no carrier to call out over, and not worth a word. */
function isWayOut(snapshot: ProvisioningSnapshot, carrier: VoipCarrier): boolean {
  const gateways = snapshot.gatewaysByCarrierSid.get(carrier.voipCarrierSid) ?? [];
  return carrier.isActive && gateways.some((gateway) => gateway.outbound && gateway.isActive);
}

function requestedCarrier(
  snapshot: ProvisioningSnapshot,
  request: OutboundRequest,
  wanted: string,
): VoipCarrier | undefined {
  const bySid = snapshot.carriersBySid.get(wanted);
  if (bySid) return mayUse(bySid, request) ? bySid : undefined;
  const candidates = [
    ...snapshot.carriersOf(request.accountSid),
    ...snapshot.sharedCarriersOf(request.serviceProviderSid),
  ];
  return candidates.find((carrier) => carrier.name === wanted);
}

function gatewaysOf(
  snapshot: ProvisioningSnapshot,
  carrier: VoipCarrier,
  why: string,
  random: () => number,
  passedOver: PassedOver[],
): RoutedGateway[] {
  const all = snapshot.gatewaysByCarrierSid.get(carrier.voipCarrierSid) ?? [];
  const outbound = all.filter((gateway) => gateway.outbound);
  if (outbound.length === 0) passedOver.push({ name: carrier.name, why: 'carrier has no outbound gateway' });
  const active = outbound.filter((gateway) => {
    if (!gateway.isActive) {
      passedOver.push({ name: `${gateway.address} of ${carrier.name}`, why: 'gateway is not active' });
    }
    return gateway.isActive;
  });
  return orderGateways(active, random).map((gateway) => ({
    carrier,
    gateway,
    why: `${why}; priority ${gateway.priority}, weight ${gateway.weight}`,
  }));
}

/**
 * Smaller priorities first; among equals a draw without putting back, where each has a chance of its weight's share. Those of
 * weight 0 come last of their priority.
 */
export function orderGateways(gateways: readonly SipGateway[], random: () => number): SipGateway[] {
  const rest = [...gateways].sort((a, b) => a.priority - b.priority);
  const ordered: SipGateway[] = [];
  while (rest.length > 0) {
    const { priority } = rest[0]!;
    const equals = rest.filter((gateway) => gateway.priority === priority);
    const sum = equals.reduce((total, { weight }) => total + weight, 0);
    const drawn = drawByWeight(equals, random() * sum);
    ordered.push(drawn);
    rest.splice(rest.indexOf(drawn), 1);
  }
  return ordered;
}

/** The gateway whose share of the sum of weights contains the point. */
function drawByWeight(gateways: readonly SipGateway[], point: number): SipGateway {
  let end = 0;
  for (const gateway of gateways) {
    end += gateway.weight;
    if (point < end) return gateway;
  }
  return gateways[0]!;
}
