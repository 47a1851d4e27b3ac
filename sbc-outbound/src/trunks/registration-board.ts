import { nowMs, trunkRegistrationKey } from '@ringwire/common';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { readTrunkRegistrations, type TrunkRegistrationState } from '@ringwire/common/trunks/trunk-registrations.js';
import { TemporaryGateways } from './temporary-gateways.js';
import { trunkAlert } from './trunk-alert.js';
import type { TrunkMember } from './wanted-registrations.js';

/** What is said of a gateway's registration; the board adds since when. */
export type SaidOfRegistration = Omit<TrunkRegistrationState, 'sinceMs' | 'voipCarrierSid' | 'sipGatewaySid'>;

/** How often everything is written again. */
const RENEW_MS = 15_000;
/** A state that nobody writes again is gone after this long: whoever registered has died, and nobody has taken over. */
const STATE_TTL_MS = 4 * RENEW_MS;

/**
 * Tells of registrations: in Redis for the REST API and for whoever takes over, as alerts when they fail and when they are back, and as
 * addresses from which carriers may call. Nothing here waits for Redis on the way of a registration, and what it has lost is written again.
 */
export class RegistrationBoard {
  readonly #states = new Map<string, TrunkRegistrationState>();
  readonly #temporary: TemporaryGateways;
  readonly #timer: NodeJS.Timeout;
  /** A Redis that was away may have lost it all. */
  readonly #onReady = (): void => void this.#renew();

  constructor(private readonly edge: Pick<Edge, 'redis' | 'sink' | 'logger'>) {
    this.#temporary = new TemporaryGateways(edge.redis);
    this.#timer = setInterval(() => void this.#renew(), RENEW_MS);
    this.#timer.unref();
    edge.redis.on('ready', this.#onReady);
  }

  /** Takes up what the process that registered before has said of gateways. Never rejects. */
  async takeOver(sipGatewaySids: readonly string[]): Promise<void> {
    if (this.edge.redis.status !== 'ready') return;
    try {
      for (const state of await readTrunkRegistrations(this.edge.redis, sipGatewaySids)) {
        if (state) this.#states.set(state.sipGatewaySid, state);
      }
    } catch (err) {
      this.edge.logger.warn({ err }, 'what was said of registrations is not known; they begin anew');
    }
  }

  stateOf(sipGatewaySid: string): TrunkRegistrationState | undefined {
    return this.#states.get(sipGatewaySid);
  }

  /** Says how a gateway's registration stands. */
  say(member: TrunkMember, said: SaidOfRegistration): void {
    const { sipGatewaySid } = member.gateway;
    const { voipCarrierSid, name } = member.carrier;
    const before = this.#states.get(sipGatewaySid);
    const sinceMs = before?.status === said.status ? before.sinceMs : nowMs();
    const state: TrunkRegistrationState = { ...said, voipCarrierSid, sipGatewaySid, sinceMs };
    this.#states.set(sipGatewaySid, state);
    void this.#attempt(this.#write([state]));
    const isNews = said.status === 'fail' ? before?.status !== 'fail' : before?.status === 'fail';
    if (!isNews) return;
    const facts = { sipGatewaySid, voipCarrierSid, registrar: said.registrar, reason: said.reason };
    const at = `${name} at ${said.registrar}`;
    if (said.status === 'fail') this.edge.logger.warn(facts, 'registration of a trunk failed');
    else this.edge.logger.info(facts, 'trunk is registered again');
    trunkAlert(this.edge.sink, member.carrier, {
      alertType: said.status === 'fail' ? 'trunk-registration-failed' : 'trunk-registered',
      message: said.status === 'fail' ? `registration of ${at} failed` : `${at} is registered again`,
      detail: said.reason,
      targetSid: voipCarrierSid,
    });
  }

  /** Lets a carrier call from addresses of its registrar. */
  openAddresses({ carrier, gateway }: TrunkMember, addresses: readonly string[], untilMs: number): void {
    void this.#attempt(this.#temporary.open(gateway.sipGatewaySid, carrier.voipCarrierSid, addresses, untilMs));
  }

  /** Nothing is known of a gateway any more: it is not registered, and need not be. */
  async remove(sipGatewaySid: string): Promise<void> {
    this.#states.delete(sipGatewaySid);
    const closed = this.#temporary.close(sipGatewaySid);
    const { redis } = this.edge;
    await this.#attempt(
      Promise.all([closed, redis.status === 'ready' && redis.del(trunkRegistrationKey(sipGatewaySid))]),
    );
  }

  /** Gateways that something is said of. */
  sids(): string[] {
    return [...this.#states.keys()];
  }

  /** Another process registers: what is said stays as it is. */
  handOver(): void {
    this.#states.clear();
    this.#temporary.forget();
  }

  close(): void {
    clearInterval(this.#timer);
    this.edge.redis.off('ready', this.#onReady);
    this.handOver();
  }

  #renew(): Promise<void> {
    return this.#attempt(Promise.all([this.#write([...this.#states.values()]), this.#temporary.renew()]));
  }

  async #write(states: readonly TrunkRegistrationState[]): Promise<void> {
    if (this.edge.redis.status !== 'ready' || states.length === 0) return;
    const pipeline = this.edge.redis.pipeline();
    for (const state of states) {
      pipeline.set(trunkRegistrationKey(state.sipGatewaySid), JSON.stringify(state), 'PX', STATE_TTL_MS);
    }
    await pipeline.exec();
  }

  async #attempt(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (err) {
      this.edge.logger.warn({ err }, 'state of registrations was not written; it will be');
    }
  }
}
