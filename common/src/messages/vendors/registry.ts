import { telnyx } from './telnyx.js';
import { twilio } from './twilio.js';
import type { MessageVendor } from './vendor.js';

/** Vendors whose HTTP protocol is spoken, by the word that `http_message_gateways.vendor` holds. */
export const MESSAGE_VENDORS = { twilio, telnyx } as const satisfies Record<string, MessageVendor>;
/** One of {@link MESSAGE_VENDORS}. */
export type MessageVendorName = keyof typeof MESSAGE_VENDORS;
/** The words themselves. */
export const MESSAGE_VENDOR_NAMES = Object.keys(MESSAGE_VENDORS) as MessageVendorName[];
