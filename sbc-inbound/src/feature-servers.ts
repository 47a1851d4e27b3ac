import { DECLINED_BY_APPLICATION, type FeatureServerInfo, SIP_HEADERS } from '@ringwire/common';
import type { FeatureServerWatch } from '@ringwire/common/sip/feature-server-watch.js';
import type { LegFailure } from '@ringwire/common/sip/place-leg.js';

/** Chooses feature servers and notices when they die. */
export interface FeatureServers {
  /** The best one that is not in `tried`; null when none accepts calls. */
  choose(tried: ReadonlySet<string>): FeatureServerInfo | null;
  /** Counts a call that was placed on the server until the returned function is called. */
  occupy(instanceId: string): () => void;
  /** Puts a server that failed at the end of the queue for a while. */
  avoid(instanceId: string): void;
  /** Aborts when the server is missing from Redis, or its SIP server does not answer. */
  gone(instanceId: string): AbortSignal;
}

/** How long a server that failed comes last. */
const AVOIDED_MS = 5_000;

/** Whether another server may succeed where this one failed; refusals by the application itself are final. */
export function mayTryNext(failure: LegFailure): boolean {
  switch (failure.kind) {
    case 'unsent':
    case 'gone':
      return true;
    case 'refused':
      if (failure.headers[SIP_HEADERS.reason] === DECLINED_BY_APPLICATION) return false;
      return failure.status === 503 || failure.status === 408;
    default:
      return false;
  }
}

/** Chooses by what the servers say of themselves in Redis, corrected by what this edge has sent them since. */
export function featureServers(
  instances: { list(): FeatureServerInfo[] },
  watch: Pick<FeatureServerWatch, 'reachable' | 'gone'>,
): FeatureServers {
  const placed = new Map<string, number>();
  const avoidedUntil = new Map<string, number>();
  const lastChosen = new Map<string, number>();
  let turn = 0;

  // A heartbeat is up to two seconds old: a server that we filled since must not look empty.
  const load = (server: FeatureServerInfo): number => Math.max(server.calls, placed.get(server.instanceId) ?? 0);
  const avoided = (server: FeatureServerInfo, now: number): number =>
    (avoidedUntil.get(server.instanceId) ?? 0) > now ? 1 : 0;
  const order = (now: number) => (a: FeatureServerInfo, b: FeatureServerInfo) =>
    avoided(a, now) - avoided(b, now) ||
    load(a) - load(b) ||
    (lastChosen.get(a.instanceId) ?? 0) - (lastChosen.get(b.instanceId) ?? 0);

  return {
    choose(tried) {
      const now = Date.now();
      const [best] = instances
        .list()
        .filter((server) => server.accepting && !tried.has(server.instanceId) && watch.reachable(server.sipAddress))
        .sort(order(now));
      if (best) lastChosen.set(best.instanceId, ++turn);
      return best ?? null;
    },
    occupy(instanceId) {
      placed.set(instanceId, (placed.get(instanceId) ?? 0) + 1);
      let released = false;
      return () => {
        if (released) return;
        released = true;
        const left = (placed.get(instanceId) ?? 1) - 1;
        if (left > 0) placed.set(instanceId, left);
        else placed.delete(instanceId);
      };
    },
    avoid: (instanceId) => void avoidedUntil.set(instanceId, Date.now() + AVOIDED_MS),
    gone: (instanceId) => watch.gone(instanceId),
  };
}
