import type { SipGateway, VoipCarrier } from '../provisioning/rows.js';
import type { ProvisioningSnapshot } from '../provisioning/snapshot.js';
import type { Rate } from './rate-trie.js';

/** What a routing decision may depend on, besides the provisioning snapshot. */
export interface OutboundRequest {
  accountSid: string;
  serviceProviderSid: string;
  applicationSid: string | null;
  /** The number to call, digits without a leading plus; as dialled where it is not a number. */
  called: string;
  /** The calling number, likewise; `anonymous` when there is none. */
  calling: string;
  /** The carrier that the application asked for, by sid or name (`X-Requested-Carrier-Sid`). */
  requestedCarrier: string | null;
  /** The carrier over which the caller of this call came in (`X-Voip-Carrier-Sid`). */
  inboundCarrierSid: string | null;
  /** When the call began: ms since the epoch. For effective dates and times of day. */
  atMs: number;
}

/** A gateway to try, with everything that is needed to call it. */
export interface RoutedGateway {
  carrier: VoipCarrier;
  gateway: SipGateway;
  /** Why it stands at this place, for people: `requested by the application; priority 0, weight 2 of 5`. */
  why: string;
  /** It had failed and is tried again with few calls: whether this one is, {@link OutboundRoutes.takeTrial} says when it comes to it. */
  readonly isTrial?: boolean;
  /** What the carrier takes; null or absent when no rate deck prices the number. */
  readonly price?: { readonly rate: Rate } | null;
}

/** A carrier or gateway that could have been meant and is not tried. */
export interface PassedOver {
  /** Name of the carrier, or address of the gateway with that of its carrier. */
  name: string;
  /** Why not, for people: `carrier is not active`. */
  why: string;
}

/** Where a call to a number goes: what to try, in this order. */
export interface RouteDecision {
  /** Empty when there is no way out; {@link RouteDecision.passedOver} then says why. */
  gateways: readonly RoutedGateway[];
  passedOver: readonly PassedOver[];
}

/** How one attempt at a gateway came out. */
export interface GatewayAttempt {
  accountSid: string;
  carrier: VoipCarrier;
  gateway: SipGateway;
  /** The number as it was asked for in {@link OutboundRequest.called}. */
  called: string;
  /** Ms since the epoch at which the INVITE went out. */
  startedAtMs: number;
  /** From the INVITE to the end of the attempt, or to its answer. */
  durationMs: number;
  /** Post-dial delay: from the INVITE to the first response that says ringing, progress, or answered; null when there was none. */
  postDialDelayMs: number | null;
  /** What ended it: `answered`, a final response, no response in time, an address that cannot be reached, or the caller gave up. */
  outcome: 'answered' | 'refused' | 'unanswered' | 'unreachable' | 'abandoned';
  /** Final SIP status; 408 and 503 of our own where none came. */
  status: number;
  /** Whether the failure is the gateway's, so that the next one is tried (true also for the last one). */
  isGatewayFailure: boolean;
}

/** Decides where calls to telephone numbers go. Implementations differ in what they know: carriers only, rates, live scores. */
export interface OutboundRoutes {
  /**
   * The gateways to try, in order. Synchronous, without I/O: it is on the path of every call (microseconds, whatever the
   * size of the tables). Never throws.
   */
  decide(snapshot: ProvisioningSnapshot, request: OutboundRequest): RouteDecision;
  /** Asked when a call comes to a gateway with {@link RoutedGateway.isTrial}: false when it is to be tried last, since another call is the trial. */
  takeTrial?(gateway: SipGateway): boolean;
  /** Told of each attempt once, when it is over or answered; must return at once. For live scores. */
  attempted?(attempt: GatewayAttempt): void;
}
