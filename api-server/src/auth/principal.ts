import { HttpError, type SqlValue } from '@ringwire/common';

/** On whose behalf a request is made, from its API key. */
export type Principal =
  | { scope: 'admin' }
  | { scope: 'service_provider'; serviceProviderSid: string }
  | { scope: 'account'; accountSid: string; serviceProviderSid: string };

/** A condition of a WHERE clause with its values. */
export interface Condition {
  sql: string;
  params: SqlValue[];
}

/** Limits a statement to the rows that a principal owns; for tables with `account_sid` and `service_provider_sid`. */
export function tenantCondition(principal: Principal, table: string): Condition {
  switch (principal.scope) {
    case 'admin':
      return { sql: 'TRUE', params: [] };
    case 'account':
      return { sql: `${table}.account_sid = ?`, params: [principal.accountSid] };
    case 'service_provider':
      return {
        sql: `(${table}.service_provider_sid = ? OR ${table}.account_sid IN (SELECT account_sid FROM accounts WHERE service_provider_sid = ?))`,
        params: [principal.serviceProviderSid, principal.serviceProviderSid],
      };
  }
}

/** The answer to a request for something that belongs to somebody else. */
export const forbidden = (): HttpError => new HttpError(403, 'insufficient privileges');
