import {
  type ClientTransaction,
  defaultPort,
  type Endpoint,
  endpointOfUri,
  nextHopUri,
  parseUri,
  type SipMessage,
  type TransportName,
} from '@ringwire/sip';
import { type BridgeContext, describe, heardOn } from './bridge-context.js';
import type { CallEnd } from './call-records.js';
import type { ServerDialog } from './dialog-store.js';

/**
 * Where a request inside a dialog goes: where the peer was heard when it is behind NAT over UDP; else its route or the
 * peer's Contact, over the peer's transport where that says none, and on the connection on which the peer was heard where it
 * cannot be reached otherwise. It leaves by the socket on which the peer was heard, which a NAT on the way lets pass.
 */
export function dialogDestination(dialog: ServerDialog, request: SipMessage): Endpoint | undefined {
  const to = destinationOf(dialog, request);
  const from = heardOn(dialog.peer);
  return to && from && to.connectionId === undefined ? { ...to, from } : to;
}

function destinationOf({ behindNat, peer, state }: ServerDialog, request: SipMessage): Endpoint | undefined {
  if (behindNat && peer.transport === 'udp') return { transport: 'udp', host: peer.host, port: peer.port };
  const isRouted = request.has('Route');
  const uri = nextHopUri(request) ?? state.remoteTarget;
  const hop = endpointOfUri(uri);
  // TCP that was only chosen for the size of the first request says nothing of the others.
  if (!hop || peer.transport === 'udp' || (peer.transport === 'tcp' && peer.open?.transport)) return hop;
  const isPeer = !isRouted || hop.host === peer.host;
  // A browser has no address but its connection (RFC 7118 §5).
  if (peer.transport === 'ws' || peer.transport === 'wss') return isPeer ? peer : hop;
  const target = /;\s*transport=/i.test(uri) ? hop : overTransport(peer.transport, hop, uri);
  if (target.transport !== peer.transport || peer.connectionId === undefined) return target;
  // TLS (RFC 5923): reused. TCP: reused when the Contact is not where the peer is, thus behind NAT.
  const reuses = peer.transport === 'tls' ? isPeer : !isRouted && hop.host !== peer.host;
  return reuses ? { ...target, connectionId: peer.connectionId } : target;
}

function overTransport(transport: TransportName, { host }: Endpoint, uri: string): Endpoint {
  const port = parseUri(uri)?.port;
  const to = { transport, host, port: port ?? defaultPort(transport) };
  return port === undefined ? { ...to, open: { transport: false, port: true } } : to;
}

/** Sends a request inside a dialog. */
export function sendInDialog(context: BridgeContext, dialog: ServerDialog, request: SipMessage): ClientTransaction {
  const destination = dialogDestination(dialog, request);
  return context.layer.sendRequest(request, destination ? { destination } : {});
}

/**
 * Ends a dialog on the wire without its application: ACKs what waits for an ACK, then BYE. A 2xx of ours is given its time
 * to be acknowledged first (RFC 3261 §15: the callee must not send BYE before).
 */
export function hangUp(
  context: BridgeContext,
  dialog: ServerDialog,
  reason: string,
  end: CallEnd = 'system-initiated-termination',
  onSent: (bye: ClientTransaction) => void = () => {},
): SipMessage | undefined {
  const { unacknowledged, ack, state } = dialog;
  if (dialog.lapsesAtMs !== undefined) {
    context.dialogs.remove(dialog);
    return undefined;
  }
  if (unacknowledged && !unacknowledged.acknowledged && unacknowledged.state === 'accepted') {
    // The listeners of `acknowledged` and of the time-out come back here.
    return undefined;
  }
  context.dialogs.remove(dialog);
  if (dialog.ending) return undefined;
  dialog.ending = true;
  dialog.reinvite?.cancel();
  if (ack && !ack.message) {
    ack.message = state.makeAck(ack.seq);
    context.layer.sendAck(ack.message, dialogDestination(dialog, ack.message));
  }
  const bye = state.makeRequest('BYE').add('Reason', reason);
  context.records.stop('application', bye, end);
  onSent(sendInDialog(context, dialog, bye));
  return bye;
}

/** Ends a dialog on the server's own account, and tells its application. */
export function endByServer(context: BridgeContext, dialog: ServerDialog, reason: string, end?: CallEnd): void {
  const bye = hangUp(context, dialog, reason, end);
  if (bye) tellBye(dialog, bye);
}

/** The server itself ended a dialog: its application hears of the BYE that was sent. */
export function tellBye(dialog: ServerDialog, bye: SipMessage): void {
  const text = bye.toString();
  const { peer } = dialog;
  dialog.client.sendSip(
    `${describe('application', text, peer)}|unsolicited|${dialog.id}|${peer.host}|${peer.port}`,
    text,
  );
}
