import { conferenceDirectory, type Logger, Queue, type Redis, Subscriptions } from '@ringwire/common';
import type { Rooms } from './call-rooms.js';
import { Conferences } from './conferences.js';
import { Meetings } from './meetings.js';

/** Opens the conferences and queues of a feature server. */
export function openRooms(options: {
  redis: Redis;
  logger: Logger;
  instanceId: string;
  sipAddress(): string;
}): Rooms & { close(): Promise<void> } {
  const { redis, logger, instanceId, sipAddress } = options;
  const directory = conferenceDirectory({ redis, logger, featureServer: instanceId, sipAddress });
  const conferences = new Conferences({ directory, instanceId });
  const subscriptions = new Subscriptions(redis, logger);
  return {
    instanceId,
    conferences,
    subscriptions,
    meetings: new Meetings(),
    queue: (accountSid, name) => new Queue(redis, accountSid, name),
    sipAddress,
    async close() {
      subscriptions.close();
      await directory.close();
    },
  };
}
