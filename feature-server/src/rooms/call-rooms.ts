import type { Queue, Subscriptions } from '@ringwire/common';
import type { HookSpec } from '@ringwire/verb-specs';
import type { Conferences } from './conferences.js';
import { Meetings } from './meetings.js';

/** What all calls of a process share of conferences and queues. */
export interface Rooms {
  /** Instance id of this feature server. */
  readonly instanceId: string;
  readonly conferences: Pick<Conferences, 'find' | 'start' | 'wait'>;
  readonly subscriptions: Pick<Subscriptions, 'on'>;
  /** Those here who take somebody out of a queue. */
  readonly meetings: Meetings;
  /** A queue of an account; what its methods do takes no longer than seconds. */
  queue(accountSid: string, name: string): Queue;
  /** `ip:port` of our SIP server. */
  sipAddress(): string;
}

/** One call's way to the conferences and queues of its account. */
export interface CallRooms extends Rooms {
  readonly accountSid: string;
  /** Hears who comes and goes in the account's queues. */
  readonly queueEventHook?: HookSpec;
  /** What a verb that moved here with the call has brought along; who takes it unsets it. */
  carried?: Readonly<Record<string, unknown>> | undefined;
}

const nowhere = async (): Promise<never> => Promise.reject(new Error('there are no conferences and queues here'));

/** Of what runs verbs and is no call. */
export const noRooms: CallRooms = {
  accountSid: '',
  instanceId: '',
  conferences: { find: nowhere, start: nowhere, wait: () => () => {} },
  subscriptions: { on: () => ({ ready: Promise.resolve(), stop: () => {} }) },
  meetings: new Meetings(),
  queue: () => {
    throw new Error('there are no queues here');
  },
  sipAddress: () => '',
};
