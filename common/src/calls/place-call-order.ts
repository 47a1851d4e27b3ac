/** What the API server asks a feature server for: a call to somebody, and what runs when he answers. */

/** A customer's address for hooks, as it stands in a request. */
export interface OrderedHook {
  url: string;
  method: 'GET' | 'POST';
  username: string | null;
  password: string | null;
}

/** Whom to call: the fields of a target of `dial`. */
export interface OrderedTarget {
  type: 'phone' | 'sip' | 'user' | 'teams';
  /** For `phone` and `teams`. */
  number?: string;
  /** For `sip`. */
  sipUri?: string;
  /** For `user`: with or without the realm. */
  name?: string;
  /** The carrier to use, by sid or name. */
  trunk?: string;
  /** For `teams`: the tenant's domain, and whether his voicemail is called. */
  tenant?: string;
  vmail?: boolean;
  proxy?: string;
  /** For `sip`: who we are where it challenges us. */
  auth?: { username: string; password: string };
  /** For `user`: user part of the Request-URI instead of the device's own. */
  overrideTo?: string;
}

/** Speech settings that take the place of the application's; columns of `applications` without their prefix. */
export interface OrderedSpeech {
  synthesisVendor?: string;
  synthesisLanguage?: string;
  synthesisVoice?: string;
  recognizerVendor?: string;
  recognizerLanguage?: string;
  synthesisLabel?: string;
  recognizerLabel?: string;
}

/** A call to be placed. */
export interface PlaceCallOrder {
  /** Made by who orders: an order that comes twice is one call. */
  callSid: string;
  accountSid: string;
  /** Null: hooks and speech settings stand in the order. */
  applicationSid: string | null;
  from: string;
  /** Display name and host of From. */
  callerName?: string;
  fromHost?: string;
  to: OrderedTarget;
  /** Instead of the application's. */
  callHook?: OrderedHook;
  callStatusHook?: OrderedHook;
  /** Verbs to run instead of asking the hook, as JSON text. */
  appJson?: string;
  /** How long it may ring. */
  timeoutMs: number;
  /** How long it may last from the answer on. */
  timeLimitMs?: number;
  /** The application's own headers of the INVITE. */
  headers: Record<string, string>;
  /** What every hook carries as `customer_data`. */
  tag?: Record<string, unknown>;
  speech: OrderedSpeech;
  /** The application's environment for this call, as JSON text, in place of its own. */
  envVars?: string;
  /** Whether the call is recorded from its answer on, whatever the application says. */
  recordAllCalls?: boolean;
  /** What the call is configured with when it is answered: properties of the verb `config`. */
  config?: Record<string, unknown>;
  /** Fields of the request that were accepted and do nothing yet. */
  notAvailable: string[];
}

/** What a feature server answers with 201: the call is on its way. */
export interface PlacedCallReply {
  sid: string;
  /** Call-ID of the leg between feature server and edge. */
  callId: string;
}

/** Path of the order at a feature server's own HTTP interface. */
export const PLACE_CALL_PATH = '/v1/createCall';
