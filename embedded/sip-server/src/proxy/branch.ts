import type { ClientTransaction, SipMessage } from '@ringwire/sip';

/** How long a branch may take, in ms. */
export interface BranchTimes {
  /** Timer C (RFC 3261 §16.6 step 11): an INVITE after its last provisional response. */
  timerCMs: number;
  /** Until the first response to an INVITE. */
  provisionalMs: number | undefined;
  /** Until the final response. */
  finalMs: number | undefined;
}

/** Who collects what the branches bring. */
export interface BranchUser {
  /** 101 to 199, while the branch still counts. */
  provisional(response: SipMessage): void;
  /** Every 2xx, repeated and late ones too. */
  success(branch: Branch, response: SipMessage): void;
  /** Once at most: the branch is not waited for any longer. */
  failed(branch: Branch, status: number, response: SipMessage | undefined): void;
  /** Nothing more will come. */
  gone(branch: Branch): void;
}

type Timer = 'C' | 'provisional' | 'final';

/** One forwarded request with its timers. */
export class Branch {
  private readonly timers = new Map<Timer, NodeJS.Timeout>();
  private over = false;

  /** @param breadth how many branches at a time it stands for (RFC 5393) */
  constructor(
    readonly client: ClientTransaction,
    readonly breadth: number,
    private readonly times: BranchTimes,
    private readonly user: BranchUser,
  ) {
    client.on('response', (response) => this.receive(response));
    client.once('timeout', () => this.fail(408));
    client.once('transportError', () => this.fail(503));
    client.once('terminated', () => {
      this.fail(408);
      this.clear();
      user.gone(this);
    });
    const { timerCMs, provisionalMs, finalMs } = times;
    if (this.isInvite) {
      this.arm('C', timerCMs, () => this.giveUp());
      if (provisionalMs !== undefined) this.arm('provisional', provisionalMs, () => this.giveUp());
    }
    if (finalMs !== undefined) this.arm('final', finalMs, () => this.giveUp());
  }

  /** Whether its final response, or its end, is known or not waited for. */
  get isOver(): boolean {
    return this.over;
  }

  /** Cancels an INVITE; its final response is still waited for. Others take their course (RFC 3261 §9.1). */
  cancel(headers: ReadonlyArray<readonly [string, string]> = []): void {
    if (this.isInvite) this.client.cancel(headers);
  }

  /** Stops the timers. */
  clear(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  private get isInvite(): boolean {
    return this.client.method === 'INVITE';
  }

  private receive(response: SipMessage): void {
    const { status } = response;
    this.disarm('provisional');
    if (status < 200) {
      if (status === 100 || this.over) return;
      if (this.isInvite) this.arm('C', this.times.timerCMs, () => this.giveUp());
      this.user.provisional(response);
    } else if (status < 300) {
      this.over = true;
      this.clear();
      this.user.success(this, response);
    } else this.fail(status, response);
  }

  /**
   * Too slow: the next destination has its turn, and what still comes is only heeded when it is a 2xx. For timer C RFC 3261
   * §16.8 asks for the same: a CANCEL once there was a provisional response, else as if 408 had come.
   */
  private giveUp(): void {
    // RFC 4320 §4.2: nobody may answer a request but INVITE with 408.
    this.fail(this.isInvite ? 408 : 504);
    this.clear();
    if (this.isInvite) this.client.cancel();
    else this.client.destroy();
  }

  private fail(status: number, response?: SipMessage): void {
    if (this.over) return;
    this.over = true;
    this.clear();
    this.user.failed(this, status, response);
  }

  private arm(timer: Timer, ms: number, then: () => void): void {
    this.disarm(timer);
    this.timers.set(timer, setTimeout(then, ms));
  }

  private disarm(timer: Timer): void {
    clearTimeout(this.timers.get(timer));
    this.timers.delete(timer);
  }
}
