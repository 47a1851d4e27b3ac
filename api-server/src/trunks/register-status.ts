import type { Redis } from '@ringwire/common';
import { readTrunkRegistrations, type TrunkRegistrationState } from '@ringwire/common/trunks/trunk-registrations.js';
import type { Principal } from '../auth/principal.js';

/** How a carrier's registrations stand, in jambonz's words. Empty when there is none. */
export interface RegisterStatus {
  status?: 'ok' | 'fail';
  /** `200 OK`, `403 Forbidden`, `no response to REGISTER`. */
  reason?: string;
  cseq?: string;
  callId?: string;
  timestamp?: string;
  /** Seconds that were granted last; 0 before the first success. */
  expires?: number;
}

/** One status for a carrier with several gateways: of those that fail the newest, else of those that stand. */
export function registerStatusOf(states: readonly (TrunkRegistrationState | null)[]): RegisterStatus {
  const known = states.filter((state) => state !== null).sort((a, b) => b.atMs - a.atMs);
  const state = known.find(({ status }) => status === 'fail') ?? known[0];
  if (!state) return {};
  return {
    status: state.status,
    reason: state.reason,
    cseq: `${state.cseq} REGISTER`,
    callId: state.callId,
    timestamp: new Date(state.atMs).toISOString(),
    expires: state.grantedSec ?? 0,
  };
}

const timeOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** The registration over one gateway in full; which edge keeps it is for operators. */
export function registrationJson(state: TrunkRegistrationState | null, { scope }: Principal): object | null {
  if (state === null) return null;
  return {
    status: state.status,
    since: timeOf(state.sinceMs),
    reason: state.reason,
    registrar: state.registrar,
    aor: state.aor,
    contact: state.contact,
    call_id: state.callId,
    cseq: state.cseq,
    at: timeOf(state.atMs),
    granted_seconds: state.grantedSec,
    expires_at: timeOf(state.expiresAtMs),
    next_at: timeOf(state.nextAtMs),
    failures: state.failures,
    round_trip_ms: state.roundTripMs,
    ...(scope === 'account' ? {} : { edge: state.edge, instance_id: state.instanceId }),
  };
}

/** Puts `register_status` into rows of carriers; while Redis is away it is empty. */
export async function withRegisterStatus<T extends Record<string, unknown>>(
  redis: Redis,
  carriers: readonly T[],
  gatewaySidsOf: (voipCarrierSids: readonly string[]) => Promise<ReadonlyMap<string, readonly string[]>>,
): Promise<(T & { register_status: RegisterStatus })[]> {
  const registering = carriers
    .filter((row) => Boolean(row.requires_register))
    .map((row) => String(row.voip_carrier_sid));
  const bySid = new Map<string, RegisterStatus>();
  if (registering.length > 0 && redis.status === 'ready') {
    const gateways = [...(await gatewaySidsOf(registering))];
    const states = await readTrunkRegistrations(
      redis,
      gateways.flatMap(([, sids]) => sids),
    );
    let next = 0;
    for (const [carrierSid, sids] of gateways) {
      bySid.set(carrierSid, registerStatusOf(states.slice(next, next + sids.length)));
      next += sids.length;
    }
  }
  return carriers.map((row) => ({ ...row, register_status: bySid.get(String(row.voip_carrier_sid)) ?? {} }));
}
