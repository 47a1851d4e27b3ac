import { createHash, randomUUID } from 'node:crypto';
import type { ConferenceDirectory, ConferenceHost } from '@ringwire/common';
import type { HookSpec } from '@ringwire/verb-specs';
import { type ConferenceEvent, ConferenceRoom } from './conference-room.js';

/** What the one who starts a conference decides. */
export interface RoomWishes {
  maxMembers?: number;
  graceMs: number;
  /** What its status hook is told of. */
  tells: ReadonlySet<ConferenceEvent>;
  /** Of all its members, in their own words: a relative URL belongs to the application of each. */
  statusHook?: HookSpec;
}

/** Where a conference is. */
export type ConferencePlace =
  | { at: 'here'; room: ConferenceRoom }
  | { at: 'elsewhere'; host: ConferenceHost }
  /** It has not been started. */
  | { at: 'nowhere' };

/** The conferences of this process. */
export class Conferences {
  readonly #rooms = new Map<string, ConferenceRoom>();
  /** Those that are being started. */
  readonly #starting = new Map<string, Promise<ConferencePlace>>();

  constructor(
    private readonly options: {
      directory: ConferenceDirectory;
      /** This feature server's instance id. */
      instanceId: string;
    },
  ) {}

  get count(): number {
    return this.#rooms.size;
  }

  /** Lists a call as one that waits for a conference to start, until the returned function is called. */
  wait(accountSid: string, name: string, callSid: string): () => void {
    return this.options.directory.wait(accountSid, name, callSid);
  }

  /** Never rejects. */
  async find(accountSid: string, name: string): Promise<ConferencePlace> {
    const key = keyOf(accountSid, name);
    const room = this.#open(key);
    if (room) return { at: 'here', room };
    const starting = this.#starting.get(key);
    if (starting) return starting;
    const host = await this.options.directory.find(accountSid, name);
    const meanwhile = this.#open(key);
    if (meanwhile) return { at: 'here', room: meanwhile };
    // Ours that is not here any more is just ending, or of a process that had our name.
    if (!host || host.featureServer === this.options.instanceId) return { at: 'nowhere' };
    return { at: 'elsewhere', host };
  }

  /** Starts it where it has not been started. Never rejects. */
  async start(accountSid: string, name: string, wishes: RoomWishes): Promise<ConferencePlace> {
    const key = keyOf(accountSid, name);
    const room = this.#open(key);
    if (room) return { at: 'here', room };
    const starting = this.#starting.get(key) ?? this.#start(key, accountSid, name, wishes);
    this.#starting.set(key, starting);
    try {
      return await starting;
    } finally {
      if (this.#starting.get(key) === starting) this.#starting.delete(key);
    }
  }

  #open(key: string): ConferenceRoom | undefined {
    const room = this.#rooms.get(key);
    return room && !room.isClosed ? room : undefined;
  }

  async #start(key: string, accountSid: string, name: string, wishes: RoomWishes): Promise<ConferencePlace> {
    const { directory, instanceId } = this.options;
    const host = await directory.claim(accountSid, name);
    if (host.featureServer !== instanceId) return { at: 'elsewhere', host };
    const room: ConferenceRoom = new ConferenceRoom({
      accountSid,
      name,
      // Another one of this name may be ending at the media server.
      mediaName: `${createHash('sha256').update(key).digest('hex').slice(0, 16)}-${randomUUID()}`,
      startedAt: host.startedAt,
      ...wishes,
      onMember: (member) => directory.putMember(accountSid, name, member),
      onMemberGone: (callSid) => directory.removeMember(accountSid, name, callSid),
      onEnded: () => {
        if (this.#rooms.get(key) !== room) return;
        this.#rooms.delete(key);
        directory.release(accountSid, name);
      },
    });
    this.#rooms.set(key, room);
    return { at: 'here', room };
  }
}

const keyOf = (accountSid: string, name: string): string => `${accountSid} ${name}`;
