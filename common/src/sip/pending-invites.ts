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

/**
 * The INVITEs that wait for their answer, for drachtio-srf, whose own table has room for one of each Call-ID: a call that a proxy has forked
 * to two of our numbers comes as two INVITEs with one Call-ID, and the CANCEL of one would go to the other or be lost. Here a CANCEL finds its INVITE by
 * the branch of the Via (RFC 3261 §9.2).
 */
export class PendingInvites {
  readonly #invites = new Map<string, PendingInvite[]>();
  readonly #cancelled = new WeakSet<PendingInvite>();

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
    if (!invites || invites.length === 1) return invites?.[0];
    const latest = invites.at(-1)!;
    return {
      req: {
        emit: (event, ...args) => {
          if (event !== 'cancel') return latest.req.emit(event, ...args);
          const branch = branchOf(args[0] as PendingInvite['req']);
          const invite = invites.find(({ req }) => branchOf(req) === branch) ?? latest;
          this.#cancelled.add(invite);
          return invite.req.emit(event, ...args);
        },
        listenerCount: (event) => latest.req.listenerCount(event),
      },
    };
  }

  /** The library does not say which one: those that are answered or cancelled go, and all of them when none is (one was proxied). */
  delete(callId: string): boolean {
    const invites = this.#invites.get(callId);
    if (!invites) return false;
    const left = invites.filter((invite) => (invite.res.status ?? 0) < 200 && !this.#cancelled.has(invite));
    if (left.length === 0 || left.length === invites.length) return this.#invites.delete(callId);
    this.#invites.set(callId, left);
    return true;
  }
}
