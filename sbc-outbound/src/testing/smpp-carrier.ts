/** A carrier's SMPP gateway for tests: the server of the package `smpp`, which answers as a test wants. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Teardown } from '@ringwire/sbc-inbound/testing/stores.js';
import smpp, { type PDU, type PduFields, type Session } from '../messages/smpp-library.js';

/** What is done with a `submit_sm`: fields of the answer, or nothing for none. */
export type OnSubmit = (pdu: PDU, session: Session) => PduFields | undefined;

/** A running gateway. */
export interface SmppCarrier {
  readonly port: number;
  /** What was submitted, in order. */
  readonly submitted: PDU[];
  /** What was asked at binding. */
  readonly binds: PDU[];
  readonly enquiries: () => number;
  /** Links that are bound. */
  readonly sessions: Session[];
  onSubmit: OnSubmit;
  /** Status of the answer to a bind. */
  bindStatus: number;
  /** Whether it answers `enquire_link`. */
  answersEnquiries: boolean;
  /** Delivers something over the last link; resolves with the status of the answer. */
  deliver(fields: PduFields): Promise<number>;
  /** Ends all links; it still listens. */
  dropLinks(): void;
  close(): Promise<void>;
}

/** Accepts everything, with ids `id-1`, `id-2`, … */
export const acceptAll = (): OnSubmit => {
  let count = 0;
  return () => ({ message_id: `id-${++count}` });
};

/** Starts a gateway on a free port of 127.0.0.1, or on a given one; with a key and a certificate over TLS. */
export async function startSmppCarrier(
  t: Teardown,
  port = 0,
  tls: { key?: string; cert?: string } = {},
): Promise<SmppCarrier> {
  let enquiries = 0;
  const all = new Set<Session>();
  const server = smpp.createServer(tls, (session) => {
    all.add(session);
    session.on('error', () => session.destroy());
    session.on('close', () => {
      all.delete(session);
      carrier.sessions.splice(0, carrier.sessions.length, ...carrier.sessions.filter((one) => one !== session));
    });
    session.on('pdu', (pdu: PDU) => {
      switch (pdu.command) {
        case 'bind_transceiver':
        case 'bind_receiver':
          carrier.binds.push(pdu);
          if (carrier.bindStatus === 0) carrier.sessions.push(session);
          session.send(pdu.response({ command_status: carrier.bindStatus, system_id: 'carrier' }));
          return;
        case 'submit_sm': {
          carrier.submitted.push(pdu);
          const answer = carrier.onSubmit(pdu, session);
          if (answer !== undefined) session.send(pdu.response(answer));
          return;
        }
        case 'enquire_link':
          enquiries += 1;
          if (carrier.answersEnquiries) session.send(pdu.response());
          return;
        case 'unbind':
          session.send(pdu.response());
          session.close();
      }
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const carrier: SmppCarrier = {
    port: (server.address() as AddressInfo).port,
    submitted: [],
    binds: [],
    enquiries: () => enquiries,
    sessions: [],
    onSubmit: acceptAll(),
    bindStatus: 0,
    answersEnquiries: true,
    deliver: (fields) =>
      new Promise((resolve, reject) => {
        const session = carrier.sessions.at(-1);
        if (session === undefined) return reject(new Error('no link is bound'));
        const isSent = session.deliver_sm(fields, (answer) => resolve(answer.command_status));
        if (!isSent) reject(new Error('the link is closing'));
      }),
    dropLinks() {
      for (const session of all) session.destroy();
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      carrier.dropLinks();
      await closed;
    },
  };
  t.teardown(() => carrier.close());
  return carrier;
}
