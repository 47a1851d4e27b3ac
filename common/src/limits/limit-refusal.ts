import type { Alert } from '../events/types.js';
import { SIP_HEADERS } from '../sip/headers.js';
import type { CountScope, LimitReached } from './call-limits.js';

/** How a call is refused for which there is no place, in jambonz's words. */
export interface LimitRefusal {
  status: 503;
  /** Reason phrase and X-Reason. */
  reason: string;
  /** Short constant by which it is counted. */
  metric: 'call-limit';
  headers: Record<string, string>;
  /** Null while the last alert about this limit is fresh. */
  alert: Omit<Alert, 'accountSid' | 'serviceProviderSid'> | null;
}

const WORDS: Record<CountScope, { reason: string; header: string; alertType: string; name: string }> = {
  user: {
    reason: 'Max User Calls In Progress',
    header: 'X-User',
    alertType: 'user-call-limit',
    name: 'user',
  },
  account: {
    reason: 'Max Account Calls In Progress',
    header: SIP_HEADERS.accountSid,
    alertType: 'account-call-limit',
    name: 'account',
  },
  application: {
    reason: 'Max Application Calls In Progress',
    header: SIP_HEADERS.applicationSid,
    alertType: 'application-call-limit',
    name: 'application',
  },
  service_provider: {
    reason: 'Max Service Provider Calls In Progress',
    header: 'X-Service-Provider-Sid',
    alertType: 'service-provider-call-limit',
    name: 'service provider',
  },
};

/** The answer to a call beyond a limit. */
export function limitRefusal({ scope, sid, limit, isNews }: LimitReached): LimitRefusal {
  const { reason, header, alertType, name } = WORDS[scope];
  return {
    status: 503,
    reason,
    metric: 'call-limit',
    headers: { [header]: sid, 'X-Call-Limit': `${limit}` },
    alert: isNews
      ? { alertType, message: `${name} has reached its limit of ${limit} calls at the same time`, targetSid: sid }
      : null,
  };
}
