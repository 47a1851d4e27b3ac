import { setMaxListeners } from 'node:events';
import type { FeatureServerInfo } from '@ringwire/common';
import type { LegFailure } from '@ringwire/common/sip/place-leg.js';
import type { Reachability } from './reachability.js';

/** Chooses feature servers and notices when they die. */
export interface FeatureServers {
  /** The best one that is not in `tried`; null when none accepts calls. */
  choose(tried: ReadonlySet<string>): FeatureServerInfo | null;
  /** Counts a call that was placed on the server until the returned function is called. */
  occupy(instanceId: string): () => void;
  /** Puts a server that failed at the end of the queue for a while. */
  avoid(instanceId: string): void;
  /** Aborts when the server has been missing from Redis, or its SIP server silent, for {@link GONE_AFTER_MS}. */
  gone(instanceId: string): AbortSignal;
  close(): void;
}

/** How long a server must be missing; a single poll may see a moment between two states. */
export const GONE_AFTER_MS = 2_000;
const LOOK_EVERY_MS = 500;
/** How long a server that failed comes last. */
const AVOIDED_MS = 5_000;

/** Whether another server may succeed where this one failed; refusals by the application itself are final. */
export function mayTryNext(failure: LegFailure): boolean {
  switch (failure.kind) {
    case 'unsent':
    case 'gone':
      return true;
    case 'refused':
      return failure.status === 503 || failure.status === 408;
    default:
      return false;
  }
}

interface Watched {
  controller: AbortController;
  missingSince: number | null;
}

/** Chooses by what the servers say of themselves in Redis, corrected by what this edge has sent them since. */
export function featureServers(
  instances: { list(): FeatureServerInfo[] },
  { reachable }: Pick<Reachability, 'reachable'>,
): FeatureServers {
  const placed = new Map<string, number>();
  const avoidedUntil = new Map<string, number>();
  const lastChosen = new Map<string, number>();
  const watched = new Map<string, Watched>();
  let turn = 0;

  // A heartbeat is up to two seconds old: a server that we filled since must not look empty.
  const load = (server: FeatureServerInfo): number => Math.max(server.calls, placed.get(server.instanceId) ?? 0);
  const avoided = (server: FeatureServerInfo, now: number): number =>
    (avoidedUntil.get(server.instanceId) ?? 0) > now ? 1 : 0;
  const order = (now: number) => (a: FeatureServerInfo, b: FeatureServerInfo) =>
    avoided(a, now) - avoided(b, now) ||
    load(a) - load(b) ||
    (lastChosen.get(a.instanceId) ?? 0) - (lastChosen.get(b.instanceId) ?? 0);

  const look = (): void => {
    const now = Date.now();
    const alive = new Set(
      instances
        .list()
        .filter((server) => reachable(server.sipAddress))
        .map((server) => server.instanceId),
    );
    for (const [instanceId, entry] of watched) {
      if (alive.has(instanceId)) {
        entry.missingSince = null;
        if (!placed.has(instanceId)) watched.delete(instanceId);
        continue;
      }
      entry.missingSince ??= now;
      if (now - entry.missingSince < GONE_AFTER_MS) continue;
      watched.delete(instanceId);
      lastChosen.delete(instanceId);
      avoidedUntil.delete(instanceId);
      entry.controller.abort();
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();

  return {
    choose(tried) {
      const now = Date.now();
      const [best] = instances
        .list()
        .filter((server) => server.accepting && !tried.has(server.instanceId) && reachable(server.sipAddress))
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
    gone(instanceId) {
      let entry = watched.get(instanceId);
      if (!entry) {
        entry = { controller: new AbortController(), missingSince: null };
        // Every call on the server listens.
        setMaxListeners(0, entry.controller.signal);
        watched.set(instanceId, entry);
      }
      return entry.controller.signal;
    },
    close: () => clearInterval(timer),
  };
}
