import { randomUUID } from 'node:crypto';
import type { Logger } from '../log/logger.js';
import type { Redis } from '../redis/connection.js';
import { PROVISIONING_ASKED, PROVISIONING_CHANGED, provisioningLoadedChannel } from '../redis/keys.js';

/** Tells the processes on the call path of changed tables. */
export interface ChangeAnnouncer {
  /**
   * Has everybody reload, and resolves when they have, or after {@link MAX_WAIT_MS}: what is called next finds the change. Never rejects: who
   * did not hear of it reloads by itself after 30 s.
   */
  announce(table: string): Promise<void>;
  close(): void;
}

/** A process that is busy, stopped or without its database holds nobody up for longer. */
const MAX_WAIT_MS = 500;

/** Who has not answered yet, and what follows when all have. */
interface Round {
  missing: number;
  done(): void;
}

/** Builds a {@link ChangeAnnouncer}; its own connection hears the answers. */
export function changeAnnouncer({ redis, logger }: { redis: Redis; logger: Logger }): ChangeAnnouncer {
  const id = randomUUID();
  const rounds = new Map<string, Round>();
  const subscriber = redis.duplicate();
  subscriber.on('error', (err) => logger.debug({ err }, 'the connection that hears of reloads failed'));
  subscriber.on('message', (_channel: string, number: string) => {
    const round = rounds.get(number);
    if (!round) return;
    round.missing -= 1;
    if (round.missing === 0) round.done();
  });
  subscriber.subscribe(provisioningLoadedChannel(id)).catch((err: unknown) => {
    logger.warn({ err }, 'nobody hears whether changes of provisioning data were loaded');
  });
  let last = 0;

  const tell = async (table: string, number: string): Promise<void> => {
    // One connection keeps the order: nobody is asked before it has heard of the change.
    await redis.publish(PROVISIONING_CHANGED, table);
    const asked = await redis.publish(PROVISIONING_ASKED, `${id} ${number}`);
    const round = rounds.get(number);
    if (!round) return;
    round.missing += asked;
    if (round.missing <= 0) round.done();
  };
  return {
    async announce(table) {
      if (redis.status !== 'ready') return;
      last += 1;
      const number = String(last);
      const loaded = new Promise<void>((resolve) => {
        // What comes before the number of those asked is known counts below nought.
        rounds.set(number, { missing: 0, done: resolve });
      });
      const giveUp = (): void => rounds.get(number)?.done();
      // A Redis that stands still is not waited for either.
      const timer = setTimeout(giveUp, MAX_WAIT_MS);
      tell(table, number).catch((err: unknown) => {
        logger.warn({ err, table }, 'change of provisioning data was not announced');
        giveUp();
      });
      await loaded;
      clearTimeout(timer);
      rounds.delete(number);
    },
    close() {
      subscriber.disconnect();
      for (const round of rounds.values()) round.done();
    },
  };
}
