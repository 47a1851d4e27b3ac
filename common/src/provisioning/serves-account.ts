import type { Account, Application } from './rows.js';

/** Whether an account may use an application: it is its own, or its service provider's and of no account, which serves them all. */
export function servesAccount(
  { accountSid, serviceProviderSid }: Pick<Application, 'accountSid' | 'serviceProviderSid'>,
  account: Pick<Account, 'accountSid' | 'serviceProviderSid'>,
): boolean {
  return accountSid === null ? serviceProviderSid === account.serviceProviderSid : accountSid === account.accountSid;
}
