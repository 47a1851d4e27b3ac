import { HttpError } from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { pathParam, queryText, queryWord } from '../http/input.js';
import type { FoundCall } from './live-calls.js';

const DIRECTIONS = ['inbound', 'outbound'] as const;
const STATUSES = [
  'trying',
  'ringing',
  'early-media',
  'in-progress',
  'completed',
  'failed',
  'busy',
  'no-answer',
  'queued',
] as const;

/**
 * Live calls of an account (compat 4.1, 5.2): `GET …/Calls` with `direction`, `from`, `to` and `callStatus`, `GET …/Calls/{sid}`,
 * `PUT` or `POST …/Calls/{sid}` for live call control, and `DELETE …/Calls/{sid}`, which takes the call out of the list but does not end it.
 */
export function liveCallRoutes(router: Router, { db, liveCalls }: ApiContext): void {
  const accountOf = async (req: Request, res: Response): Promise<string> => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    return accountSid;
  };
  const callOf = async (req: Request, res: Response): Promise<FoundCall> => {
    const accountSid = await accountOf(req, res);
    const callSid = pathParam(req, 'call_sid');
    const found = await liveCalls.find(accountSid, callSid);
    if (!found) throw new HttpError(404, `there is no live call ${callSid}`);
    return found;
  };
  const update = async (req: Request, res: Response): Promise<void> => {
    const { status, body } = await liveCalls.update(await callOf(req, res), req.body as unknown);
    if (body === undefined) res.status(status).end();
    else res.status(status).json(body);
  };

  router.get('/Accounts/:account_sid/Calls', async (req, res) => {
    const accountSid = await accountOf(req, res);
    const wanted: Record<string, string | undefined> = {
      direction: queryWord(req, 'direction', DIRECTIONS),
      from: withoutPlus(queryText(req, 'from')),
      to: withoutPlus(queryText(req, 'to')),
      callStatus: queryWord(req, 'callStatus', STATUSES) ?? queryWord(req, 'call_status', STATUSES),
    };
    const fits = ({ entry: { payload } }: FoundCall): boolean =>
      Object.entries(wanted).every(([name, value]) => value === undefined || withoutPlus(payload[name]) === value);
    res.json((await liveCalls.list(accountSid)).filter(fits).map(shown));
  });
  router.get('/Accounts/:account_sid/Calls/:call_sid', async (req, res) => {
    res.json(shown(await callOf(req, res)));
  });
  router.put('/Accounts/:account_sid/Calls/:call_sid', update);
  router.post('/Accounts/:account_sid/Calls/:call_sid', update);
  router.delete('/Accounts/:account_sid/Calls/:call_sid', async (req, res) => {
    await liveCalls.forget(await callOf(req, res));
    res.status(204).end();
  });
}

const withoutPlus = (value: unknown): string | undefined =>
  typeof value === 'string' ? value.replace(/^\+/, '') : undefined;

/** A call as jambonz shows it: the common payload in snake_case, with seconds since the answer. */
function shown({ entry: { payload, answeredAt }, server }: FoundCall): Record<string, unknown> {
  const fields = Object.entries(payload).map(([name, value]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return {
    ...Object.fromEntries(fields),
    duration: answeredAt === undefined ? 0 : Math.max(0, Math.floor((Date.now() - answeredAt) / 1000)),
    service_url: server.httpUrl,
  };
}
