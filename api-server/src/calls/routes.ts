import { randomUUID } from 'node:crypto';
import { HttpError, parseCallInput } from '@ringwire/common';
import type { Router } from 'express';
import { serviceProviderOf } from '../accounts/accounts-store.js';
import type { ApiContext } from '../api-server.js';
import { verbFaults } from '../applications/application-input.js';
import { findApplication } from '../applications/applications-store.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { forbidden } from '../auth/principal.js';
import { badField, bodyOf, pathParam } from '../http/input.js';

/** `POST /v1/Accounts/{sid}/Calls`: has a feature server place a call, and answers 201 before it rings. */
export function callRoutes(router: Router, { db, callOrders }: ApiContext): void {
  router.post('/Accounts/:account_sid/Calls', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    const principal = principalOf(res);
    // As in jambonz: calls are the account's to make.
    if (principal.scope === 'service_provider') throw forbidden();
    await requireAccount(db, principal, accountSid);
    const input = parseCallInput(bodyOf(req), verbFaults);
    const { applicationSid } = input;
    if (applicationSid !== null) {
      const application = await findApplication(db, principal, applicationSid);
      if (!application) throw badField('application_sid', 'there is no such application');
      if (application.account_sid !== null && application.account_sid !== accountSid)
        throw new HttpError(403, 'the application is of another account');
      if (
        application.account_sid === null &&
        application.service_provider_sid !== (await serviceProviderOf(db, accountSid))
      )
        throw new HttpError(403, 'the application is of another service provider');
    }
    const { sid, callId } = await callOrders.place({ ...input, callSid: randomUUID(), accountSid });
    res.status(201).json({ sid, callId });
  });
}
