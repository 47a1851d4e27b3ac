import type { Account, Alert } from '@ringwire/common';

/** A user of an account who has proven to be one. */
export interface User {
  account: Account;
  username: string;
  /** `alice@example.com`. */
  aor: string;
  allowDirectAppCalling: boolean;
  allowDirectQueueCalling: boolean;
  allowDirectUserCalling: boolean;
  /** What the registration hook says for this call, instead of the account's device calling application. */
  applicationSid: string | null;
  /** How long the registration hook lets a registration live, in seconds; null: as long as is asked for. */
  expiresS: number | null;
  /** Calls at the same time, in each direction; null: any number. */
  callLimit: number | null;
  /** What the registration hook named just now; it may have named others when the user registered. */
  hooks: UserHooks;
}

/** URLs of a registration hook for the calls of a user, instead of those of an application. */
export interface UserHooks {
  callHook?: string;
  callStatusHook?: string;
}

/** Why a request is not a user's. */
export interface UserRefusal {
  status: number;
  /** Told as X-Reason. */
  reason: string;
  /** For people, instead of the reason. */
  cause?: string;
  /** Short constant by which it is counted; some are offences (`common/src/shield`). */
  metric: string;
  headers?: Record<string, string>;
  alert?: Omit<Alert, 'accountSid' | 'serviceProviderSid'>;
  /** Whether the sender has proven that it hears us. */
  isHeard?: boolean;
}
