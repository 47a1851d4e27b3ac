import { type ClientTransaction, type Endpoint, endpointOfUri, nextHop, type SipMessage } from '@ringwire/sip';
import type { BridgeContext } from './bridge-context.js';
import type { ServerDialog } from './dialog-store.js';

/** Where a request inside a dialog goes: its route or the peer's Contact, over TCP when the peer is known to use it. */
export function dialogDestination(dialog: ServerDialog, request: SipMessage): Endpoint | undefined {
  const hop = nextHop(request) ?? endpointOfUri(dialog.state.remoteTarget);
  const route = request.get('Route') ?? dialog.state.remoteTarget;
  if (hop && dialog.transport === 'tcp' && !/;\s*transport=/i.test(route)) return { ...hop, transport: 'tcp' };
  return hop;
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
export function hangUp(context: BridgeContext, dialog: ServerDialog, reason: string): SipMessage | undefined {
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
  sendInDialog(context, dialog, bye);
  return bye;
}
