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
  /**
   * Aborts when the server has been missing from Redis for {@link GONE_AFTER_MS}, or its SIP server does not answer; aborted already while that is so. For
   * what a single alarm ends.
   */
  gone(instanceId: string): AbortSignal;
  /**
   * The same for what lives longer than a false alarm: called each time that the server goes, and at once when it is gone now, until the returned function is
   * called.
   */
  onGone(instanceId: string, listener: () => void): () => void;
  /** The living feature server whose SIP server has this address, `ip:port`. */
  at(sipAddress: string): T | undefined;
  close(): void;
}

/** How long a server must be missing; a single poll may see a moment between two states. */
export const GONE_AFTER_MS = 2_000;
const LOOK_EVERY_MS = 250;

interface Watched {
  controller: AbortController;
  listeners: Set<() => void>;
  missingSince: number | null;
  isGone: boolean;
}

function newController(): AbortController {
  const controller = new AbortController();
  // Every call on the server listens.
  setMaxListeners(0, controller.signal);
  return controller;
}

/** Watches what the feature servers say of themselves in Redis, and whether their SIP servers answer. */
export function watchFeatureServers<T extends Announced>(
  instances: { list(): T[] },
  reachability: Reachability,
): FeatureServerWatch<T> {
  /** One for each server that somebody asked about; it goes when the server does. */
  const watched = new Map<string, Watched>();
  const entryOf = (instanceId: string): Watched => {
    let entry = watched.get(instanceId);
    if (!entry) {
      entry = { controller: newController(), listeners: new Set(), missingSince: null, isGone: false };
      watched.set(instanceId, entry);
    }
    return entry;
  };
  const look = (): void => {
    const now = Date.now();
    const listed = new Map(instances.list().map((server) => [server.instanceId, server.sipAddress]));
    for (const [instanceId, entry] of [...watched]) {
      const sipAddress = listed.get(instanceId);
      if (sipAddress !== undefined) entry.missingSince = null;
      else entry.missingSince ??= now;
      const isSilent = sipAddress !== undefined && !reachability.reachable(sipAddress);
      const isMissing = entry.missingSince !== null && now - entry.missingSince >= GONE_AFTER_MS;
      const wasGone = entry.isGone;
      // Between two states, as when it has left Redis a moment ago, it is what it was.
      entry.isGone = isSilent || isMissing || (wasGone && sipAddress === undefined);
      if (entry.isGone && !wasGone) {
        entry.controller.abort();
        for (const listener of [...entry.listeners]) listener();
      } else if (!entry.isGone && wasGone) entry.controller = newController();
      else if (isMissing && entry.listeners.size === 0) watched.delete(instanceId);
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  return {
    reachable: (sipAddress) => reachability.reachable(sipAddress),
    gone(instanceId) {
      // It may have come back since the last look.
      if (entryOf(instanceId).isGone) look();
      return entryOf(instanceId).controller.signal;
    },
    onGone(instanceId, listener) {
      const entry = entryOf(instanceId);
      entry.listeners.add(listener);
      if (entry.isGone) listener();
      return () => void entry.listeners.delete(listener);
    },
    at: (sipAddress) => instances.list().find((server) => server.sipAddress === sipAddress),
    close() {
      clearInterval(timer);
      reachability.close();
    },
  };
}
