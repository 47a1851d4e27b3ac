/** Text messages as processes tell each other of them. */

/**
 * Where a message stands. Outbound: `queued`, `sent` (a carrier has accepted it), then `delivered` or `failed`. Inbound: `received`,
 * then `delivered` (to the application) or `failed`.
 */
export type MessageStatus = 'queued' | 'received' | 'sent' | 'delivered' | 'failed';

/**
 * Why a message failed.
 * - `no-carrier`: no carrier with messaging, or none of the given name
 * - `carrier-configuration`: the carrier refuses our credentials
 * - `rejected`: carriers refused the message itself
 * - `sender-not-allowed`: the carrier shows only numbers of the account, and `from` is none
 * - `account-not-active`: the account has been deactivated
 * - `destination-denied`: the toll-fraud guard's lists do not allow the number
 * - `account-blocked`: the account has gone beyond a limit of the toll-fraud guard
 * - `media-not-supported`: no carrier of the account takes media
 * - `expired`: no carrier accepted it in time
 * - `unknown-outcome`: the carrier went away before it said whether it accepted; it is not sent again, since it might arrive twice
 * - `undeliverable`: a carrier accepted it and could not deliver it
 * - `no-application`: inbound; nobody's number, or no `messaging_hook`
 * - `application-failed`: inbound; the application could not be reached, or refused
 */
export type MessageFailure =
  | 'no-carrier'
  | 'carrier-configuration'
  | 'rejected'
  | 'sender-not-allowed'
  | 'account-not-active'
  | 'destination-denied'
  | 'account-blocked'
  | 'media-not-supported'
  | 'expired'
  | 'unknown-outcome'
  | 'undeliverable'
  | 'no-application'
  | 'application-failed';

/** A message that somebody wants sent. */
export interface OutboundMessage {
  /** Unique within the account. */
  messageSid: string;
  accountSid: string;
  serviceProviderSid: string | null;
  applicationSid: string | null;
  from: string;
  /** A number, or a user of the account (`alice@example.com`). */
  to: string;
  text: string;
  /** URLs. */
  media: readonly string[];
  /** Name or sid; null: any. */
  carrier: string | null;
  /** Absolute URL that is told of status changes. */
  statusHook: string | null;
  /** Ms since the epoch. */
  createdAt: number;
}

/** A message as its record has it; every event carries all of it, so that their order does not matter. */
export interface MessageRecord extends Omit<OutboundMessage, 'carrier'> {
  direction: 'inbound' | 'outbound';
  voipCarrierSid: string | null;
  /** Name of the carrier. */
  carrier: string | null;
  encoding: 'gsm7' | 'ucs2' | null;
  segments: number;
  /** The carrier's ids, one for each part that it took. */
  carrierMessageIds: readonly string[];
  status: MessageStatus;
  reason: MessageFailure | null;
  /** The carrier's words about the failure. */
  detail: string | null;
  sentAt: number | null;
  /** When it was delivered or failed. */
  finishedAt: number | null;
}

/** A carrier's word about a message that it took. */
export interface MessageReceipt {
  voipCarrierSid: string;
  carrierMessageId: string;
  state: 'delivered' | 'failed';
  detail: string;
}

/** A sender's wish to be told what becomes of a message that it brought over SMPP. */
export interface ReceiptRequest {
  /** Of which outcomes. */
  of: 'any' | 'failure';
  /** By which it knows the message, one for each part. */
  messageIds: readonly string[];
}

/** A receipt on its way to a client that is bound to our SMPP server. */
export interface ClientReceipt {
  voipCarrierSid: string;
  messageIds: readonly string[];
  /** Of the message. */
  from: string;
  to: string;
  text: string;
  state: 'delivered' | 'failed';
  /** Ms since the epoch. */
  receivedAt: number;
  doneAt: number;
  /** How often nobody was there to take it. */
  attempts: number;
}

/** The account and application that a message is for. */
export interface MessageOwnerSids {
  accountSid: string;
  applicationSid: string;
}

/** What the feature servers are given to tell applications. */
export type ApplicationNotice =
  | {
      kind: 'inbound';
      messageSid: string;
      /** Null: a user of the account sends it. */
      voipCarrierSid: string | null;
      /** Whose it is, where that is known already; absent: it is found by number and carrier. */
      owner?: MessageOwnerSids;
      from: string;
      to: string;
      text: string;
      media: readonly string[];
      /** Absent: the sender does not want to be told. */
      receipt?: ReceiptRequest;
      receivedAt: number;
      /** How often the application was asked already. */
      attempts: number;
    }
  /** A long message whose missing parts are no longer waited for. */
  | {
      kind: 'parts';
      voipCarrierSid: string;
      from: string;
      to: string;
      partsKey: string;
      /** Of which outcomes the sender wants to be told; absent: of none. */
      receiptOf?: ReceiptRequest['of'];
    }
  | {
      kind: 'status';
      accountSid: string;
      applicationSid: string | null;
      messageSid: string;
      statusHook: string;
      status: MessageStatus;
      reason: string | null;
      detail: string | null;
      from: string;
      to: string;
      carrier: string | null;
      carrierMessageIds: readonly string[];
      attempts: number;
    };

/** A message on its way out, as it stands in the queue. */
export interface OutboundItem {
  message: OutboundMessage;
  /** Rounds over the carriers so far. */
  rounds: number;
  /** Carriers that refused it for good. */
  refusedBy: readonly string[];
  /** Set while a carrier is asked: who finds it set knows that nobody can say whether it was sent. */
  trying: { voipCarrierSid: string } | null;
  /** A long message of which a carrier has taken some parts: the others follow there. */
  progress: { voipCarrierSid: string; reference: number; carrierMessageIds: readonly string[] } | null;
  /** What the last attempt came to. */
  lastTrouble: string | null;
}
