import { HttpError } from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { requireServiceProvider } from '../auth/require-service-provider.js';
import { bodyOf, type Fields, optionalTextField, pathParam } from '../http/input.js';
import { makeCarrier } from './make-carrier.js';
import { PREDEFINED_CARRIERS } from './predefined-carriers.js';

const MAX_NAME = 64;

/** The name, or where a carrier of the owner has it already, the first of `name 2`, `name 3`, … that is free. */
const freeName =
  (wanted: string) =>
  (taken: ReadonlySet<string>): string => {
    for (let count = 1; ; count++) {
      const suffix = count === 1 ? '' : ` ${count}`;
      const name = wanted.slice(0, MAX_NAME - suffix.length) + suffix;
      if (!taken.has(name.toLowerCase())) return name;
    }
  };

/** `GET /PredefinedCarriers`, which needs no key. */
export function predefinedCarrierList(router: Router): void {
  router.get('/PredefinedCarriers', (_req, res) => void res.json(PREDEFINED_CARRIERS));
}

/**
 * `POST …/PredefinedCarriers/{sid}`: makes a carrier, with its gateways, of a template. The body may name fields of the carrier that are to be otherwise,
 * and with `outbound_host` where it is called.
 */
export function predefinedCarrierRoutes(router: Router, context: ApiContext): void {
  const create = async (req: Request, res: Response, owner: Fields): Promise<void> => {
    const sid = pathParam(req, 'sid');
    const template = PREDEFINED_CARRIERS.find(({ predefined_carrier_sid: known }) => known === sid);
    if (template === undefined) throw new HttpError(404, `there is no predefined carrier ${sid}`);
    const { name, description, e164_leading_plus, requires_register, trunk_type, sip_gateways } = template;
    const body: Fields = req.body === undefined ? {} : bodyOf(req);
    const { outbound_host: _, ...given } = body;
    const host = body.outbound_host === undefined ? null : optionalTextField(body, 'outbound_host', 128);
    const fields: Fields = { name, description, e164_leading_plus, requires_register, trunk_type, ...given, ...owner };
    const gateways = sip_gateways.map((gateway) => ({ ...gateway }));
    if (host !== null) gateways.push({ ipv4: host, port: 5060, netmask: 32, inbound: false, outbound: true });
    const wanted = fields.name;
    const made = await makeCarrier(
      context,
      principalOf(res),
      fields,
      gateways,
      typeof wanted === 'string' ? freeName(wanted.trim()) : undefined,
    );
    await context.provisioningChanged('voip_carriers');
    res.status(201).json({ sid: made });
  };

  router.post('/Accounts/:account_sid/PredefinedCarriers/:sid', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(context.db, principalOf(res), accountSid);
    await create(req, res, { account_sid: accountSid });
  });
  router.post('/ServiceProviders/:service_provider_sid/PredefinedCarriers/:sid', async (req, res) => {
    const serviceProviderSid = pathParam(req, 'service_provider_sid');
    await requireServiceProvider(context.db, principalOf(res), serviceProviderSid);
    await create(req, res, { account_sid: null, service_provider_sid: serviceProviderSid });
  });
}
