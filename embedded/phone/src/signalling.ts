import { createSocket } from 'node:dgram';
import type { Dialog, SipMessage } from '@ringwire/sip';
import type { MediaDescription } from './media-description.js';
import type { PhoneCall, SeenResponse } from './phone-call.js';

/** Headers of a message by lower-case name. */
export function headersOf(message: SipMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { key, value } of message.headers) headers[key] = key in headers ? `${headers[key]}, ${value}` : value;
  return headers;
}

/** A response as the phone reports it. */
export function seen(response: SipMessage): SeenResponse {
  return { status: response.status, reason: response.reason, headers: headersOf(response), at: Date.now() };
}

/** Ties a confirmed dialog to a call: BYE both ways, loss, re-INVITE. */
export function bindDialog(call: PhoneCall, dialog: Dialog, description: MediaDescription): void {
  dialog.on('reinvite', (reinvite) => {
    if (reinvite.sdp === '') {
      // The answer comes with the ACK (RFC 3261 §14.2).
      dialog.once('ack', (ack) => {
        if (ack.body.length > 0) description.accept(ack.bodyText);
      });
      reinvite.accept(description.offer());
      return;
    }
    const answer = description.answer(reinvite.sdp, true);
    if (answer.ok) reinvite.accept(answer.sdp);
    else reinvite.reject(488);
  });
  dialog.on('ended', ({ by, request }) => {
    // Our own BYE is reported by hangup(), once it has been answered.
    if (by !== 'local') void call.end(by === 'remote' ? 'them' : 'transport', request ? headersOf(request) : {});
  });
  call.answer({
    async bye(headers) {
      await dialog.bye(headers);
    },
  });
}

/** The local address from which the system would reach a host. */
export async function localHostTowards(host: string, port: number): Promise<string> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(port, host, resolve);
    });
    return socket.address().address;
  } finally {
    socket.close();
  }
}

/**
 * Asks with a keep-alive (RFC 5626 §3.5.1: CRLF CRLF, which no SIP server takes for a message) whether the system knows
 * that nobody listens on a UDP port. Only a connected socket is told.
 * @returns what the system said; undefined when the signal was aborted first.
 */
export function whenRefused(host: string, port: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const settle = (why?: string): void => {
      signal.removeEventListener('abort', stop);
      socket.removeAllListeners().on('error', () => socket.unref());
      socket.close();
      resolve(why);
    };
    const stop = (): void => settle();
    signal.addEventListener('abort', stop, { once: true });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      settle(error.code === 'ECONNREFUSED' ? `nothing listens on UDP port ${port} of ${host}` : error.message),
    );
    socket.connect(port, host, () => socket.send('\r\n\r\n'));
    if (signal.aborted) stop();
  });
}
