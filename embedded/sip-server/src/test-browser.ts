import { once } from 'node:events';
import { parseMessage, SipMessage } from '@ringwire/sip';
import { WebSocket } from 'ws';
import { type Teardown, until } from './test-rig.js';

/** A browser phone as JsSIP frames messages: made-up host, one SIP message per text frame, in order. */
export async function browser(t: Teardown, url: string, ca?: string) {
  const socket = new WebSocket(url, 'sip', ca === undefined ? {} : { ca });
  t.teardown(() => socket.terminate());
  const inbox: SipMessage[] = [];
  socket.on('message', (data: Buffer) => {
    const parsed = parseMessage(data);
    if (parsed.ok) inbox.push(parsed.message);
  });
  await once(socket, 'open');
  const host = 'k3i8fj2ls0d1.invalid';
  const contact = `<sip:abc@${host};transport=ws>`;
  const request = (method: string, more: Record<string, string> = {}, body = ''): SipMessage => {
    const made = SipMessage.request(method, 'sip:100@ringwire.test');
    made
      .add('Via', `SIP/2.0/${ca === undefined ? 'WS' : 'WSS'} ${host};branch=z9hG4bK${method}${Math.random()}`)
      .add('Max-Forwards', '69');
    made.add('To', more.To ?? '<sip:100@ringwire.test>').add('From', '<sip:abc@ringwire.test>;tag=us');
    made
      .add('Call-ID', more['Call-ID'] ?? 'call1')
      .add('CSeq', more.CSeq ?? `1 ${method}`)
      .add('Contact', contact);
    if (body !== '') made.setBody(body, 'application/sdp');
    return made;
  };
  const send = (message: SipMessage): void => socket.send(message.toString());
  const received = async (wanted: (message: SipMessage) => boolean): Promise<SipMessage> => {
    await until(() => inbox.some(wanted));
    return inbox.find(wanted)!;
  };
  return { socket, request, send, received, contact };
}
