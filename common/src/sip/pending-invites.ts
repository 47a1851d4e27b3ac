/** An INVITE that the application has, and its response. */
interface PendingInvite {
  req: {
    get(name: string): string | undefined;
    emit(event: string, ...args: unknown[]): boolean;
    listenerCount(event: string): number;
  };
  /** `status` is that of the last response. */
  res: { status?: number };
}

/** What the library asks of an INVITE that it has looked up. */
type Found = { req: Pick<PendingInvite['req'], 'emit' | 'listenerCount'> };

const branchOf = (message: { get(name: string): string | undefined }): string | undefined =>
  /;\s*branch=([^;,\s]+)/i.exec(message.get('Via') ?? '')?.[1];

/** The INVITE that a CANCEL means. What has no branch can only be compared by Call-ID. */
function cancelledBy(cancel: PendingInvite['req'], invites: readonly PendingInvite[]): PendingInvite | undefined {
  const branch = branchOf(cancel);
  return (
    invites.find(({ req }) => branchOf(req) === branch) ??
    invites.findLast(({ req }) => branch === undefined || branchOf(req) === undefined)
  );
}

/**
 * The INVITEs that wait for their answer, for drachtio-srf, whose own table has room for one of each Call-ID: a call that a proxy has forked
 * to two of our numbers comes as two INVITEs with one Call-ID, and the CANCEL of one would go to the other or be lost. Here a CANCEL finds its INVITE by
 * the branch of the Via (RFC 3261 §9.2).
 */
export class PendingInvites {
  readonly #invites = new Map<string, PendingInvite[]>();
  readonly #cancelled = new WeakSet<PendingInvite>();
  /** The Call-ID of the CANCEL that was passed on last, until the library deletes it, which it does at once. */
  #cancelledNow: string | undefined;

  /** @param before what waited before this table was there */
  constructor(before: Iterable<readonly [callId: string, invite: PendingInvite]> = []) {
    for (const [callId, invite] of before) this.set(callId, invite);
  }

  /** Call-IDs. */
  get size(): number {
    return this.#invites.size;
  }

  set(callId: string, invite: PendingInvite): this {
    const others = this.#invites.get(callId);
    if (others) others.push(invite);
    else this.#invites.set(callId, [invite]);
    return this;
  }

  has(callId: string): boolean {
    return this.#invites.has(callId);
  }

  get(callId: string): Found | undefined {
    const invites = this.#invites.get(callId);
    const latest = invites?.at(-1);
    if (!invites || !latest) return undefined;
    return {
      req: {
        emit: (event, ...args) => {
          if (event !== 'cancel') return latest.req.emit(event, ...args);
          const invite = cancelledBy(args[0] as PendingInvite['req'], invites);
          if (invite) this.#cancelled.add(invite);
          const isHeard = invite?.req.emit(event, ...args) ?? false;
          this.#cancelledNow = callId;
          return isHeard;
        },
        listenerCount: (event) => latest.req.listenerCount(event),
      },
    };
  }

  /**
   * The library does not say which one: those that are answered or cancelled go, and all of them when none is (one was proxied). After a CANCEL it deletes
   * too, when the 487 may have deleted already: then the others stay.
   */
  delete(callId: string): boolean {
    const isAfterCancel = this.#cancelledNow === callId;
    this.#cancelledNow = undefined;
    const invites = this.#invites.get(callId);
    if (!invites) return false;
    const left = invites.filter((invite) => (invite.res.status ?? 0) < 200 && !this.#cancelled.has(invite));
    if (left.length === 0 || (left.length === invites.length && !isAfterCancel)) return this.#invites.delete(callId);
    this.#invites.set(callId, left);
    return left.length < invites.length;
  }
}
