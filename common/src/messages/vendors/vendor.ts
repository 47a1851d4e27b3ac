import { timingSafeEqual } from 'node:crypto';
import type { DeliveryState } from '../delivery-receipt.js';
import type { OutboundMessage } from '../types.js';

/** How a carrier is reached over HTTP. */
export interface HttpMessageAccount {
  /** Base URL instead of the vendor's own; without a slash at the end. */
  baseUrl: string | null;
  username: string | null;
  /** Password, API key or token. */
  password: string | null;
}

/** A request to a vendor. */
export interface VendorRequest {
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** What a carrier says of a message, whatever it speaks. */
export type SubmitResult =
  | { kind: 'accepted'; carrierMessageIds: readonly string[] }
  /** Not now: it was not accepted, and may be tried again. */
  | { kind: 'busy'; detail: string }
  /** This carrier will not take it; another may. */
  | { kind: 'refused'; detail: string; isConfiguration?: boolean }
  /** Nobody will: the number does not exist. */
  | { kind: 'invalid'; detail: string }
  /** Nobody knows whether it was accepted. */
  | { kind: 'unknown'; detail: string };

/** What a vendor's webhook tells. */
export type VendorEvent =
  | { kind: 'message'; id: string; from: string; to: string; text: string; media: readonly string[] }
  | { kind: 'receipt'; carrierMessageId: string; state: DeliveryState; detail: string };

/** A webhook, as far as a signature covers it. */
export interface SignedRequest {
  /** By which the vendor may have asked for it. */
  urls: readonly string[];
  /** A header's value; empty when it is not there. */
  header(name: string): string;
  /** Whether the body is form fields. */
  isForm: boolean;
  rawBody: Buffer;
}

/** Whether two texts are the same; takes as long for a wrong one as for one that is nearly right. */
export function isSameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

/** One vendor's HTTP protocol. Pure: requests are made and received elsewhere. */
export interface MessageVendor {
  /** The request that sends a message. `callbackUrl` is where the vendor is to report what becomes of it. */
  request(message: OutboundMessage, account: HttpMessageAccount, callbackUrl: string | undefined): VendorRequest;
  /** Reads the answer; any status, any body. */
  readAnswer(status: number, body: string): SubmitResult;
  /** Reads what the vendor posts to us, form fields or JSON; undefined when it is neither message nor receipt. */
  readEvent(body: Readonly<Record<string, unknown>>): VendorEvent | undefined;
  /** Whether the vendor has signed a webhook. @param secret - what {@link secretProblem} finds nothing wrong with */
  isGenuine(request: SignedRequest, secret: string, nowMs: number): boolean;
  /** What is wrong with the secret (or key) by which signatures are checked; undefined: nothing. */
  secretProblem(secret: string): string | undefined;
  /** What a webhook of the vendor is answered with. */
  readonly reply: { contentType: string; body: string };
}

/** Longest text of a vendor that is kept, of ids and reasons. */
const MAX_DETAIL = 200;

/** A text of a JSON object or form; empty when it is none. */
export const textOf = (value: unknown, max = MAX_DETAIL): string =>
  typeof value === 'string' ? value.slice(0, max) : typeof value === 'number' ? String(value) : '';

/** An object of JSON; empty when it is none. */
export const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

/** Parses an answer; empty when it is not a JSON object. */
export function jsonOf(body: string): Readonly<Record<string, unknown>> {
  try {
    return objectOf(JSON.parse(body));
  } catch {
    // A proxy's page, for instance: the status says what there is to say.
    return {};
  }
}

/** What a status says where the body says nothing better. */
export function resultOfStatus(status: number, detail: string): SubmitResult {
  const shown = detail === '' ? `HTTP ${status}` : `HTTP ${status}: ${detail}`;
  // A proxy may answer for a vendor that is down (503), or that did not answer in time (502, 504): only the first says "not accepted".
  if (status === 429 || status === 503) return { kind: 'busy', detail: shown };
  if (status === 401 || status === 403) return { kind: 'refused', detail: shown, isConfiguration: true };
  if (status >= 500 || status < 400) return { kind: 'unknown', detail: shown };
  return { kind: 'refused', detail: shown };
}

/** E.164 with plus; what is no number (a short code, a name) goes as it is. */
export const withPlus = (address: string): string => (/^[1-9]\d{6,14}$/.test(address) ? `+${address}` : address);
