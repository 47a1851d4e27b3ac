import type { VoipCarrier } from '../provisioning/rows.js';
import type { ProvisioningSnapshot } from '../provisioning/snapshot.js';
import { carrierGateways, eachGateway } from './carrier-gateways.js';
import type { OutboundRequest, OutboundRoutes, PassedOver, RoutedGateway } from './types.js';

/** A carrier to look at, and why it comes now. */
export interface CarrierChoice {
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

/** The carriers for a call by the rules of {@link carrierRoutes}, in order; some may be inactive. Adds those not meant to `passedOver`. */
export function carriersFor(
  snapshot: ProvisioningSnapshot,
  request: OutboundRequest,
  passedOver: PassedOver[],
): CarrierChoice[] {
  const { requestedCarrier: wanted, inboundCarrierSid } = request;
  if (wanted !== null) {
    const carrier = requestedCarrier(snapshot, request, wanted);
    if (!carrier) passedOver.push({ name: wanted, why: 'the account has no such carrier' });
    return carrier ? [{ carrier, why: 'requested by the application' }] : [];
  }
  const choices = new Map<string, CarrierChoice>();
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
export const isWayOut = (snapshot: ProvisioningSnapshot, carrier: VoipCarrier): boolean =>
  carrierGateways(snapshot, carrier).isWayOut;

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

/** The active outbound gateways of a carrier in the order in which they are tried, each with `why` before its own reason. */
export function gatewaysOf(
  snapshot: ProvisioningSnapshot,
  carrier: VoipCarrier,
  why: string,
  random: () => number,
  passedOver: PassedOver[],
): RoutedGateway[] {
  const ways = carrierGateways(snapshot, carrier);
  passedOver.push(...ways.passedOver);
  const routed: RoutedGateway[] = [];
  eachGateway(ways, random, ({ gateway, place }) => {
    routed.push({ carrier, gateway, why: why + place });
  });
  return routed;
}
