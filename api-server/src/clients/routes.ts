import { DuplicateKeyError, HttpError } from '@ringwire/common';
import type { Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { PASSWORD_MASK } from '../applications/application-input.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import {
  badField,
  bodyOf,
  booleanField,
  type Fields,
  pathParam,
  queryText,
  rejectUnknown,
  textField,
} from '../http/input.js';
import { requireRoom } from '../rows/row-caps.js';
import { type ClientInput, deleteClient, insertClient, listClients, updateClient } from './clients-store.js';

const FLAGS = [
  'is_active',
  'allow_direct_app_calling',
  'allow_direct_queue_calling',
  'allow_direct_user_calling',
] as const;
/** The sid is read only: clients send it back that write what they have read. */
const FIELDS = ['client_sid', 'account_sid', 'username', 'password', 'call_limit', ...FLAGS];
/** What may stand in the user part of a SIP URI without escaping. */
const USERNAME = /^[\w\-.!~*'()&=+$,]{1,64}$/;
const MAX_PASSWORD = 256;

const notFound = (sid: string) => new HttpError(404, `there is no client ${sid}`);

function explain(err: unknown): never {
  if (err instanceof DuplicateKeyError)
    throw new HttpError(422, 'username: a client of this name exists in the account');
  throw err;
}

function readInput(fields: Fields): ClientInput {
  rejectUnknown(fields, FIELDS);
  const input: ClientInput = {};
  if (fields.username !== undefined) {
    const username = textField(fields, 'username', 64);
    if (!USERNAME.test(username)) throw badField('username', "may have letters, digits and -_.!~*'()&=+$, only");
    // Calls to these go to an application or a queue.
    if (/^(app|queue)-/.test(username)) throw badField('username', 'may not begin with app- or queue-');
    input.username = username;
  }
  // The mask that is shown in its place leaves the password as it is.
  if (fields.password !== undefined && fields.password !== PASSWORD_MASK)
    input.password = textField(fields, 'password', MAX_PASSWORD);
  for (const flag of FLAGS) if (fields[flag] !== undefined) input[flag] = booleanField(fields, flag);
  const limit = fields.call_limit;
  if (limit !== undefined) {
    if (limit !== null && !(Number.isInteger(limit) && Number(limit) >= 0 && Number(limit) <= 100_000)) {
      throw badField('call_limit', 'must be null or a whole number from 0 to 100000');
    }
    input.call_limit = limit as number | null;
  }
  return input;
}

/** `/Clients`: users of accounts, who register and call with a password. */
export function clientRoutes(router: Router, { db, encryptionSecret, provisioningChanged }: ApiContext): void {
  router.get('/Clients', async (req, res) => {
    const accountSid = queryText(req, 'account_sid');
    res.json(await listClients(db, principalOf(res), accountSid === undefined ? {} : { accountSid }));
  });
  router.post('/Clients', async (req, res) => {
    const principal = principalOf(res);
    const fields = bodyOf(req);
    const input = readInput(fields);
    const accountSid =
      fields.account_sid === undefined && principal.scope === 'account'
        ? principal.accountSid
        : textField(fields, 'account_sid', 36);
    await requireAccount(db, principal, accountSid);
    if (input.username === undefined) throw badField('username', 'is required');
    if (input.password === undefined) throw badField('password', 'is required');
    await requireRoom(db, principal, 'clients');
    const sid = await insertClient(db, accountSid, input, encryptionSecret).catch(explain);
    await provisioningChanged('clients');
    res.status(201).json({ sid });
  });
  router.get('/Clients/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const [client] = await listClients(db, principalOf(res), { sid });
    if (client === undefined) throw notFound(sid);
    res.json(client);
  });
  router.put('/Clients/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const fields = bodyOf(req);
    const input = readInput(fields);
    if (fields.account_sid !== undefined) {
      const [current] = await listClients(db, principalOf(res), { sid });
      if (current === undefined) throw notFound(sid);
      if (current.account_sid !== fields.account_sid) throw badField('account_sid', 'cannot be changed');
    }
    if (!(await updateClient(db, principalOf(res), sid, input, encryptionSecret).catch(explain))) throw notFound(sid);
    await provisioningChanged('clients');
    res.status(204).end();
  });
  router.delete('/Clients/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    if (!(await deleteClient(db, principalOf(res), sid))) throw notFound(sid);
    await provisioningChanged('clients');
    res.status(204).end();
  });
}
