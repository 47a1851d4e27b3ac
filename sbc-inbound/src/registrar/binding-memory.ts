import { type AddressOfRecord, type Flow, isSameFlow, type StoredBinding } from '@ringwire/common';

/** Bindings in memory, bounded in all and for each realm. */
export interface BindingMemory {
  /** All bindings of a user from now on. */
  set(aor: AddressOfRecord, bindings: readonly StoredBinding[]): void;
  get(aor: AddressOfRecord): readonly StoredBinding[] | undefined;
  /** Forgets what was registered over a connection. */
  forgetFlow(aor: AddressOfRecord, flow: Flow): void;
  /** Forgets who is not registered any more. */
  prune(nowMs: number): void;
  all(): { aor: AddressOfRecord; bindings: readonly StoredBinding[] }[];
  /** Users. */
  readonly size: number;
  readonly bytes: number;
}

/** How much of it there may be. */
export interface BindingMemoryBounds {
  maxBytes: number;
  /** Of one realm, so that one account does not push out those of others. */
  maxRealmBytes: number;
}

/** About 50,000 users with one device each. */
const DEFAULT_BOUNDS: BindingMemoryBounds = { maxBytes: 67_108_864, maxRealmBytes: 16_777_216 };
/** What keeping one binding takes beside its texts. */
const OVERHEAD_BYTES = 400;

interface Realm {
  /** By name; who registered longest ago stands first. */
  users: Map<string, readonly StoredBinding[]>;
  bytes: number;
}

const bytesOf = (bindings: readonly StoredBinding[]): number =>
  bindings.reduce((sum, { id, value }) => sum + id.length + value.length + OVERHEAD_BYTES, 0);

/** Where there is no room, those of the same realm go who registered longest ago, else those of the realm that has most. */
export function bindingMemory({ maxBytes, maxRealmBytes }: BindingMemoryBounds = DEFAULT_BOUNDS): BindingMemory {
  const realms = new Map<string, Realm>();
  let size = 0;
  let bytes = 0;
  const remove = (name: string, user: string): void => {
    const realm = realms.get(name);
    const bindings = realm?.users.get(user);
    if (!realm || !bindings) return;
    realm.users.delete(user);
    const freed = bytesOf(bindings);
    realm.bytes -= freed;
    bytes -= freed;
    size--;
    if (realm.users.size === 0) realms.delete(name);
  };
  const removeOldest = (name: string): void => {
    const [oldest] = realms.get(name)?.users.keys() ?? [];
    if (oldest !== undefined) remove(name, oldest);
  };
  const largest = (): string => {
    let found = { name: '', bytes: -1 };
    for (const [name, realm] of realms) if (realm.bytes > found.bytes) found = { name, bytes: realm.bytes };
    return found.name;
  };
  const memory: BindingMemory = {
    set({ user, realm: name }, bindings) {
      remove(name, user);
      const added = bytesOf(bindings);
      if (bindings.length === 0 || added > maxRealmBytes) return;
      const realm = realms.get(name) ?? { users: new Map(), bytes: 0 };
      realms.set(name, realm);
      realm.users.set(user, bindings);
      realm.bytes += added;
      bytes += added;
      size++;
      while (realm.bytes > maxRealmBytes) removeOldest(name);
      while (bytes > maxBytes) removeOldest(largest());
    },
    get: ({ user, realm }) => realms.get(realm)?.users.get(user),
    forgetFlow(aor, flow) {
      const bindings = memory.get(aor);
      if (!bindings) return;
      const left = bindings.filter((one) => one.flow === null || !isSameFlow(one.flow, flow));
      if (left.length < bindings.length) memory.set(aor, left);
    },
    prune(nowMs) {
      for (const { aor, bindings } of memory.all()) {
        if (bindings.every(({ expiresAt }) => expiresAt <= nowMs)) remove(aor.realm, aor.user);
      }
    },
    all: () =>
      [...realms].flatMap(([realm, { users }]) =>
        [...users].map(([user, bindings]) => ({ aor: { user, realm }, bindings })),
      ),
    get size() {
      return size;
    },
    get bytes() {
      return bytes;
    },
  };
  return memory;
}
