import { setMaxListeners } from 'node:events';
import type { FeatureServerInfo } from '../redis/keys.js';
import type { Reachability } from './reachability.js';

/** A process that has a SIP server, as it stands in Redis. */
export interface Announced {
  instanceId: string;
  sipAddress: string;
}

/** Notices when feature servers (or edges) die. */
export interface FeatureServerWatch<T extends Announced = FeatureServerInfo> {
  /** Whether the feature server's SIP server answers. */
  reachable(sipAddress: string): boolean;
  /** Aborts when the server has been missing from Redis for {@link GONE_AFTER_MS}, or its SIP server does not answer. */
  gone(instanceId: string): AbortSignal;
  /** The living feature server whose SIP server has this address, `ip:port`. */
  at(sipAddress: string): T | undefined;
  close(): void;
}

/** How long a server must be missing; a single poll may see a moment between two states. */
export const GONE_AFTER_MS = 2_000;
const LOOK_EVERY_MS = 250;

interface Watched {
  controller: AbortController;
  missingSince: number | null;
}

/** Watches what the feature servers say of themselves in Redis, and whether their SIP servers answer. */
export function watchFeatureServers<T extends Announced>(
  instances: { list(): T[] },
  reachability: Reachability,
): FeatureServerWatch<T> {
  /** One for each server that has, or had, calls; it goes when the server does. */
  const watched = new Map<string, Watched>();
  const look = (): void => {
    const now = Date.now();
    const listed = new Map(instances.list().map((server) => [server.instanceId, server.sipAddress]));
    for (const [instanceId, entry] of watched) {
      const sipAddress = listed.get(instanceId);
      if (sipAddress !== undefined) entry.missingSince = null;
      else entry.missingSince ??= now;
      const isSilent = sipAddress !== undefined && !reachability.reachable(sipAddress);
      const isMissing = entry.missingSince !== null && now - entry.missingSince >= GONE_AFTER_MS;
      if (!isSilent && !isMissing) continue;
      watched.delete(instanceId);
      entry.controller.abort();
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  return {
    reachable: (sipAddress) => reachability.reachable(sipAddress),
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
    at: (sipAddress) => instances.list().find((server) => server.sipAddress === sipAddress),
    close() {
      clearInterval(timer);
      reachability.close();
    },
  };
}
