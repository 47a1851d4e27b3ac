import type { Redis } from '../redis/connection.js';
import { trunkRegistrationKey } from '../redis/keys.js';

/** How our registration at a carrier stands, over one of its gateways. */
export interface TrunkRegistrationState {
  voipCarrierSid: string;
  sipGatewaySid: string;
  /** Of the last REGISTER. A registration that fails to be renewed counts until it expires. */
  status: 'ok' | 'fail';
  /** Since when the status is this one: ms since the epoch. */
  sinceMs: number;
  /** Status and reason of the last response, `200 OK`; or why there was none. */
  reason: string;
  /** Next hop of our REGISTER. */
  registrar: string;
  /** The address of record. */
  aor: string;
  /** What we are registered as; null before the first success. */
  contact: string | null;
  callId: string;
  /** Number of the last REGISTER. */
  cseq: number;
  /** When it was answered or given up. */
  atMs: number;
  /** What the carrier granted last; null before the first success. */
  grantedSec: number | null;
  /** Until when it counts; null when it does not. */
  expiresAtMs: number | null;
  /** When the next REGISTER is due. */
  nextAtMs: number;
  /** Failures in a row. */
  failures: number;
  /** Null without a response. */
  roundTripMs: number | null;
  /** The edge that registers. */
  edge: string;
  instanceId: string;
}

/** What Redis says of gateways, in the order of their sids; null where nothing is known. */
export async function readTrunkRegistrations(
  redis: Redis,
  sipGatewaySids: readonly string[],
): Promise<(TrunkRegistrationState | null)[]> {
  const pipeline = redis.pipeline();
  for (const sid of sipGatewaySids) pipeline.get(trunkRegistrationKey(sid));
  const results = (await pipeline.exec()) ?? [];
  return sipGatewaySids.map((_, index) => {
    const [err, json] = results[index] ?? [new Error('no answer')];
    if (err) throw err;
    return json === null ? null : parseState(json as string);
  });
}

function parseState(json: string): TrunkRegistrationState | null {
  try {
    return JSON.parse(json) as TrunkRegistrationState;
  } catch {
    // Not written by one of us: as good as absent.
    return null;
  }
}
