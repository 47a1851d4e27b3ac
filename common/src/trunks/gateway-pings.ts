import type { Redis } from '../redis/connection.js';
import { gatewayPingStateKey, gatewayPingsKey } from '../redis/keys.js';

/** `unknown`: not pinged, or not often enough to say; such a gateway gets calls as if it were up. */
export type PingState = 'up' | 'down' | 'unknown';

/** What one edge says of a gateway after each OPTIONS. */
export interface PingReport {
  state: PingState;
  /** Of the last response; null when there was none. */
  status: number | null;
  /** Its reason, or why there was none. */
  reason: string;
  /** From OPTIONS to its response; null without one. */
  roundTripMs: number | null;
  /** Since when the edge sees this state: ms since the epoch. */
  sinceMs: number;
  /** When it was pinged last. */
  atMs: number;
  /** Until when the report counts: an edge that died says nothing more. */
  untilMs: number;
  /** The edge's SIP server as others reach it. */
  edge: string;
}

/** What all edges say of a gateway. */
export interface GatewayPings {
  /** `up` when any edge has answers, `down` when none of those that know has. */
  state: PingState;
  /** Since when: ms since the epoch; null when the state is unknown. */
  sinceMs: number | null;
  /** The newest first. */
  reports: (PingReport & { instanceId: string })[];
}

/**
 * Puts a report beside those of other edges, drops those that count no more, and settles what all say together: in one script, so that of
 * several edges exactly one sees the change. KEYS: reports, state. ARGV: instance, report (empty: it is taken back), now, expiry in ms.
 * Answers the state before and now.
 */
const REPORT = `
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
local all = redis.call('HGETALL', KEYS[1])
local state = 'unknown'
for i = 1, #all, 2 do
  local ok, report = pcall(cjson.decode, all[i + 1])
  if not ok or type(report) ~= 'table' or type(report.untilMs) ~= 'number' or report.untilMs < tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], all[i])
  elseif report.state == 'up' or (report.state == 'down' and state == 'unknown') then
    state = report.state
  end
end
local before = redis.call('HGET', KEYS[2], 'state') or 'unknown'
if state == 'unknown' then
  if #all == 0 then redis.call('DEL', KEYS[2]) end
  return {before, before}
end
if before ~= state then redis.call('HSET', KEYS[2], 'state', state, 'sinceMs', ARGV[3]) end
if ARGV[2] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
return {before, state}`;

/** What all edges said together before a report, and say with it. */
export interface PingChange {
  before: PingState;
  now: PingState;
}

async function run(redis: Redis, sipGatewaySid: string, ...args: (string | number)[]): Promise<PingChange> {
  const keys = [gatewayPingsKey(sipGatewaySid), gatewayPingStateKey(sipGatewaySid)];
  const [before, now] = (await redis.eval(REPORT, keys.length, ...keys, ...args)) as [PingState, PingState];
  return { before, now };
}

/** Writes an edge's report. */
export function reportPing(
  redis: Redis,
  sipGatewaySid: string,
  instanceId: string,
  report: PingReport,
): Promise<PingChange> {
  const { atMs, untilMs } = report;
  const expiryMs = Math.max(1, Math.round(untilMs - atMs));
  return run(redis, sipGatewaySid, instanceId, JSON.stringify(report), Math.round(atMs), expiryMs);
}

/** Takes an edge's report back: it pings this gateway no more. */
export function withdrawPing(redis: Redis, sipGatewaySid: string, instanceId: string): Promise<PingChange> {
  return run(redis, sipGatewaySid, instanceId, '', Date.now(), 0);
}

/** What is known of gateways, in the order of their sids; one that is not pinged is `unknown`. */
export async function readPings(redis: Redis, sipGatewaySids: readonly string[]): Promise<GatewayPings[]> {
  const pipeline = redis.pipeline();
  for (const sid of sipGatewaySids) pipeline.hgetall(gatewayPingsKey(sid)).hgetall(gatewayPingStateKey(sid));
  const results = (await pipeline.exec()) ?? [];
  const hashAt = (index: number): Record<string, string> => {
    const [err, hash] = results[index] ?? [new Error('no answer')];
    if (err) throw err;
    return hash as Record<string, string>;
  };
  return sipGatewaySids.map((_, index) => pingsOf(hashAt(2 * index), hashAt(2 * index + 1)));
}

function pingsOf(hash: Record<string, string>, settled: Record<string, string>): GatewayPings {
  const nowMs = Date.now();
  const reports = Object.entries(hash)
    .flatMap(([instanceId, json]) => {
      const report = parseReport(json);
      return report && report.untilMs > nowMs ? [{ ...report, instanceId }] : [];
    })
    .sort((a, b) => b.atMs - a.atMs);
  const seen = (wanted: PingState) => reports.filter((report) => report.state === wanted);
  const state: PingState = seen('up').length > 0 ? 'up' : seen('down').length > 0 ? 'down' : 'unknown';
  if (state === 'unknown') return { state, sinceMs: null, reports };
  // The stored state is behind when the edge that made the difference has died since.
  const sinceMs = settled.state === state ? Number(settled.sinceMs) : seen(state)[0]!.sinceMs;
  return { state, sinceMs, reports };
}

function parseReport(json: string): PingReport | undefined {
  try {
    return JSON.parse(json) as PingReport;
  } catch {
    // Not written by one of us: as good as absent.
    return undefined;
  }
}
