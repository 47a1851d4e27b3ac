import { type GatewayHealth, nowMs, type ProvisioningSnapshot } from '@ringwire/common';
import { DigestClient } from '@ringwire/common/sip/digest-client.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { LinkLostError } from '@ringwire/common/sip/errors.js';
import { sendOutside } from '@ringwire/common/sip/out-of-dialog.js';
import {
  type PingChange,
  type PingReport,
  type PingState,
  reportPing,
  withdrawPing,
} from '@ringwire/common/trunks/gateway-pings.js';
import type { CarrierHops } from '../carrier-hops.js';
import type { TrunkConfig } from '../config.js';
import { type PingTarget, pingTargets } from './ping-targets.js';
import { jittered, pause } from './repeat.js';
import { trunkAlert } from './trunk-alert.js';

/** Sends OPTIONS to gateways that want them. */
export interface GatewayPinger {
  /** Pings what a snapshot wants; gateways about which nothing changed go on as they were. */
  follow(snapshot: ProvisioningSnapshot): void;
  /** Stops, and takes back what this process said of gateways. */
  close(): Promise<void>;
}

/** What the pinger works with. */
export type PingerEdge = Pick<Edge, 'bridging' | 'redis' | 'sink' | 'logger' | 'metrics' | 'instanceId' | 'sipAddress'>;

/** A gateway is down after so many OPTIONS in a row that were not answered well; as for its circuit. */
const FAILURES_UNTIL_DOWN = 2;
/** After the first one that was not, the next comes in this share of the interval. */
const SOONER = 6;
/** New gateways are pinged one after the other with so long between them: a start must not be a flood. */
const SPREAD_MS = 20;
const WITHDRAW_DEADLINE_MS = 1_000;

/**
 * Responses that tell of a gateway that cannot work. Any other tells that somebody is there: many gateways know no OPTIONS (405, 501), want a
 * password for it or a number in it (401, 404, 484).
 */
const SICK_STATUSES = new Set([408, 500, 502, 503, 504]);

/** A gateway that is being pinged. */
interface Pinged {
  /** As it is provisioned now. */
  target: PingTarget;
  readonly stop: AbortController;
  /** Resolves when its last ping is over. */
  ended: Promise<void>;
}

/** How one OPTIONS came out; null: nothing can be said of the gateway, because our own SIP server is away. */
type PingOutcome = Pick<PingReport, 'status' | 'reason' | 'roundTripMs'> & { isWell: boolean };

/**
 * Pings gateways from this process. Every edge does so for itself: a carrier that knows the address of one edge may not know that of another,
 * and the calls of an edge go by what it sees. What all see together is settled in Redis, for people.
 */
export function gatewayPinger(
  edge: PingerEdge,
  health: Pick<GatewayHealth, 'pinged'> | undefined,
  hops: CarrierHops,
  config: TrunkConfig,
): GatewayPinger {
  const running = new Map<string, Pinged>();
  const pings = edge.metrics.counter({
    name: 'ringwire_gateway_pings_total',
    help: 'OPTIONS to gateways: answered well or not',
    labelNames: ['outcome'],
  });
  let closed = false;

  const told = (target: PingTarget, change: PingChange, reason: string): void => {
    if (change.before === change.now) return;
    const isDown = change.now === 'down';
    if (!isDown && change.before !== 'down') return;
    const message = isDown ? `gateway ${target.name} does not answer OPTIONS` : `gateway ${target.name} answers again`;
    trunkAlert(edge.sink, target.carrier, {
      alertType: isDown ? 'gateway-down' : 'gateway-up',
      message,
      detail: reason,
      targetSid: target.sipGatewaySid,
    });
  };
  /** Nothing here may wait for Redis: a ping that it does not hear of is followed by others. */
  const tell = (target: PingTarget, report: PingReport): void => {
    if (edge.redis.status !== 'ready') return;
    reportPing(edge.redis, target.sipGatewaySid, edge.instanceId, report).then(
      (change) => told(target, change, report.reason),
      (err: unknown) => edge.logger.warn({ err, sipGatewaySid: target.sipGatewaySid }, 'ping was not reported'),
    );
  };
  const withdraw = async (target: PingTarget): Promise<void> => {
    if (edge.redis.status !== 'ready') return;
    const change = await withdrawPing(edge.redis, target.sipGatewaySid, edge.instanceId);
    told(target, change, 'the edge that reached it pings it no more');
  };

  const run = async (pinged: Pinged, delayMs: number): Promise<void> => {
    const { signal } = pinged.stop;
    const { sipGatewaySid, credentials } = pinged.target;
    const proof = credentials && new DigestClient(credentials);
    let state: PingState = 'unknown';
    let sinceMs = nowMs();
    let failures = 0;
    await pause(delayMs, signal);
    while (!signal.aborted) {
      const outcome = await ping(edge, hops, pinged.target, proof, config.OPTIONS_PING_TIMEOUT_MS);
      if (signal.aborted) return;
      if (outcome === null) {
        await pause(jittered(config.OPTIONS_PING_INTERVAL_MS / SOONER), signal);
        continue;
      }
      const { isWell, ...seen } = outcome;
      pings.inc({ outcome: isWell ? 'well' : 'failed' });
      health?.pinged(sipGatewaySid, !isWell);
      failures = isWell ? 0 : failures + 1;
      const now: PingState = isWell ? 'up' : failures >= FAILURES_UNTIL_DOWN ? 'down' : state;
      if (now !== state) {
        state = now;
        sinceMs = nowMs();
        const facts = { sipGatewaySid, gateway: pinged.target.name, state, status: seen.status, reason: seen.reason };
        if (state === 'down') edge.logger.warn(facts, 'gateway does not answer OPTIONS');
        else edge.logger.info(facts, 'gateway answers OPTIONS');
      }
      const atMs = nowMs();
      const untilMs = atMs + 3 * config.OPTIONS_PING_INTERVAL_MS + config.OPTIONS_PING_TIMEOUT_MS;
      tell(pinged.target, { ...seen, state, sinceMs, atMs, untilMs, edge: edge.sipAddress });
      const isInDoubt = failures > 0 && state !== 'down';
      await pause(jittered(config.OPTIONS_PING_INTERVAL_MS / (isInDoubt ? SOONER : 1)), signal);
    }
  };
  const start = (target: PingTarget, delayMs: number): void => {
    const { sipGatewaySid } = target;
    const pinged: Pinged = { target, stop: new AbortController(), ended: Promise.resolve() };
    running.set(sipGatewaySid, pinged);
    pinged.ended = run(pinged, delayMs).catch((err: unknown) =>
      edge.logger.error({ err, sipGatewaySid }, 'gateway is pinged no more'),
    );
  };

  return {
    follow(snapshot) {
      if (closed) return;
      const wanted = pingTargets(snapshot);
      for (const [sid, { target, stop, ended }] of running) {
        if (wanted.get(sid)?.key === target.key) continue;
        stop.abort();
        running.delete(sid);
        if (wanted.has(sid)) continue;
        void ended
          .then(() => (running.has(sid) ? undefined : withdraw(target)))
          .catch((err: unknown) => edge.logger.warn({ err, sipGatewaySid: sid }, 'ping was not taken back'));
      }
      let started = 0;
      for (const [sid, target] of wanted) {
        const known = running.get(sid);
        if (known) known.target = target;
        else start(target, ++started * SPREAD_MS);
      }
    },
    async close() {
      closed = true;
      const all = [...running.values()];
      running.clear();
      for (const { stop } of all) stop.abort();
      const withdrawn = Promise.allSettled(all.map(({ target }) => withdraw(target)));
      await Promise.race([withdrawn, pause(WITHDRAW_DEADLINE_MS, new AbortController().signal)]);
    },
  };
}

async function ping(
  { bridging }: PingerEdge,
  hops: CarrierHops,
  { uri, proxy, carrier, gateway }: PingTarget,
  proof: DigestClient | undefined,
  deadlineMs: number,
): Promise<PingOutcome | null> {
  const refusal = await hops.refusal(carrier, gateway);
  if (refusal !== null) return { isWell: false, status: null, reason: refusal, roundTripMs: null };
  const headers = { From: '<sip:ping@localhost>', To: `<${uri}>`, Accept: 'application/sdp' };
  const request = { method: 'OPTIONS', uri, headers, ...(proxy === undefined ? {} : { proxy }) };
  try {
    const { response, roundTripMs } = await sendOutside(bridging.link, request, { deadlineMs, proof });
    const { status, reason } = response;
    return { isWell: !SICK_STATUSES.has(status), status, reason, roundTripMs: Math.round(roundTripMs) };
  } catch (err) {
    if (err instanceof LinkLostError) return null;
    const reason = err instanceof Error ? err.message : String(err);
    return { isWell: false, status: null, reason, roundTripMs: null };
  }
}
