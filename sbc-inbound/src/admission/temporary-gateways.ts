import { type Redis, temporaryGatewaysKey } from '@ringwire/common';

/** Carriers that may call from an address because we are registered there. */
export interface TemporaryGateways {
  /** Sids of the carriers; null when Redis does not say. Asked only about addresses that are no gateway's. */
  carriersAt(ip: string): Promise<readonly string[] | null>;
}

/** Larger keeps callers waiting while Redis hangs. */
const DEADLINE_MS = 1_000;

/** Reads what the registrations of trunks have left in Redis. */
export function temporaryGateways(redis: Redis): TemporaryGateways {
  return {
    async carriersAt(ip) {
      if (redis.status !== 'ready') return null;
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<null>((resolve) => {
        timer = setTimeout(() => resolve(null), DEADLINE_MS);
      });
      const asked = redis.hgetall(temporaryGatewaysKey(ip)).catch(() => null);
      const entries = await Promise.race([asked, late]).finally(() => clearTimeout(timer));
      if (entries === null) return null;
      const nowS = Date.now() / 1000;
      return Object.entries(entries).flatMap(([carrierSid, untilS]) => (Number(untilS) > nowS ? [carrierSid] : []));
    },
  };
}
