import { compileNumberPattern, DuplicateKeyError, HttpError, isNumberPattern } from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import { serviceProviderOf } from '../accounts/accounts-store.js';
import type { ApiContext } from '../api-server.js';
import { findApplication } from '../applications/applications-store.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { forbidden, type Principal } from '../auth/principal.js';
import { listCarriers, onlyCarrier } from '../carriers/carriers-store.js';
import {
  badField,
  bodyOf,
  type Fields,
  optionalTextField,
  pathParam,
  queryPage,
  queryText,
  rejectUnknown,
  textField,
} from '../http/input.js';
import { requireRoom } from '../rows/row-caps.js';
import {
  deletePhoneNumber,
  findPhoneNumber,
  insertPhoneNumber,
  listPhoneNumbers,
  type NumberChange,
  type PhoneNumberFilter,
  updatePhoneNumber,
} from './phone-numbers-store.js';
import { requireOwnNumbers } from './shared-addresses.js';

const FIELDS = [
  'phone_number_sid',
  'number',
  'voip_carrier_sid',
  'account_sid',
  'application_sid',
  'service_provider_sid',
];
const notFound = (sid: string) => new HttpError(404, `there is no phone number ${sid}`);

/** Digits without the leading plus, or a pattern that can be used. */
function numberField(fields: Fields): string {
  const number = textField(fields, 'number', 132).replace(/^\+/, '');
  if (/\s/.test(number)) throw badField('number', 'must be digits or a pattern, without white space');
  if (number === '' || /^[\d-]*-[\d-]*$/.test(number)) throw badField('number', 'must be digits or a pattern');
  if (!isNumberPattern(number)) return number;
  const row = {
    phoneNumberSid: '',
    number,
    voipCarrierSid: null,
    accountSid: null,
    applicationSid: null,
    serviceProviderSid: null,
  };
  const compiled = compileNumberPattern(row);
  if (!compiled.ok) throw badField('number', `must be digits or a valid pattern: ${compiled.reason}`);
  return number;
}

/** Checks that an application exists for the account that the number belongs to. */
async function requireApplication(
  { db }: ApiContext,
  principal: Principal,
  sid: string,
  accountSid: string | null,
): Promise<void> {
  const application = await findApplication(db, principal, sid);
  if (application === undefined) throw badField('application_sid', `there is no application ${sid}`);
  if (application.account_sid !== null && application.account_sid !== accountSid) {
    throw badField('application_sid', "must be an application of the number's account");
  }
}

/** The carrier that the request names, or the only one that the account has. */
async function carrierFor(
  { db }: ApiContext,
  principal: Principal,
  fields: Fields,
  accountSid: string | null,
): Promise<string> {
  const named = optionalTextField(fields, 'voip_carrier_sid', 36);
  if (named !== null) {
    const { data } = await listCarriers(db, principal, { sid: named });
    if (data[0] === undefined) throw badField('voip_carrier_sid', `there is no carrier ${named}`);
    // Whoever could put any number on a shared carrier would take the calls of its other accounts.
    if (principal.scope === 'account' && data[0].account_sid !== principal.accountSid) {
      throw new HttpError(403, 'voip_carrier_sid: numbers of a shared carrier are given by its service provider', {
        field: 'voip_carrier_sid',
      });
    }
    return named;
  }
  const only = accountSid === null ? undefined : await onlyCarrier(db, principal, accountSid);
  if (only === undefined) {
    throw badField(
      'voip_carrier_sid',
      'is required, unless the account has exactly one carrier (GET /v1/VoipCarriers)',
    );
  }
  return only;
}

async function create(context: ApiContext, req: Request, res: Response): Promise<void> {
  const { db } = context;
  const principal = principalOf(res);
  const fields = bodyOf(req);
  rejectUnknown(fields, FIELDS);
  const number = numberField(fields);
  const accountSid =
    optionalTextField(fields, 'account_sid', 36) ?? (principal.scope === 'account' ? principal.accountSid : null);
  const applicationSid = optionalTextField(fields, 'application_sid', 36);
  if (accountSid !== null) await requireAccount(db, principal, accountSid);
  await requireRoom(db, principal, 'phone numbers');
  const voipCarrierSid = await carrierFor(context, principal, fields, accountSid);
  if (applicationSid !== null) await requireApplication(context, principal, applicationSid, accountSid);
  const ownSp = principal.scope === 'service_provider' ? principal.serviceProviderSid : null;
  const serviceProviderSid = accountSid === null ? ownSp : await serviceProviderOf(db, accountSid);
  const row = { number, voipCarrierSid, accountSid, applicationSid, serviceProviderSid };
  await requireOwnNumbers(db, principal, voipCarrierSid, [number], 'number');
  const sid = await insertPhoneNumber(db, row).catch((err: unknown) => {
    if (err instanceof DuplicateKeyError) throw new HttpError(422, 'number: exists already on this carrier');
    throw err;
  });
  await context.provisioningChanged('phone_numbers');
  res.status(201).json({ sid });
}

async function update(context: ApiContext, req: Request, res: Response): Promise<void> {
  const { db } = context;
  const principal = principalOf(res);
  const sid = pathParam(req, 'sid');
  const fields = bodyOf(req);
  rejectUnknown(fields, FIELDS);
  const current = await findPhoneNumber(db, principal, sid);
  if (current === undefined) throw notFound(sid);
  if (fields.number !== undefined && numberField(fields) !== current.number)
    throw badField('number', 'cannot be changed');
  if (fields.voip_carrier_sid !== undefined && fields.voip_carrier_sid !== current.voip_carrier_sid) {
    throw badField('voip_carrier_sid', 'cannot be changed');
  }
  const change: NumberChange = {};
  let accountSid = current.account_sid as string | null;
  if (fields.account_sid !== undefined && fields.account_sid !== accountSid) {
    if (principal.scope === 'account') throw forbidden();
    accountSid = optionalTextField(fields, 'account_sid', 36);
    if (accountSid !== null) {
      await requireAccount(db, principal, accountSid);
      change.serviceProviderSid = await serviceProviderOf(db, accountSid);
    }
    change.accountSid = accountSid;
    // The application stays behind with the account that owns it.
    change.applicationSid = null;
  }
  if (fields.application_sid !== undefined) {
    change.applicationSid = optionalTextField(fields, 'application_sid', 36);
    if (change.applicationSid !== null) await requireApplication(context, principal, change.applicationSid, accountSid);
  }
  await updatePhoneNumber(db, principal, sid, change);
  await context.provisioningChanged('phone_numbers');
  res.status(204).end();
}

/** `/PhoneNumbers` and `/Accounts/{sid}/PhoneNumbers`. */
export function phoneNumberRoutes(router: Router, context: ApiContext): void {
  const { db } = context;
  const list = async (req: Request, res: Response, filter: PhoneNumberFilter) => {
    const number = queryText(req, 'filter');
    const isPaged = req.query.page !== undefined || req.query.page_size !== undefined;
    const page = isPaged ? queryPage(req, 25) : undefined;
    const { total, data } = await listPhoneNumbers(
      db,
      principalOf(res),
      { ...filter, ...(number === undefined ? {} : { number }) },
      page,
    );
    res.json(page === undefined ? data : { total, page: page.page, page_size: page.pageSize, data });
  };
  router.get('/PhoneNumbers', async (req, res) => {
    const accountSid = queryText(req, 'account_sid');
    const serviceProviderSid = queryText(req, 'service_provider_sid');
    await list(req, res, {
      ...(accountSid === undefined ? {} : { accountSid }),
      ...(serviceProviderSid === undefined ? {} : { serviceProviderSid }),
    });
  });
  router.get('/Accounts/:account_sid/PhoneNumbers', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    await list(req, res, { accountSid });
  });
  router.post('/PhoneNumbers', (req, res) => create(context, req, res));
  router.get('/PhoneNumbers/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const number = await findPhoneNumber(db, principalOf(res), sid);
    if (number === undefined) throw notFound(sid);
    res.json(number);
  });
  router.put('/PhoneNumbers/:sid', (req, res) => update(context, req, res));
  router.delete('/PhoneNumbers/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    if (!(await deletePhoneNumber(db, principalOf(res), sid))) throw notFound(sid);
    await context.provisioningChanged('phone_numbers');
    res.status(204).end();
  });
}
