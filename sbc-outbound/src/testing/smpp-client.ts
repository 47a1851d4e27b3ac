/** A client of our SMPP server for tests. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { until } from '@ringwire/common/testing/until.js';
import type { Teardown } from '@ringwire/sbc-inbound/testing/stores.js';
import smpp, { type PDU, type PduFields, type Session } from '../messages/smpp-library.js';

/** A connection, bound or not. */
export interface SmppClientOfTest {
  readonly socket: Socket;
  readonly session: Session;
  /** What came that is no answer, except `enquire_link`. */
  readonly received: PDU[];
  /** What `deliver_sm` is answered; nothing for none. */
  onDeliver: (pdu: PDU) => PduFields | undefined;
  answersEnquiries: boolean;
  readonly enquiries: () => number;
  /** Sends a PDU and waits for its answer. */
  ask(command: string, fields?: PduFields): Promise<PDU>;
  /** Resolves when the other side has ended the connection. */
  gone(): Promise<void>;
}

/** Connects to a server on this machine; with authorities over TLS. */
export async function connectSmppClient(t: Teardown, port: number, ca?: string): Promise<SmppClientOfTest> {
  const options = { host: '127.0.0.1', port };
  const socket = ca === undefined ? connect(options) : connectTls({ ...options, ca, servername: 'localhost' });
  await once(socket, ca === undefined ? 'connect' : 'secureConnect');
  t.teardown(() => void socket.destroy());
  const session = new smpp.Session({ socket });
  session.on('error', () => {});
  let enquiries = 0;
  const client: SmppClientOfTest = {
    socket,
    session,
    received: [],
    onDeliver: () => ({}),
    answersEnquiries: true,
    enquiries: () => enquiries,
    ask: (command, fields = {}) =>
      new Promise((resolve, reject) => {
        socket.once('close', () => reject(new Error(`the connection ended before ${command} was answered`)));
        if (!session.send(new smpp.PDU(command, fields), resolve)) reject(new Error('not sent'));
      }),
    gone: async () => void (await until('the connection is gone', () => socket.closed)),
  };
  session.on('pdu', (pdu: PDU) => {
    if (pdu.command === 'enquire_link') {
      enquiries += 1;
      if (client.answersEnquiries) session.send(pdu.response());
      return;
    }
    if (pdu.isResponse()) return;
    client.received.push(pdu);
    if (pdu.command === 'unbind') session.send(pdu.response());
    if (pdu.command !== 'deliver_sm') return;
    const answer = client.onDeliver(pdu);
    if (answer !== undefined) session.send(pdu.response(answer));
  });
  return client;
}
