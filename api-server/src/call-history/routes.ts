import { HttpError } from '@ringwire/common';
import type { Request, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { badField, pathParam, queryInteger, queryPage, queryText, queryTime, queryWord } from '../http/input.js';
import { findCall, listAlerts, listRecentCalls } from './call-history-store.js';

const DEFAULT_PAGE_SIZE = 25;
const DAY_MS = 86_400_000;

/** `days` back from now, or `start` and `end`. */
function timeRange(req: Request): { start?: Date; end?: Date } {
  const days = queryInteger(req, 'days', 1, 366);
  const start = queryTime(req, 'start');
  const end = queryTime(req, 'end');
  if (days !== undefined && (start !== undefined || end !== undefined)) {
    throw badField('days', 'cannot be given together with start or end');
  }
  if (start !== undefined && end !== undefined && start > end) throw badField('start', 'must not be after end');
  if (days !== undefined) return { start: new Date(Date.now() - days * DAY_MS) };
  return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
}

/** `/Accounts/{sid}/RecentCalls` and `/Accounts/{sid}/Alerts`. */
export function callHistoryRoutes(router: Router, { db }: ApiContext): void {
  router.get('/Accounts/:account_sid/RecentCalls', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    const page = queryPage(req, DEFAULT_PAGE_SIZE);
    const trunk = queryText(req, 'trunk', 255);
    const direction = queryWord(req, 'direction', ['inbound', 'outbound']);
    const answered = queryWord(req, 'answered', ['true', 'false']);
    const filter = queryText(req, 'filter', 255);
    const { total, data } = await listRecentCalls(
      db,
      accountSid,
      {
        ...timeRange(req),
        ...(trunk === undefined ? {} : { trunk }),
        ...(direction === undefined ? {} : { direction }),
        ...(answered === undefined ? {} : { answered: answered === 'true' }),
        ...(filter === undefined ? {} : { filter }),
      },
      page,
    );
    res.json({ page_size: page.pageSize, total, page: page.page, data });
  });
  router.get('/Accounts/:account_sid/RecentCalls/:call_sid', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    const callSid = pathParam(req, 'call_sid');
    await requireAccount(db, principalOf(res), accountSid);
    const call = await findCall(db, accountSid, callSid);
    if (call === undefined) throw new HttpError(404, `there is no call ${callSid}`);
    res.json(call);
  });
  router.get('/Accounts/:account_sid/Alerts', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    const page = queryPage(req, DEFAULT_PAGE_SIZE);
    const alertType = queryText(req, 'alert_type');
    const filter = { ...timeRange(req), ...(alertType === undefined ? {} : { alertType }) };
    const { total, data } = await listAlerts(db, accountSid, filter, page);
    res.json({ page_size: page.pageSize, total, page: page.page, data });
  });
}
