import { nowMs } from '@ringwire/common';
import { addressesOf } from '@ringwire/common/sip/addresses-of.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import type { TrunkRegistrationState } from '@ringwire/common/trunks/trunk-registrations.js';
import type { CarrierHops } from '../carrier-hops.js';
import type { TrunkConfig } from '../config.js';
import { type RegisterOutcome, RegisterSession } from './register-session.js';
import { openTo } from './registrar-addresses.js';
import type { RegistrationBoard } from './registration-board.js';
import { jittered, pause } from './repeat.js';
import type { TrunkMember, WantedRegistration } from './wanted-registrations.js';

/** What a registration works with. */
export interface RegistrationContext {
  edge: Pick<Edge, 'bridging' | 'sipAddress' | 'instanceId' | 'logger'>;
  hops: CarrierHops;
  config: TrunkConfig;
  board: RegistrationBoard;
  /** Whether this process is the one that registers, at this moment. */
  isAllowed(): boolean;
}

/** How long our own SIP server, or the right to register, is waited for before it is looked at again. */
const LOOK_AGAIN_MS = 250;
/** However little a registrar grants, it is not asked more often. */
const MIN_RENEWAL_MS = 1_000;
/** A registrar that is silent or busy is tried again soon, and in the end every 5 minutes at the default of `REGISTER_RETRY_MS`. */
const PASSING = { first: 1, most: 60 };
/** One that refuses us for good after a minute, and in the end every half hour: many ban who guesses passwords. */
const LASTING = { first: 12, most: 360 };
const MAX_RETRY_AFTER_SEC = 3_600;
const UNREGISTER_DEADLINE_MS = 2_000;

/** One registration at a carrier's registrar, kept up until it is stopped. */
export class TrunkRegistration {
  /** The gateways that it serves; may change while it runs. */
  members: readonly TrunkMember[];
  readonly #session: RegisterSession;
  readonly #stop = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  #failures = 0;
  #contact: string | null = null;
  #grantedSec: number | null = null;
  #expiresAtMs = 0;
  /** The address that let us in last. */
  #answered: string | null = null;
  /** All addresses behind the registrar. */
  #known: readonly string[] = [];

  constructor(
    readonly wanted: WantedRegistration,
    private readonly context: RegistrationContext,
  ) {
    this.members = wanted.members;
    const { REGISTER_EXPIRES_SEC: expiresSec, REGISTER_TIMEOUT_MS: deadlineMs } = context.config;
    this.#session = new RegisterSession(context.edge.bridging.link, wanted, { expiresSec, deadlineMs });
  }

  /** Begins after a while, and not before `after` is settled. */
  start(delayMs: number, after: Promise<unknown> | undefined): void {
    this.#ended = this.#run(delayMs, after).catch((err: unknown) =>
      this.context.edge.logger.error({ err, registrar: this.wanted.registrar }, 'trunk is registered no more'),
    );
  }

  /** Stops; the binding stays. */
  abandon(): void {
    this.#stop.abort();
  }

  /** Stops, and takes our contact out of the registrar's bindings where it is one. Never rejects. */
  async unregister(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    if (this.#contact !== null && this.#expiresAtMs > nowMs() && (await this.#refusal()) === null) {
      this.#expiresAtMs = 0;
      await this.#session.unregister(this.#contact, UNREGISTER_DEADLINE_MS);
    }
  }

  /** Tells the board of members that joined. */
  tellAgain(members: readonly TrunkMember[]): void {
    const known = this.members[0] && this.context.board.stateOf(this.members[0].gateway.sipGatewaySid);
    if (!known) return;
    for (const member of members) {
      this.context.board.say(member, known);
      if (this.#expiresAtMs > nowMs()) this.#openAddresses([member]);
    }
  }

  async #run(delayMs: number, after: Promise<unknown> | undefined): Promise<void> {
    const { signal } = this.#stop;
    let successorOf = this.#bindingBefore();
    await Promise.all([pause(delayMs, signal), after]);
    while (!signal.aborted) {
      if (!this.context.isAllowed() || !this.context.edge.bridging.link.up) {
        await pause(LOOK_AGAIN_MS, signal);
        continue;
      }
      const outcome = (await this.#refusal()) ?? (await this.#session.register());
      if (outcome.kind === 'away') continue;
      if (outcome.kind === 'registered') this.#registered(outcome);
      else this.#failures++;
      if (signal.aborted) return;
      const delay = this.#delayUntilNext(outcome);
      this.#say(outcome, delay);
      if (outcome.kind === 'registered' && successorOf) {
        // The process before us registered another contact, to which the carrier would go on sending calls.
        if (successorOf !== outcome.contact) await this.#session.unregister(successorOf, UNREGISTER_DEADLINE_MS);
        successorOf = null;
      }
      await pause(delay, signal);
    }
  }

  /** Where our REGISTER may not go; it may when it goes there for any of the members. */
  async #refusal(): Promise<(RegisterOutcome & { kind: 'refused' }) | null> {
    let reason: string | null = null;
    for (const { carrier, gateway } of this.members) {
      reason = await this.context.hops.refusal(carrier, gateway);
      if (reason === null) return null;
    }
    return reason === null ? null : { kind: 'refused', reason, isLasting: true, retryAfterSec: null, roundTripMs: 0 };
  }

  /** The contact that another process has left at this registrar, when it counts still. */
  #bindingBefore(): string | null {
    const { board, edge } = this.context;
    for (const { gateway } of this.members) {
      const before = board.stateOf(gateway.sipGatewaySid);
      if (!before || before.instanceId === edge.instanceId || (before.expiresAtMs ?? 0) < nowMs()) continue;
      if (before.aor === this.wanted.aor && before.registrar === this.wanted.registrar) return before.contact;
    }
    return null;
  }

  #registered({ contact, grantedSec, source }: RegisterOutcome & { kind: 'registered' }): void {
    this.#failures = 0;
    this.#contact = contact;
    this.#grantedSec = grantedSec;
    this.#expiresAtMs = nowMs() + grantedSec * 1000;
    // Who answered may call at once; the other addresses of a name take their time.
    this.#answered = source;
    this.#openAddresses(this.members);
    void addressesOf(this.wanted.registrar).then((known) => {
      this.#known = known;
      this.#openAddresses(this.members);
    });
  }

  #openAddresses(members: readonly TrunkMember[]): void {
    if (this.#stop.signal.aborted) return;
    for (const member of members) {
      const addresses = openTo(member.carrier, this.#answered, this.#known);
      this.context.board.openAddresses(member, addresses, this.#expiresAtMs);
    }
  }

  #delayUntilNext(outcome: Exclude<RegisterOutcome, { kind: 'away' }>): number {
    // A tenth earlier at most: what was registered together is not renewed together.
    if (outcome.kind === 'registered') {
      return Math.max(MIN_RENEWAL_MS, outcome.grantedSec * 500 * (0.9 + 0.1 * Math.random()));
    }
    const isLasting = outcome.kind === 'refused' && outcome.isLasting;
    const { first, most } = isLasting ? LASTING : PASSING;
    const { REGISTER_RETRY_MS: unit } = this.context.config;
    const backOff = jittered(Math.min(unit * first * 2 ** Math.min(this.#failures - 1, 20), unit * most));
    const asked = outcome.kind === 'refused' ? (outcome.retryAfterSec ?? 0) : 0;
    return Math.max(backOff, Math.min(asked, MAX_RETRY_AFTER_SEC) * 1000);
  }

  #say(outcome: Exclude<RegisterOutcome, { kind: 'away' }>, delayMs: number): void {
    const { edge, board } = this.context;
    const atMs = nowMs();
    const said = {
      status: outcome.kind === 'registered' ? ('ok' as const) : ('fail' as const),
      reason: outcome.reason,
      registrar: this.wanted.registrar,
      aor: this.wanted.aor,
      contact: this.#contact,
      callId: this.#session.callId,
      cseq: this.#session.cseq,
      atMs,
      grantedSec: this.#grantedSec,
      expiresAtMs: this.#expiresAtMs > atMs ? this.#expiresAtMs : null,
      nextAtMs: atMs + delayMs,
      failures: this.#failures,
      roundTripMs: outcome.kind === 'silent' ? null : Math.round(outcome.roundTripMs),
      edge: edge.sipAddress,
      instanceId: edge.instanceId,
    } satisfies Partial<TrunkRegistrationState>;
    for (const member of this.members) board.say(member, said);
  }
}
