import { servesAccount, type TeamsTenant } from '@ringwire/common';
import { type Destination, type Invite, refuse, type Snapshot, type StepResult } from './types.js';

/** Step 3 for Microsoft Teams: the tenant's application. */
export function tenantDestination(invite: Invite, tenant: TeamsTenant, snapshot: Snapshot): StepResult<Destination> {
  const { tenantFqdn, accountSid, applicationSid } = tenant;
  const account = snapshot.accountsBySid.get(accountSid);
  const application = snapshot.applicationsBySid.get(applicationSid ?? '');
  if (!account || !application || !servesAccount(application, account)) {
    const detail = applicationSid === null ? 'it has no application' : 'its account or application does not exist';
    return refuse({
      status: 404,
      reason: `Microsoft Teams tenant ${tenantFqdn}: ${detail}`,
      metric: 'unknown-application',
      tenant,
      ...(account ? { account } : {}),
    });
  }
  return {
    ok: true,
    value: {
      ...{ carrier: null, user: null, tenant, account, application, calledUser: null, phoneNumber: null },
      called: invite.number,
    },
    decision: {
      kind: 'routing',
      text: `tenant ${tenantFqdn} leads to application ${application.name} of account ${account.name}`,
      data: { accountSid, applicationSid },
    },
  };
}
