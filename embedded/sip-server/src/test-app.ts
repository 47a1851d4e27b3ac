import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Server } from 'node:net';

/** What the tests use of drachtio-srf; its own types describe other signatures than its code has. */
export interface AppMessage {
  type: 'request' | 'response';
  status: number;
  body: string;
  source_address: string;
  calledNumber: string;
  /** The dialog's id as the server names it. */
  stackDialogId: string;
  get(name: string): string | undefined;
}
export interface AppRequest extends EventEmitter, AppMessage {
  cancel(options?: object): void;
  proxy(options?: object): Promise<unknown>;
}
export interface AppResponse {
  /** @param onPrack called with the PRACK of a reliable provisional response */
  send(
    status: number,
    options?: object,
    callback?: (err: unknown, sent?: AppMessage) => void,
    onPrack?: (prack: AppMessage) => void,
  ): void;
}
export interface ProxyOptions {
  remainInDialog?: boolean;
  path?: boolean;
  recordRoute?: boolean;
  followRedirects?: boolean;
  forking?: 'simultaneous' | 'sequential';
  provisionalTimeout?: string;
  finalTimeout?: string;
  headers?: Record<string, string>;
}
/** What `proxyRequest` resolves with; `finalStatus` is that of the last response. */
export interface ProxyResults {
  connected: boolean;
  finalStatus?: number;
  responses: Array<{ address: string; port: number; msgs: Array<{ status: number; msg: AppMessage }> }>;
}
export interface AppDialog extends EventEmitter {
  id: string;
  onHold: boolean;
  connected: boolean;
  sip: { callId: string; localTag: string; remoteTag: string };
  other?: AppDialog;
  local: { sdp: string };
  remote: { sdp: string };
  destroy(options?: { headers: Record<string, string> }): Promise<unknown>;
  modify(sdp: string): Promise<string>;
  modify(options: { noAck: true }): Promise<{ sdp: string; ack(sdp: string): void }>;
  request(options: { method: string; body?: string; headers?: Record<string, string> }): Promise<AppMessage>;
}
export interface UacOptions {
  method?: string;
  localSdp?: string;
  headers?: Record<string, string>;
  proxy?: string;
  auth?: { username: string; password: string } | object;
  noAck?: boolean;
  callingNumber?: string;
  callingName?: string;
  calledNumber?: string;
  followRedirects?: boolean;
  _socket?: unknown;
}
export interface B2buaOptions extends UacOptions {
  localSdpA?: unknown;
  localSdpB?: string | ((sdp: string) => string | Promise<string>);
  proxyRequestHeaders?: string[];
  proxyResponseHeaders?: string[];
  responseHeaders?: unknown;
  passFailure?: boolean;
  passProvisionalResponses?: boolean;
}
/** Called while a call is set up. */
export interface Callbacks {
  cbRequest?(err: unknown, req: AppRequest): void;
  cbProvisional?(res: AppMessage): void;
  cbFinalizedUac?(uac: AppDialog): void;
}
type Handler = (req: AppRequest, res: AppResponse) => void;
export interface App extends EventEmitter {
  connect(options: { host: string; port: number; secret: string; tls?: object }): void;
  listen(options: { host: string; port: number; secret: string; tls?: object }): Server;
  /** Ends an outbound connection. */
  endSession(of: AppRequest): void;
  disconnect(): void;
  invite(handler: Handler): void;
  options(handler: Handler): void;
  register(handler: Handler): void;
  message(handler: Handler): void;
  subscribe(handler: Handler): void;
  publish(handler: Handler): void;
  /** Takes a method that has no function of its own here. */
  use(method: string, handler: Handler): void;
  createUAS(
    req: AppRequest,
    res: AppResponse,
    options: { localSdp: string | (() => Promise<string>); headers?: object },
  ): Promise<AppDialog>;
  findDialogByCallIDAndFromTag(callId: string, tag: string): AppDialog | undefined;
  createUAC(
    uri: string,
    options: UacOptions & { noAck: true },
  ): Promise<{ sdp: string; ack(sdp: string): Promise<AppDialog> }>;
  createUAC(uri: string, options: UacOptions, callbacks?: Callbacks): Promise<AppDialog>;
  createB2BUA(
    req: AppRequest,
    res: AppResponse,
    uri: string,
    options: B2buaOptions,
    callbacks?: Callbacks,
  ): Promise<{ uas: AppDialog; uac: AppDialog }>;
  proxyRequest(req: AppRequest, destination: string | string[], options?: ProxyOptions): Promise<ProxyResults>;
  request(
    uri: string,
    options: { method: string; headers?: Record<string, string>; body?: string; stackDialogId?: string },
    callback: (err: unknown, req: AppRequest | undefined) => void,
  ): void;
}

/** The real, unmodified drachtio-srf. */
export function newApp(tags: string[] = []): App {
  const Srf = createRequire(import.meta.url)('drachtio-srf') as new (tags: string[]) => App;
  return new Srf(tags);
}
