import { HttpError, nowMs, type Redis } from '@ringwire/common';
import { type CircuitReport, readCircuitReports } from '@ringwire/common/gateway-health/circuit-reports.js';
import { type GatewayPings, readPings } from '@ringwire/common/trunks/gateway-pings.js';
import { readTrunkRegistrations } from '@ringwire/common/trunks/trunk-registrations.js';
import type { Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf } from '../auth/authenticate.js';
import type { Principal } from '../auth/principal.js';
import { listCarriers } from '../carriers/carriers-store.js';
import { pathParam } from '../http/input.js';
import { gatewayOf, gatewaysOf, type TrunkGateway } from './gateways-store.js';
import { registerStatusOf, registrationJson } from './register-status.js';

/** `/VoipCarriers/{sid}/Status` and `/SipGateways/{sid}/Status`: how trunks stand at the moment, as the edges see it. */
export function trunkRoutes(router: Router, { db }: ApiContext, redis: Redis): void {
  const statusOf = async (gateways: readonly TrunkGateway[], principal: Principal) => {
    if (redis.status !== 'ready') throw new HttpError(503, 'the state of trunks is not known: redis is away');
    const sids = gateways.map((gateway) => gateway.sip_gateway_sid);
    const [pings, registrations, circuits] = await Promise.all([
      readPings(redis, sids),
      readTrunkRegistrations(redis, sids),
      readCircuitReports(redis, nowMs()),
    ]);
    const shown = gateways.map((gateway, index) => ({
      sip_gateway_sid: gateway.sip_gateway_sid,
      ipv4: gateway.ipv4,
      port: gateway.port,
      calls: callsOf(circuits.get(gateway.sip_gateway_sid)),
      options_ping: pingOf(gateway, pings[index]!, principal),
      registration: registrationJson(registrations[index] ?? null, principal),
    }));
    return { shown, register_status: registerStatusOf(registrations) };
  };
  const carrierExists = async (sid: string, principal: Principal): Promise<boolean> =>
    (await listCarriers(db, principal, { sid })).data.length > 0;

  router.get('/VoipCarriers/:sid/Status', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const principal = principalOf(res);
    if (!(await carrierExists(sid, principal))) throw new HttpError(404, `there is no carrier ${sid}`);
    const { shown, register_status } = await statusOf(await gatewaysOf(db, sid), principal);
    res.json({ voip_carrier_sid: sid, register_status, gateways: shown });
  });
  router.get('/SipGateways/:sid/Status', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const principal = principalOf(res);
    const gateway = await gatewayOf(db, sid);
    if (gateway === undefined || !(await carrierExists(gateway.voip_carrier_sid, principal))) {
      throw new HttpError(404, `there is no gateway ${sid}`);
    }
    res.json((await statusOf([gateway], principal)).shown[0]);
  });
}

const timeOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** Whether a gateway gets calls: `closed` all, `half-open` one of n, `open` none while another is left. */
const callsOf = (report: CircuitReport | undefined): object => ({
  state: report?.state ?? 'closed',
  why: report?.why ?? null,
  out_since: timeOf(report?.outSinceMs ?? null),
  out_until: timeOf(report?.outUntilMs ?? null),
});

/** What OPTIONS say of a gateway; which edge says what is for operators. */
function pingOf(gateway: TrunkGateway, { state, sinceMs, reports }: GatewayPings, { scope }: Principal): object {
  // The report of an edge that sees what all say together comes before others: it tells why.
  const newest = reports.find((report) => report.state === state) ?? reports[0];
  return {
    enabled: gateway.send_options_ping,
    state,
    since: timeOf(sinceMs),
    status: newest?.status ?? null,
    reason: newest?.reason ?? null,
    round_trip_ms: newest?.roundTripMs ?? null,
    pinged_at: timeOf(newest?.atMs ?? null),
    ...(scope === 'account'
      ? {}
      : {
          edges: reports.map((report) => ({
            edge: report.edge,
            instance_id: report.instanceId,
            state: report.state,
            since: timeOf(report.sinceMs),
            status: report.status,
            reason: report.reason,
            round_trip_ms: report.roundTripMs,
            pinged_at: timeOf(report.atMs),
          })),
        }),
  };
}
