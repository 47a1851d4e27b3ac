/** Live calls as the API server finds them, and what it has done to them. */

/** What Redis has of a live call: a field of its feature server's ledger. No secrets. */
export interface LiveCallEntry {
  callSid: string;
  accountSid: string;
  applicationSid: string;
  /** Ms since the epoch; absent while unanswered. */
  answeredAt?: number;
  /** jambonz's common payload, camelCase, as of the last status. */
  payload: Record<string, unknown>;
}

/** A REST update of a live call, for the feature server that holds it. */
export interface UpdateCallOrder {
  /** Made by who sends it: an order that comes twice is done once. */
  orderId: string;
  /** The call, or a leg that it has called. */
  callSid: string;
  accountSid: string;
  /** As it was sent (compat 4.2), read by the feature server. */
  body: unknown;
}

/** Path of the update at a feature server's own HTTP interface. */
export const UPDATE_CALL_PATH = '/v1/updateCall';
