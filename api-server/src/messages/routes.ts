import { HttpError, submitMessage } from '@ringwire/common';
import type { Router } from 'express';
import { serviceProviderOf } from '../accounts/accounts-store.js';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import {
  badField,
  bodyOf,
  pathParam,
  queryInteger,
  queryPage,
  queryText,
  queryTime,
  queryWord,
} from '../http/input.js';
import { readMessageInput } from './message-input.js';
import { findMessage, listMessages, ownsApplication } from './messages-store.js';

const DAY_MS = 24 * 3_600_000;
const STATUSES = ['queued', 'received', 'sent', 'delivered', 'failed'] as const;

/** `/Accounts/{sid}/Messages`: text messages are sent, and listed with what became of them. */
export function messageRoutes(router: Router, { db, messages }: ApiContext): void {
  router.post('/Accounts/:account_sid/Messages', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    const input = readMessageInput(bodyOf(req));
    if (bodyOf(req).message_sid !== undefined) {
      // Redis knows a sid for some days only, its row stays.
      const known = await findMessage(db, accountSid, input.messageSid);
      if (known?.direction === 'inbound') throw badField('message_sid', 'is that of a message that came in');
      if (known !== undefined) {
        res.status(201).json({ sid: input.messageSid });
        return;
      }
    }
    if (input.applicationSid !== null && !(await ownsApplication(db, accountSid, input.applicationSid))) {
      throw badField('application_sid', 'is no application of the account');
    }
    const serviceProviderSid = (await serviceProviderOf(db, accountSid)) ?? null;
    const isMadeUp = (bodyOf(req).message_sid ?? null) === null;
    const outcome = await submitMessage(messages, { ...input, accountSid, serviceProviderSid }, { isMadeUp }).catch(
      (err: unknown) => {
        throw new HttpError(503, 'messages cannot be taken: redis is away', { err });
      },
    );
    if (outcome === 'full') throw new HttpError(429, 'too many messages wait to be sent; try again later');
    // A request that is made again sends nothing twice, and is answered as the first was.
    res.status(201).json({ sid: input.messageSid });
  });

  router.get('/Accounts/:account_sid/Messages', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    const page = queryPage(req, 25);
    const days = queryInteger(req, 'days', 1, 3_650);
    const start = days === undefined ? queryTime(req, 'start') : new Date(Date.now() - days * DAY_MS);
    const end = queryTime(req, 'end');
    const direction = queryWord(req, 'direction', ['inbound', 'outbound']);
    const status = queryWord(req, 'status', STATUSES);
    const number = queryText(req, 'number', 64)?.replace(/^[+ ]/, '');
    const { total, data } = await listMessages(
      db,
      accountSid,
      {
        ...(start && { start }),
        ...(end && { end }),
        ...(direction && { direction }),
        ...(status && { status }),
        ...(number !== undefined && { number }),
      },
      page,
    );
    res.json({ total, page: page.page, page_size: page.pageSize, data });
  });

  router.get('/Accounts/:account_sid/Messages/:message_sid', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    const sid = pathParam(req, 'message_sid');
    const message = await findMessage(db, accountSid, sid);
    if (message === undefined) throw new HttpError(404, `there is no message ${sid}`);
    res.json(message);
  });
}
