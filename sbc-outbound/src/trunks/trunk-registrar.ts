import {
  holdLease,
  nowMs,
  type ProvisioningSnapshot,
  type Redis,
  SBCS,
  type SbcInfo,
  sbcKey,
  TRUNK_REGISTRAR,
} from '@ringwire/common';
import { withinDeadline } from '@ringwire/common/redis/within-deadline.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import type { CarrierHops } from '../carrier-hops.js';
import type { TrunkConfig } from '../config.js';
import { RegistrationBoard } from './registration-board.js';
import { type RegistrationContext, TrunkRegistration } from './trunk-registration.js';
import { type UnusableTrunk, type WantedRegistration, wantedRegistrations } from './wanted-registrations.js';

/** Registers us at the carriers that require it. */
export interface TrunkRegistrar {
  /** Registers what a snapshot wants, and no more; registrations about which nothing changed go on as they were. */
  follow(snapshot: ProvisioningSnapshot): void;
  /** Leaves the registrations to another process where there is one, else takes them back. */
  drain(): Promise<void>;
  /** Leaves them as they are: another process takes over at once. */
  close(): Promise<void>;
}

/** What the registrar works with. */
export type RegistrarEdge = RegistrationContext['edge'] & Pick<Edge, 'redis' | 'sink' | 'metrics'>;

/** New registrations begin one after the other with so long between them: a start must not be a flood. */
const SPREAD_MS = 25;
/** A Redis that hangs must not keep a process that ends. */
const REDIS_DEADLINE_MS = 1_000;

/**
 * Keeps all registrations in the one process of the cluster that holds the lease {@link TRUNK_REGISTRAR}. Two would each have their contact at the carrier,
 * which would fork calls, or would throw each other out.
 */
export function trunkRegistrar(edge: RegistrarEdge, hops: CarrierHops, config: TrunkConfig): TrunkRegistrar {
  const board = new RegistrationBoard(edge);
  const running = new Map<string, TrunkRegistration>();
  /** Bindings that are being taken back; who takes their place waits. */
  const leaving = new Map<string, Promise<void>>();
  let snapshot: ProvisioningSnapshot | undefined;
  let isRegistering = false;
  let ended = false;

  const context: RegistrationContext = { edge, hops, config, board, isAllowed: () => lease.isHeld };
  const unregister = (registration: TrunkRegistration): Promise<void> => {
    const { binding } = registration.wanted;
    const gone = registration.unregister().finally(() => {
      if (leaving.get(binding) === gone) leaving.delete(binding);
    });
    leaving.set(binding, gone);
    return gone;
  };
  const abandonAll = (): void => {
    for (const registration of running.values()) registration.abandon();
    running.clear();
  };

  const apply = (): void => {
    if (snapshot === undefined || !isRegistering || ended) return;
    const { wanted, unusable } = wantedRegistrations(snapshot);
    const bindings = new Set([...wanted.values()].map(({ binding }) => binding));
    for (const [key, registration] of running) {
      if (wanted.has(key)) continue;
      running.delete(key);
      // Its place at the registrar is taken by another one, for example with a new password.
      if (bindings.has(registration.wanted.binding)) registration.abandon();
      else void unregister(registration);
    }
    let started = 0;
    for (const [key, one] of wanted) {
      const known = running.get(key);
      if (known) join(known, one);
      else {
        const registration = new TrunkRegistration(one, context);
        running.set(key, registration);
        registration.start(SPREAD_MS * started++, leaving.get(one.binding));
      }
    }
    sayUnusable(board, edge, unusable);
    forgetOthers(board, wanted, unusable);
  };

  const begin = async (): Promise<void> => {
    if (snapshot) await board.takeOver(sidsIn(wantedRegistrations(snapshot)));
    if (!lease.isHeld || ended) return;
    isRegistering = true;
    apply();
  };
  const lease = holdLease({
    redis: edge.redis,
    key: TRUNK_REGISTRAR,
    owner: edge.instanceId,
    expiryMs: config.TRUNK_LEASE_MS,
    logger: edge.logger,
    // Without a SIP server registrations lapse, which other edges can prevent.
    canHold: () => edge.bridging.link.up,
    onTaken: () => void begin(),
    onLost: () => {
      isRegistering = false;
      abandonAll();
      board.handOver();
    },
  });
  edge.metrics.number({
    name: 'ringwire_trunk_registrations',
    help: 'Registrations at carriers that this process keeps up',
    read: () => running.size,
  });

  return {
    follow(next) {
      snapshot = next;
      apply();
    },
    async drain() {
      if (ended) return;
      ended = true;
      if (isRegistering && !(await hasSuccessor(edge.redis, edge.instanceId))) {
        await Promise.all([...running.values()].map(unregister));
        await withinDeadline(Promise.all(board.sids().map((sid) => board.remove(sid))), REDIS_DEADLINE_MS, () => {});
      }
      abandonAll();
      await Promise.all(leaving.values());
      board.close();
      await lease.release();
    },
    async close() {
      ended = true;
      abandonAll();
      board.close();
      await lease.release();
    },
  };
}

const sidsIn = ({ wanted, unusable }: ReturnType<typeof wantedRegistrations>): string[] =>
  [...[...wanted.values()].flatMap(({ members }) => members), ...unusable].map(({ gateway }) => gateway.sipGatewaySid);

/** Takes over who a registration serves now. */
function join(registration: TrunkRegistration, { members }: WantedRegistration): void {
  const before = new Set(registration.members.map(({ gateway }) => gateway.sipGatewaySid));
  registration.tellAgain(members.filter(({ gateway }) => !before.has(gateway.sipGatewaySid)));
  registration.members = members;
}

function sayUnusable(
  board: RegistrationBoard,
  { sipAddress, instanceId }: RegistrarEdge,
  unusable: readonly UnusableTrunk[],
): void {
  for (const { carrier, gateway, why } of unusable) {
    if (board.stateOf(gateway.sipGatewaySid)?.reason === why) continue;
    board.say(
      { carrier, gateway },
      {
        status: 'fail',
        reason: why,
        registrar: gateway.address,
        aor: '',
        contact: null,
        callId: '',
        cseq: 0,
        atMs: nowMs(),
        grantedSec: null,
        expiresAtMs: null,
        nextAtMs: nowMs(),
        failures: 1,
        roundTripMs: null,
        edge: sipAddress,
        instanceId,
      },
    );
  }
}

/** Nothing is said of gateways any more that need no registration. */
function forgetOthers(
  board: RegistrationBoard,
  wanted: ReadonlyMap<string, WantedRegistration>,
  unusable: readonly UnusableTrunk[],
): void {
  const sids = new Set(sidsIn({ wanted: new Map(wanted), unusable: [...unusable] }));
  for (const sid of board.sids()) if (!sids.has(sid)) void board.remove(sid);
}

/** Whether another sbc-outbound is there to register. While Redis is away nobody can tell, and nobody could take over. */
async function hasSuccessor(redis: Redis, instanceId: string): Promise<boolean> {
  if (redis.status !== 'ready') return false;
  const infos = async (): Promise<(string | null)[]> => {
    const others = (await redis.smembers(SBCS)).filter((id) => id !== instanceId);
    return others.length === 0 ? [] : redis.mget(others.map(sbcKey));
  };
  try {
    const found = (await withinDeadline(infos(), REDIS_DEADLINE_MS, () => {})) ?? [];
    return found.some((json) => {
      const info = json === null ? null : (JSON.parse(json) as SbcInfo);
      return info?.role === 'outbound' && info.accepting;
    });
  } catch {
    // As above.
    return false;
  }
}
