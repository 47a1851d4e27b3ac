import {
  type GatewayHealth,
  type KnownPrice,
  NEVER_SEC,
  nowMs,
  type OutboundRequest,
  type RankedGateway,
} from '@ringwire/common';
import { withoutSeparators } from '@ringwire/common/sip/uri.js';
import type { Request, Response, Router } from 'express';
import { serviceProviderOf } from '../accounts/accounts-store.js';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import type { Principal } from '../auth/principal.js';
import { requireServiceProvider } from '../auth/require-service-provider.js';
import {
  badField,
  bodyOf,
  type Fields,
  optionalTextField,
  pathParam,
  rejectUnknown,
  textField,
} from '../http/input.js';

const FIELDS = ['to', 'from', 'trunk', 'inbound_voip_carrier_sid', 'application_sid', 'at'];
const MAX_NUMBER = 128;

const withoutPlus = (number: string): string => (number.startsWith('+') ? number.slice(1) : number);

function timeField(fields: Fields, field: string): number {
  const value = optionalTextField(fields, field, 40);
  if (value === null) return nowMs();
  const ms = Date.parse(value);
  if (Number.isNaN(ms)) throw badField(field, 'must be a time in ISO 8601');
  return ms;
}

const dateOf = (sec: number, none: number): string | null => (sec === none ? null : new Date(sec * 1000).toISOString());

/** What the carrier takes, unless the price is the service provider's and an account asks. */
function priceOf(price: KnownPrice | null, principal: Principal): Record<string, unknown> | null {
  if (price === null || (principal.scope === 'account' && price.deck.deck.accountSid === null)) return null;
  const { rate, deck } = price;
  return {
    rate: rate.rateMicros / 1e6,
    currency: deck.deck.currency,
    prefix_length: rate.prefixLength,
    effective_from: dateOf(rate.effectiveFromSec, 0),
    effective_to: dateOf(rate.effectiveUntilSec, NEVER_SEC),
    rate_deck_sid: deck.deck.rateDeckSid,
    version: deck.version,
  };
}

function healthOf(health: GatewayHealth, sipGatewaySid: string): Record<string, unknown> {
  const { state, why, counts, quality } = health.condition(sipGatewaySid);
  return {
    state,
    why: why === '' ? null : why,
    score: quality.score,
    attempts: counts.attempts,
    answer_seizure_ratio: quality.answerSeizureRatio,
    failure_share: quality.failureShare,
    post_dial_delay_ms: quality.postDialDelayMs,
  };
}

const gatewayOf = (routed: RankedGateway, principal: Principal, health: GatewayHealth): Record<string, unknown> => {
  const { carrier, gateway, why, price } = routed;
  return {
    voip_carrier_sid: carrier.voipCarrierSid,
    carrier: carrier.name,
    sip_gateway_sid: gateway.sipGatewaySid,
    gateway: `${gateway.address}${gateway.port === null ? '' : `:${gateway.port}`}`,
    protocol: gateway.protocol,
    why,
    price: priceOf(price, principal),
    health: healthOf(health, gateway.sipGatewaySid),
  };
};

/**
 * `POST /Accounts/{sid}/RoutePreview`: for a number, what would be tried in which order, and why; `POST /ServiceProviders/{sid}/RoutePreview`: the same for an
 * account that has nothing of its own.
 */
export function routePreviewRoutes(router: Router, { db, routePreview }: ApiContext): void {
  const preview = async (req: Request, res: Response, owner: { accountSid: string; serviceProviderSid: string }) => {
    const principal = principalOf(res);
    const fields = bodyOf(req);
    rejectUnknown(fields, FIELDS);
    const request: OutboundRequest = {
      ...owner,
      applicationSid: optionalTextField(fields, 'application_sid', 36),
      called: withoutPlus(withoutSeparators(textField(fields, 'to', MAX_NUMBER))),
      calling: withoutPlus(optionalTextField(fields, 'from', MAX_NUMBER) ?? 'anonymous'),
      requestedCarrier: optionalTextField(fields, 'trunk', 64),
      inboundCarrierSid: optionalTextField(fields, 'inbound_voip_carrier_sid', 36),
      atMs: timeField(fields, 'at'),
    };
    const { decision, health, refusal } = await routePreview.decide(request);
    res.json({
      to: request.called,
      at: new Date(request.atMs).toISOString(),
      refused: refusal && {
        reason: refusal.reason,
        detail: refusal.detail,
        ...(refusal.until !== undefined && { until: new Date(refusal.until).toISOString() }),
      },
      gateways: decision.gateways.map((routed) => gatewayOf(routed, principal, health)),
      passed_over: decision.passedOver,
    });
  };
  router.post('/Accounts/:account_sid/RoutePreview', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    await preview(req, res, { accountSid, serviceProviderSid: (await serviceProviderOf(db, accountSid)) ?? '' });
  });
  router.post('/ServiceProviders/:sid/RoutePreview', async (req, res) => {
    const serviceProviderSid = pathParam(req, 'sid');
    await requireServiceProvider(db, principalOf(res), serviceProviderSid);
    await preview(req, res, { accountSid: '', serviceProviderSid });
  });
}
