import { createHash } from 'node:crypto';
import { RingwireError } from '../errors.js';
import type { Redis } from '../redis/connection.js';
import { bindingsKey, registeredUsersKey } from '../redis/keys.js';
import { type AddressOfRecord, type Binding, type Flow, flowOf, isSameFlow, type KeptBinding } from './binding.js';
import {
  CLEAR_BINDINGS,
  FORGET_BINDINGS,
  READ_BINDINGS,
  RESTORE_BINDINGS,
  UPDATE_BINDINGS,
} from './binding-scripts.js';

/** What a REGISTER asks for. */
export interface BindingChange {
  id: string;
  /** How long it lives from now on; 0 removes it. */
  lifeMs: number;
  binding: Binding;
}

/** A REGISTER as far as the bindings are concerned. */
export interface RegisterRequest {
  aor: AddressOfRecord;
  callId: string;
  cseq: number;
  /** `all`: remove every binding. Empty: only asks for what is there. */
  changes: readonly BindingChange[] | 'all';
  /** Users of the realm who may be registered at the same time; null: any number. */
  maxUsers: number | null;
}

/** `order`: a later request of the same Call-ID was here before; `full`: the realm has as many users as it may have. */
export type RegisterResult = { ok: true; bindings: KeptBinding[] } | { ok: false; why: 'order' | 'full' };

/** Redis does not answer: nobody knows who is registered. */
export class RegistrationsAwayError extends RingwireError {
  readonly code = 'registrations/away';
  override readonly retryable = true;
}

/** A binding as it stands in Redis, for those who put it back. */
export interface StoredBinding {
  aor: AddressOfRecord;
  id: string;
  value: string;
  expiresAt: number;
  /** Over which the device is reached; null: by way of proxies. */
  flow: Flow | null;
}

/** Where users can be reached, in Redis. */
export interface Registrations {
  /** @throws RegistrationsAwayError */
  register(request: RegisterRequest): Promise<RegisterResult>;
  /** The bindings of a user, the preferred ones first. @throws RegistrationsAwayError */
  bindingsOf(aor: AddressOfRecord): Promise<KeptBinding[]>;
  /** The users of a realm who are registered, in the order of their names; at most `limit`. @throws RegistrationsAwayError */
  usersOf(realm: string, limit?: number): Promise<string[]>;
  /**
   * A connection is gone, and with it the bindings of a user that were made over it (RFC 5626 §5.2); those with a Path are the proxy's. Gives
   * how many. @throws RegistrationsAwayError
   */
  lose(aor: AddressOfRecord, flow: Flow): Promise<number>;
  /** Puts bindings of one user back that Redis has lost. @throws RegistrationsAwayError */
  restore(aor: AddressOfRecord, bindings: readonly StoredBinding[]): Promise<void>;
}

/** Devices of one user; for one more, the one that ends first is forgotten. */
export const MAX_BINDINGS = 10;
/** Larger keeps devices and callers waiting while Redis hangs. */
const DEADLINE_MS = 2_000;

/** A Call-ID as one word of bounded length. */
const wordOf = (callId: string): string => createHash('sha256').update(callId).digest('base64url').slice(0, 22);

function read(id: string, value: string): KeptBinding[] {
  const match = /^(\d+) \d+ \S+ (.*)$/s.exec(value);
  try {
    return match ? [{ id, expiresAt: Number(match[1]), binding: JSON.parse(match[2] ?? '') as Binding }] : [];
  } catch {
    // Written by something that is not one of us.
    return [];
  }
}

/** Opens them over a connection, which stays the caller's. */
export function registrations(redis: Redis, options: { deadlineMs?: number; onKept?: OnKept } = {}): Registrations {
  const { deadlineMs = DEADLINE_MS, onKept } = options;
  const within = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (redis.status !== 'ready') throw new RegistrationsAwayError('redis is away');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new RegistrationsAwayError('redis does not answer in time')), deadlineMs);
    });
    const answer = ask().catch((cause: unknown) => {
      throw new RegistrationsAwayError('redis failed', {}, { cause });
    });
    return Promise.race([answer, late]).finally(() => clearTimeout(timer));
  };
  const run = async (script: string, { realm, user }: AddressOfRecord, args: readonly (string | number)[]) => {
    const keys = [bindingsKey(realm, user), registeredUsersKey(realm)];
    const [word, , ...rest] = (await within(() => redis.eval(script, 2, ...keys, ...args))) as string[];
    const bindings: (KeptBinding & { value: string })[] = [];
    for (let i = 0; i + 1 < rest.length; i += 2) {
      const value = rest[i + 1] ?? '';
      for (const kept of read(rest[i] ?? '', value)) bindings.push({ ...kept, value });
    }
    bindings.sort((a, b) => b.binding.q - a.binding.q || b.expiresAt - a.expiresAt);
    return { word, bindings };
  };
  const tellKept = (aor: AddressOfRecord, bindings: readonly (KeptBinding & { value: string })[]): void =>
    onKept?.(
      aor,
      bindings.map(({ id, value, expiresAt, binding }) => ({ aor, id, value, expiresAt, flow: flowOf(binding) })),
    );
  return {
    async register({ aor, callId, cseq, changes, maxUsers }) {
      const id = wordOf(callId);
      const asks = changes !== 'all' && changes.length === 0;
      const { word, bindings } = asks
        ? await run(READ_BINDINGS, aor, [])
        : changes === 'all'
          ? await run(CLEAR_BINDINGS, aor, [aor.user, id, cseq])
          : await run(UPDATE_BINDINGS, aor, [
              ...[aor.user, id, cseq, MAX_BINDINGS, maxUsers ?? -1],
              ...changes.flatMap((change) => [change.id, change.lifeMs, JSON.stringify(change.binding)]),
            ]);
      if (word === 'order' || word === 'full') return { ok: false, why: word };
      tellKept(aor, bindings);
      return { ok: true, bindings: bindings.map(({ id: of, binding, expiresAt }) => ({ id: of, binding, expiresAt })) };
    },
    async bindingsOf(aor) {
      return (await run(READ_BINDINGS, aor, [])).bindings;
    },
    async usersOf(realm, limit = 10_000) {
      const key = registeredUsersKey(realm);
      // Whose last binding ends this very millisecond is gone, as the scripts see it.
      const users = await within(() => redis.zrange(key, `(${Date.now()}`, '+inf', 'BYSCORE', 'LIMIT', 0, limit));
      return users.sort();
    },
    async lose(aor, lostFlow) {
      const { bindings } = await run(READ_BINDINGS, aor, []);
      const lost = bindings.filter(({ binding }) => {
        const flow = flowOf(binding);
        return flow !== null && isSameFlow(flow, lostFlow);
      });
      if (lost.length === 0) return 0;
      const left = await run(FORGET_BINDINGS, aor, [aor.user, ...lost.flatMap(({ id, value }) => [id, value])]);
      tellKept(aor, left.bindings);
      return lost.length;
    },
    async restore(aor, bindings) {
      await run(RESTORE_BINDINGS, aor, [aor.user, ...bindings.flatMap(({ id, value }) => [id, value])]);
    },
  };
}

/** Is told of all bindings of a user whenever they have changed. */
export type OnKept = (aor: AddressOfRecord, bindings: readonly StoredBinding[]) => void;
