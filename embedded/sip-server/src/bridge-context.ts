import type { Logger } from '@ringwire/common/log/logger.js';
import {
  bracketed,
  type ClientTransaction,
  type Endpoint,
  type MessageSource,
  type ReliableProvisionals,
  type ServerTransaction,
  type ShortLivedMap,
  type SipMessage,
  type TransactionLayer,
  transportParam,
} from '@ringwire/sip';
import { type OwnAddress, PROTOCOL } from './app-message.js';
import type { CallRecords } from './call-records.js';
import type { ClientRegistry } from './control/client-registry.js';
import type { ControlClient } from './control/control-client.js';
import type { DialogStore, ServerDialog } from './dialog-store.js';
import type { FlowWatch } from './flow-watch.js';
import type { NatDetection } from './nat.js';
import type { SipProxy } from './proxy/proxy.js';
import type { RequestPolicy } from './request-policy.js';
import type { ServerCounters } from './server-counters.js';

/** A request of the network that an application has to answer. */
export interface PendingServer {
  id: string;
  transaction: ServerTransaction;
  /** undefined while the request-handler is asked. */
  client: ControlClient | undefined;
  /** The dialog in which it came, or the early dialog that our 18x to this INVITE made. */
  dialog: ServerDialog | undefined;
  /** Reliable provisional responses to this INVITE. */
  reliable: ReliableProvisionals | undefined;
  /** The application's 2xx, which waits for a PRACK. */
  held: SipMessage | undefined;
  /** When it is given up, in ms of the monotonic clock. */
  deadlineMs: number;
}

/** A request of an application that the network has to answer. */
export interface PendingClient {
  id: string;
  transaction: ClientTransaction;
  client: ControlClient;
  /** The dialog in which it was sent, or that its 2xx made. */
  dialog: ServerDialog | undefined;
  /** Early dialogs that 18x to this INVITE made: several where it was forked. */
  early: ServerDialog[];
  /** The application wants no answer any more. */
  cancelled: boolean;
}

/** What the two directions share. */
export interface BridgeContext {
  layer: TransactionLayer;
  registry: ClientRegistry;
  dialogs: DialogStore;
  pendingServers: ShortLivedMap<string, PendingServer>;
  pendingClients: ShortLivedMap<string, PendingClient>;
  proxy: SipProxy;
  counters: ServerCounters;
  records: CallRecords;
  policy: RequestPolicy;
  nat: NatDetection;
  flows: FlowWatch;
  logger: Logger;
}

/** How long an application may leave an INVITE, or another request, without final response. */
export const ANSWER_INVITE_WITHIN_MS = 600_000;
export const ANSWER_WITHIN_MS = 30_000;

/** `network|<bytes>|udp|<ip>|<port>|<time>`: where a message came from or went to, as applications read it. */
export function describe(source: 'network' | 'application', text: string, peer: Endpoint): string {
  return `${source}|${Buffer.byteLength(text)}|${PROTOCOL[peer.transport]}|${peer.host}|${peer.port}|${clockTime()}`;
}

let clockMs = -1;
let clockText = '';

/** hh:mm:ss.micro (UTC); written once a millisecond. */
export function clockTime(): string {
  const now = Date.now();
  if (now !== clockMs) {
    clockMs = now;
    clockText = `${new Date(now).toISOString().slice(11, 23)}000`;
  }
  return clockText;
}

/** The id under which applications know a dialog. */
export function dialogId(callId: string, fromTag: string): string {
  return `${callId};from-tag=${fromTag}`;
}

/** Our address as this peer reaches it: that of the socket on which it was heard, where it was. */
export function ownAddress(layer: TransactionLayer, peer: Endpoint | MessageSource): OwnAddress {
  const { host, port, transport } = layer.addressFor(peer.transport, peer.host, heardOn(peer));
  return { host: bracketed(host), port, transport };
}

/** The socket of ours that a peer knows; undefined before it was heard. */
export function heardOn(peer: Endpoint | MessageSource): Endpoint | undefined {
  return 'local' in peer ? peer.local : peer.from;
}

/**
 * The Contact that the server puts where the application gives none.
 * @param isSecure whether what it answers or sends asks for `sips` (RFC 3261 §8.1.1.8, §12.1.1)
 */
export function contactOf({ host, port, transport }: OwnAddress, isSecure = false): string {
  if (!isSecure || (transport !== 'tls' && transport !== 'wss'))
    return `<sip:${host}:${port}${transportParam(transport)}>`;
  return `<sips:${host}:${port}${transport === 'tls' ? '' : transportParam(transport)}>`;
}

/** Whether the Contact that belongs to a request, ours or the one in its answer, has to be `sips` (RFC 3261 §8.1.1.8, §12.1.1). */
export function asksForSips(request: SipMessage, routes: 'Route' | 'Record-Route'): boolean {
  const [route] = request.getList(routes);
  const nearest = route ?? (routes === 'Record-Route' ? (request.get('Contact') ?? '') : '');
  return /^sips:/i.test(request.uri) || /^[^<]*<?sips:/i.test(nearest);
}

/** Hands a message of the network to an application. */
export function passUp(
  client: ControlClient,
  message: SipMessage,
  peer: Endpoint,
  local: Endpoint,
  transactionId: string,
  dialog: string,
): void {
  const text = message.toString();
  client.sendSip(`${describe('network', text, peer)}|${transactionId}|${dialog}|${local.host}|${local.port}`, text);
}
