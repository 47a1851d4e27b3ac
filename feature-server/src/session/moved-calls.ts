import {
  type Application,
  decryptSecret,
  encryptSecret,
  HEARTBEAT_TTL_MS,
  movedCallKey,
  type Redis,
  type Secret,
} from '@ringwire/common';
import type { VerbSpec } from '@ringwire/verb-specs';
import type { Hook } from '../app-client/application.js';
import type { SessionCommand } from '../control/commands.js';
import { within } from '../media/deadline.js';
import type { CallFacts, CallInfoState } from './call-info.js';
import type { DefaultsState } from './session-defaults.js';

/** A call on its way may be taken for so long. */
const LIFE_MS = 30_000;
const REDIS_MS = 2_000;

/** What a feature server must know to go on with a call that another one has begun. */
export interface MovedCall {
  /** The instance that had it, in whose ledger it stands. */
  from: string;
  accountSid: string;
  /** As provisioning, or the order of the call, had it. */
  application: Application;
  facts: CallFacts;
  info: CallInfoState;
  defaults: DefaultsState;
  /** Where the application is by now. */
  baseUrl: string;
  /** The same with the credentials that go there; absent from a feature server of an older version. */
  hook?: Hook;
  /** What its WebSocket was told when the session began; absent from a feature server of an older version. */
  opening?: object;
  statusHook?: Hook;
  /** The verb that runs, and those behind it. */
  verbs: VerbSpec[];
  /** What the verb that runs must know. */
  carried?: Readonly<Record<string, unknown>>;
  /** Commands that begin again what goes on beside the verbs; absent from a feature server of an older version. */
  continued?: SessionCommand[];
  /** When the call must end, ms since the epoch. */
  endsAt?: number;
}

/** Calls on their way from one feature server to another, sealed: they name passwords. */
export class MovedCalls {
  constructor(
    private readonly redis: Redis,
    private readonly encryptionSecret: Secret,
  ) {}

  /** @throws when Redis does not take it within seconds */
  async save(id: string, call: MovedCall): Promise<void> {
    const text = encryptSecret(JSON.stringify(call), this.encryptionSecret);
    await this.#soon(this.redis.set(movedCallKey(id), text, 'PX', LIFE_MS));
  }

  /** Once only; undefined where there is none, or not any more. */
  async take(id: string): Promise<MovedCall | undefined> {
    const text = await this.#soon(this.redis.getdel(movedCallKey(id)));
    return text === null ? undefined : (JSON.parse(decryptSecret(text, this.encryptionSecret)) as MovedCall);
  }

  /** Nobody is to take it. Never rejects. */
  drop(id: string): void {
    // What stays because Redis is away expires by itself.
    this.redis.del(movedCallKey(id)).catch(() => {});
  }

  #soon<T>(work: Promise<T>): Promise<T> {
    return within(REDIS_MS, work, () => new Error('Redis does not answer'));
  }
}

/** Who has given a call away looks for so long whether the other one has it: by then a dead one is known to be dead. */
export const TAKEN_WITHIN_MS = HEARTBEAT_TTL_MS + 2_000;
