import type { ConnectedSrf } from './connect-srf.js';

/** Headers of a message as drachtio-srf keeps them: repeated headers are joined by commas. */
export type SipHeaders = Record<string, string>;

/** A parsed name-addr header (From, To, Contact). `uri` is the text between the angle brackets. */
export interface NameAddr {
  name?: string;
  uri: string;
  params: Record<string, string | undefined>;
}

/** What requests and responses have in common. */
export interface SipMessageView {
  headers: SipHeaders;
  body: string;
  payload?: { type?: string | null; content?: string }[];
  get(name: string): string | undefined;
  has(name: string): boolean;
  /** Throws when the header is missing or cannot be parsed. */
  getParsedHeader(name: 'from' | 'to'): NameAddr;
  getParsedHeader(name: 'contact'): NameAddr[];
}

/** A SIP request, received or sent. */
export interface SipRequest extends SipMessageView {
  method: string;
  uri: string;
  source_address: string;
  source_port: number;
  protocol: string;
  /** `application`: a request of the SIP server itself, which takes no answer. */
  source: 'network' | 'application';
  /** `ip:port` of the listener it came in on; absent on older SIP servers. */
  receivedOn?: string;
  on(event: 'cancel', listener: (cancel: SipMessageView) => void): this;
  on(event: 'response', listener: (response: SipResponse) => void): this;
  /** Cancels a request that we sent. */
  cancel(options?: { headers?: SipHeaders }, callback?: (error: unknown) => void): void;
}

/** What may be sent with a response. */
export interface ResponseOptions {
  headers?: SipHeaders;
  body?: string;
}

/** A SIP response, received or being sent. */
export interface SipResponse extends SipMessageView {
  status: number;
  reason: string;
  readonly finalResponseSent: boolean;
  /** Puts a header on every response that is sent from now on; one that is given to `send` as well is there twice, joined by a comma. */
  set(name: string, value: string): unknown;
  send(
    status: number,
    reason?: string,
    options?: ResponseOptions,
    callback?: (error: unknown, sent?: SipMessageView) => void,
  ): void;
}

/** An established dialog. */
export interface SipDialog {
  readonly id: string;
  readonly type: 'uas' | 'uac';
  readonly sip: { callId: string; localTag: string; remoteTag: string };
  readonly local: { uri: string; sdp: string; contact: string };
  readonly remote: { uri: string; sdp: string };
  readonly req: SipRequest;
  readonly res: SipResponse;
  readonly connected: boolean;
  /** Its owner, which hands it the peer's requests until it is removed. */
  readonly srf: { removeDialog(dialog: SipDialog): void };
  /** While true, requests that come in are kept and handled when it becomes false. */
  set queueRequests(value: boolean);
  on(event: 'destroy', listener: (bye: SipMessageView) => void): this;
  on(
    event: 'modify' | 'update' | 'info' | 'refer' | 'message' | 'notify' | 'options',
    listener: (request: SipRequest, response: SipResponse) => void,
  ): this;
  on(event: 'ack', listener: (ack: SipRequest) => void): this;
  once(event: 'ack', listener: (ack: SipRequest) => void): this;
  off(event: 'ack' | 'destroy', listener: (message: SipRequest) => void): this;
  destroy(options: { headers?: SipHeaders }, callback: (error: unknown) => void): unknown;
  /** `ack` is given with a 200 to an INVITE that was sent with `noAck` and without body: it is then the caller's to send. */
  request(
    options: { method: string; headers?: SipHeaders; body?: string; noAck?: boolean },
    callback: (error: unknown, response?: SipResponse, ack?: (options: { body: string }) => void) => void,
  ): void;
  removeAllListeners(): this;
}

/** The answered but not acknowledged far end of an INVITE that carried no offer. */
export interface PendingDialog {
  sdp: string;
  res: SipResponse;
  /** Sends the ACK with our answer; resolves to the dialog. */
  ack(sdp: string): Promise<SipDialog>;
  /** Acknowledges and hangs up. */
  destroy(): Promise<void>;
}

/** What to send with a new outgoing INVITE. */
export interface UacOptions {
  headers: SipHeaders;
  /** Missing: the INVITE carries no offer and the result is a {@link PendingDialog}. */
  localSdp?: string;
  noAck?: boolean;
  proxy?: string;
}

/** The part of drachtio-srf that the edges use, with its real types. */
export interface SipStack {
  invite(handler: (request: SipRequest, response: SipResponse) => void): void;
  options(handler: (request: SipRequest, response: SipResponse) => void): void;
  register(handler: (request: SipRequest, response: SipResponse) => void): void;
  message(handler: (request: SipRequest, response: SipResponse) => void): void;
  subscribe(handler: (request: SipRequest, response: SipResponse) => void): void;
  publish(handler: (request: SipRequest, response: SipResponse) => void): void;
  notify(handler: (request: SipRequest, response: SipResponse) => void): void;
  createUAC(
    uri: string,
    options: UacOptions,
    progress: {
      cbRequest(error: unknown, request?: SipRequest): void;
      cbProvisional(response: SipResponse): void;
    },
  ): Promise<SipDialog | PendingDialog>;
  createUAS(
    request: SipRequest,
    response: SipResponse,
    options: { headers: SipHeaders; localSdp: string },
  ): Promise<SipDialog>;
  createUAS(
    request: SipRequest,
    response: SipResponse,
    options: { headers: SipHeaders; localSdp: string },
    callback: (error: unknown, dialog?: SipDialog) => void,
  ): unknown;
  request(
    uri: string,
    options: { method: string; headers: SipHeaders; body?: string; proxy?: string },
    callback: (error: unknown, request?: SipRequest) => void,
  ): unknown;
  /** The SIP server passes a request on by itself, and what comes after it; rejects when it was not forwarded. */
  proxyRequest(
    request: SipRequest,
    destinations: string[],
    options: { remainInDialog?: boolean; forking?: 'sequential' | 'simultaneous'; followRedirects?: boolean },
  ): Promise<unknown>;
  /** The control connection broke, or is back; see `connectSrf`. */
  on(event: 'lost' | 'restored', listener: () => void): this;
}

/**
 * Gives drachtio-srf the types that it really has: its own declarations lack half of what it offers and describe some of
 * the rest wrongly. The only cast at that border.
 */
export function asSipStack(srf: ConnectedSrf): SipStack {
  return srf as unknown as SipStack;
}
