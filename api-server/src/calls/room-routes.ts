import { HttpError, listConferences, listQueues, type Redis } from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { pathParam, queryText } from '../http/input.js';

/**
 * What goes on in an account's rooms (compat 5.2): `GET …/Conferences`, the names of its conferences that have begun, and with `?details=true`
 * who is in each, and who waits for one;
 * `GET …/Queues`, name and length of each queue, those whose names contain `search` where it is given.
 */
export function roomRoutes(router: Router, { db }: ApiContext, redis: Redis): void {
  const accountOf = async (req: Request, res: Response): Promise<string> => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    if (redis.status !== 'ready') throw new HttpError(503, 'rooms are not known: redis is away');
    return accountSid;
  };
  router.get('/Accounts/:account_sid/Conferences', async (req, res) => {
    const isWhole = queryText(req, 'details') === 'true';
    const known = await listConferences(redis, await accountOf(req, res));
    const conferences = isWhole ? known : known.filter(({ host }) => host !== undefined);
    res.json(
      conferences.map(({ name, host, members, waiting }) =>
        isWhole
          ? {
              name,
              started_at: host?.startedAt ?? null,
              waiting,
              members: members.map((member) => ({
                call_sid: member.callSid,
                member_tag: member.memberTag ?? null,
                moderator: member.isModerator,
                muted: member.isMuted,
                on_hold: member.isOnHold,
                joined_at: member.joinedAt,
              })),
            }
          : name,
      ),
    );
  });
  router.get('/Accounts/:account_sid/Queues', async (req, res) => {
    const queues = await listQueues(redis, await accountOf(req, res));
    const search = queryText(req, 'search')?.toLowerCase() ?? '';
    const found = queues.filter(({ name }) => name.toLowerCase().includes(search));
    res.json(found.map(({ name, calls }) => ({ name, length: String(calls.length) })));
  });
}
