import {
  type Database,
  type FraudReason,
  findFraudBlock,
  type GatewayHealth,
  type Logger,
  loadProvisioning,
  type OutboundRequest,
  openRouting,
  type Provisioning,
  type RankedDecision,
  type Redis,
  type Routing,
  type Secret,
} from '@ringwire/common';

/** Says what a call out would try, as the edges decide it. */
export interface RoutePreview {
  decide(request: OutboundRequest): Promise<{
    decision: RankedDecision;
    health: GatewayHealth;
    /** Why the toll-fraud guard would refuse it before any gateway is tried. */
    refusal: { reason: FraudReason; detail: string /** Ms since the epoch. */; until?: number } | null;
  }>;
  close(): Promise<void>;
}

interface Loaded {
  provisioning: Provisioning;
  routing: Routing;
}

/**
 * Makes the preview. The data that edges hold in memory is loaded with the first question and kept from then on: a server that is never
 * asked does not carry millions of prices.
 */
export function createRoutePreview(options: {
  db: Database;
  redis: Redis;
  logger: Logger;
  encryptionSecret: Secret;
}): RoutePreview {
  let loaded: Promise<Loaded> | undefined;
  const load = async (): Promise<Loaded> => {
    const provisioning = await loadProvisioning(options);
    return { provisioning, routing: await openRouting({ ...options, provisioning }) };
  };
  return {
    async decide(request) {
      loaded ??= load().catch((err: unknown) => {
        loaded = undefined;
        throw err;
      });
      const { provisioning, routing } = await loaded;
      const snapshot = provisioning.snapshot();
      const { accountSid, serviceProviderSid, called } = request;
      const verdict = snapshot.fraudPolicies.of(accountSid, serviceProviderSid).verdict(called);
      const { redis } = options;
      const block =
        verdict.allowed && redis.status === 'ready'
          ? await findFraudBlock(redis, serviceProviderSid, accountSid)
          : null;
      return {
        decision: routing.preview.decide(snapshot, request),
        health: routing.health,
        refusal: !verdict.allowed
          ? { reason: 'destination-denied', detail: verdict.why }
          : block && { reason: block.why, detail: 'the account is blocked', until: block.until },
      };
    },
    async close() {
      const known = await loaded?.catch(() => undefined);
      await known?.routing.close();
      await known?.provisioning.close();
    },
  };
}
