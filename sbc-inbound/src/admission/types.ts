import type {
  Account,
  Alert,
  Application,
  CallPlace,
  PhoneNumber,
  ProvisioningSnapshot,
  TeamsTenant,
  TimelineKind,
  VoipCarrier,
} from '@ringwire/common';
import type { Party, UriParts } from '@ringwire/common/sip/uri.js';
import type { User, UserHooks } from '../users/types.js';

/** What an INVITE says, once it is known to be well-formed. */
export interface Invite {
  /** Where it came from, as far as we trust it: the sender, or what one of our own proxies says of the sender. */
  sourceAddress: string;
  sipCallId: string;
  target: UriParts;
  from: Party & { tag: string };
  to: Party;
  /** Dialled number without a leading plus; `anonymous` when the request names nobody. */
  number: string;
  /** Empty when the INVITE carries no offer. */
  sdp: string;
  /** Application that the sender claims to be: one of ours calling itself would never end. */
  claimedApplicationSid: string | null;
}

/** Who is calling: a carrier, a user of an account, or Microsoft Teams on behalf of a tenant. */
export type Caller = CarrierCaller | { user: User } | { tenant: TeamsTenant };

/** A carrier that calls. */
export interface CarrierCaller {
  /** Carriers that it may be, most specific gateway first, account-level before shared ones. Never empty. */
  carriers: readonly VoipCarrier[];
  /** The account whose SIP realm was dialled, when the request names one. */
  realmAccount: Account | null;
}

/** What is being called. */
export interface Destination {
  /** Null where a user or Microsoft Teams calls. */
  carrier: VoipCarrier | null;
  /** The user who calls; null where a carrier does. */
  user: User | null;
  /** The tenant for whom Microsoft Teams calls. */
  tenant?: TeamsTenant;
  account: Account;
  /** Null where a user calls another one directly, or where there are but hooks of the user's own. */
  application: Application | null;
  /** The user who is called directly, as `bob@example.com`; null where an application takes the call. */
  calledUser: string | null;
  /** What the registration hook of a user who calls names instead of the application's hooks. */
  hooks?: UserHooks;
  /** What was called, as numbers are stored. */
  called: string;
  /** Null when the carrier's default application takes the call. */
  phoneNumber: PhoneNumber | null;
}

/** Why an INVITE does not become a call. */
export interface Rejection {
  status: number;
  /** Told to the caller as X-Reason, and to people on the timeline. */
  reason: string;
  /** Told to people on the timeline instead of `reason`, where strangers must not hear it. */
  cause?: string;
  /** Short constant by which it is counted. */
  metric: string;
  /**
   * Whether it leaves a call record: rejections of strangers do not, since anybody can send any number of them.
   */
  recorded: boolean;
  carrier?: VoipCarrier;
  user?: User;
  tenant?: TeamsTenant;
  account?: Account;
  application?: Application;
  /** Reason phrase; that of the status when absent. */
  phrase?: string;
  /** Whether the sender has proven that it hears us. */
  isHeard?: boolean;
  /** More response headers. */
  headers?: Record<string, string>;
  /** What the account must hear of. */
  alert?: Omit<Alert, 'accountSid' | 'serviceProviderSid'> | null;
}

/** One line of the timeline that says what a step decided and why. */
export interface Decision {
  kind: TimelineKind;
  text: string;
  data?: Record<string, unknown>;
}

/** The outcome of a step. */
export type StepResult<T> = { ok: true; value: T; decision?: Decision } | { ok: false; rejection: Rejection };

/** A refusal; recorded unless it says otherwise. */
export function refuse<T>(rejection: Omit<Rejection, 'recorded'> & { recorded?: boolean }): StepResult<T> {
  return { ok: false, rejection: { recorded: true, ...rejection } };
}

/** A call that may be connected; whoever connects it gives its place back at its end. */
export interface Admitted {
  destination: Destination;
  place: CallPlace;
}

/** Provisioning data as the steps see it. */
export type Snapshot = Pick<
  ProvisioningSnapshot,
  | 'findInboundGateways'
  | 'findAuthTrunks'
  | 'hasAuthTrunks'
  | 'hasRegistrationTrunks'
  | 'findNumbers'
  | 'findNumberPattern'
  | 'findAccountByRealm'
  | 'findClient'
  | 'registrationHookOf'
  | 'hasUsers'
  | 'accountsBySid'
  | 'applicationsBySid'
  | 'carriersBySid'
  | 'teamsTenantByFqdn'
>;
