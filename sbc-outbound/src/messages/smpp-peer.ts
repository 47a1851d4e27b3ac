import type { Socket } from 'node:net';
import type { Logger, SubmitResult } from '@ringwire/common';
import type { Received, WantedReceipt } from './receiver.js';
import smpp, { type PDU, type PduFields, type Session } from './smpp-library.js';
import type { MessageLink, SmppTimings } from './smpp-link.js';
import { readSubmitStatus, SMPP_STATUS } from './smpp-status.js';
import { SubmitWindow } from './submit-window.js';

/** What a client has bound for (SMPP 3.4 §2.2): to send us messages, to be sent messages, or both. */
export type BindMode = 'transmitter' | 'receiver' | 'transceiver';

/** A client that has proven who it is. */
export interface SmppClient {
  voipCarrierSid: string;
  /** For logs. */
  name: string;
  /** Silence after which it is asked whether it is there, ms; null: the platform's own. */
  enquireLinkMs: number | null;
}

/** What {@link SmppPeer} needs. */
export interface SmppPeerOptions {
  socket: Socket;
  logger: Logger;
  timings: Pick<SmppTimings, 'responseMs' | 'enquireLinkMs'>;
  /** Who a login is of; undefined refuses it. */
  authenticate: (login: { systemId: string; password: string }) => SmppClient | undefined;
  /** Told when a login was refused, or none came in time. */
  onRefused: () => void;
  /** Takes what the client sends; it is answered when that resolves. */
  onMessage: (client: SmppClient, pdu: PDU, wanted: WantedReceipt | null) => Promise<Received>;
  /** Told once, when the connection is gone. */
  onEnd: () => void;
}

const MODES: Readonly<Record<string, BindMode>> = {
  bind_transmitter: 'transmitter',
  bind_receiver: 'receiver',
  bind_transceiver: 'transceiver',
};
/** A header alone (SMPP 3.4 §3.2). */
const MIN_PDU_BYTES = 16;
/** Messages of one client in hand; beyond them it is told that our queue is full. */
const MAX_IN_HAND = 100;
/** A client that sends and does not read what it is answered is left. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** How many of ours a client may leave without answer; what clients take is not known, and this is what most do. */
const WINDOW = 10;
/** A wrong password is answered after so long, so that guessing takes its time. */
const REFUSAL_MS = 1_000;
const RECEIVED_STATUS: Record<Received['answer'], number> = {
  taken: SMPP_STATUS.ok,
  later: SMPP_STATUS.queueFull,
  never: SMPP_STATUS.submitFailed,
};

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** `registered_delivery` (SMPP 3.4 §5.2.17): 1 asks for a receipt of any outcome, 2 of a failure. */
function wantedReceipt({ registered_delivery: asked }: PDU): WantedReceipt | null {
  const bits = typeof asked === 'number' ? asked & 0x03 : 0;
  return bits === 1 ? 'any' : bits === 2 ? 'failure' : null;
}

/**
 * A connection of a client to our SMPP server (SMPP 3.4). It must bind in time, is asked whether it is there when it is silent, and is left
 * when it does not answer. Never throws at what a client sends.
 */
export class SmppPeer implements MessageLink {
  readonly #options: SmppPeerOptions;
  readonly #session: Session;
  readonly #window = new SubmitWindow({ size: WINDOW, maxPerSecond: null });
  readonly isLoginRefused = false;
  readonly #late: NodeJS.Timeout;
  #client: SmppClient | undefined;
  #mode: BindMode | undefined;
  #inHand = 0;
  #isBinding = false;
  #isEnded = false;
  /** Unbinds when nothing is on its way. */
  #isLeaving = false;
  #watch: NodeJS.Timeout | undefined;

  constructor(options: SmppPeerOptions) {
    this.#options = options;
    const { socket, timings } = options;
    // One listener for each message without answer.
    socket.setMaxListeners(0);
    const session = new smpp.Session({ socket });
    this.#session = session;
    this.#late = setTimeout(() => {
      if (!this.#isBinding) options.onRefused();
      this.#drop('it has not bound in time');
    }, timings.responseMs);
    session.on('error', (err: Error) => this.#drop(err.message));
    session.on('pdu', (pdu: PDU) => this.#onPdu(pdu));
    // The library waits for ever for the rest of a PDU that says it is shorter than a header.
    socket.on('readable', () => {
      const { _command_length: length } = session;
      if (typeof length === 'number' && length < MIN_PDU_BYTES) this.#drop(`it sends a PDU of ${length} octets`);
    });
    socket.once('close', () => this.#ended());
  }

  /** Who it is; undefined until it has bound. */
  get client(): SmppClient | undefined {
    return this.#client;
  }

  /** Whether messages and receipts can be sent to it. */
  get isBound(): boolean {
    return !this.#isEnded && !this.#isLeaving && (this.#mode === 'receiver' || this.#mode === 'transceiver');
  }

  /** Messages without answer, and those that wait to be sent. */
  get load(): number {
    return this.#window.load;
  }

  /** Why nothing can be sent. */
  get trouble(): string {
    return 'its client is not bound';
  }

  /**
   * Sends the client a `deliver_sm`, with fields as those of `submit_sm`. Never rejects.
   *
   * @param waitMs - how long it may wait for a place in the window
   * @param beforeSend - called once there is a place; false gives it up
   */
  async submit(
    fields: PduFields,
    waitMs: number,
    beforeSend: () => Promise<boolean>,
  ): Promise<SubmitResult | 'given up'> {
    if (!this.isBound) return { kind: 'busy', detail: this.trouble };
    if (!(await this.#window.enter(waitMs))) return { kind: 'busy', detail: 'the client takes no more at the moment' };
    try {
      if (!(await beforeSend())) return 'given up';
      if (!this.isBound) return { kind: 'busy', detail: this.trouble };
      // Only who submits asks for receipts.
      const { registered_delivery: _, ...rest } = fields;
      return await this.#exchange(rest);
    } finally {
      this.#window.leave();
      this.#endIfIdle();
    }
  }

  /** Takes no more, and ends the connection when what is on its way is answered, or after the time that answers have. */
  leave(): void {
    if (this.#isEnded || this.#isLeaving) return;
    this.#isLeaving = true;
    this.#window.dismiss();
    clearTimeout(this.#late);
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.close(), this.#options.timings.responseMs);
    this.#endIfIdle();
  }

  /** Says goodbye and ends the connection. */
  close(): void {
    if (this.#isEnded) return;
    if (this.#mode !== undefined) this.#session.unbind({});
    this.#session.close();
    // Who does not answer is not waited for.
    setTimeout(() => this.#session.destroy(), REFUSAL_MS).unref();
  }

  #endIfIdle(): void {
    if (this.#isLeaving && this.#window.load === 0 && this.#inHand === 0) this.close();
  }

  #exchange(fields: PduFields): Promise<SubmitResult> {
    const session = this.#session;
    const { responseMs } = this.#options.timings;
    return new Promise((resolve) => {
      const settle = (result: SubmitResult): void => {
        clearTimeout(timer);
        session.socket.off('close', onClose);
        resolve(result);
      };
      const onClose = (): void => settle({ kind: 'unknown', detail: 'the client went before it answered' });
      const timer = setTimeout(() => {
        settle({ kind: 'unknown', detail: `the client did not answer within ${responseMs} ms` });
        this.#drop('an answer did not come');
      }, responseMs);
      session.socket.on('close', onClose);
      const isSent = session.deliver_sm(fields, (answer) =>
        settle(readSubmitStatus(answer.command_status, answer.message_id)),
      );
      if (!isSent) settle({ kind: 'busy', detail: 'the link is closing' });
    });
  }

  #onPdu(pdu: PDU): void {
    this.#heard();
    if (pdu.isResponse() || this.#isEnded) return;
    if (this.#session.socket.writableLength > MAX_UNREAD_BYTES) {
      this.#drop('it does not read what it is answered');
      return;
    }
    const mode = MODES[pdu.command];
    if (mode !== undefined) {
      this.#bind(pdu, mode);
      return;
    }
    switch (pdu.command) {
      case 'submit_sm':
      case 'data_sm':
      case 'deliver_sm':
        void this.#take(pdu);
        return;
      case 'enquire_link':
        this.#session.send(pdu.response());
        return;
      case 'unbind':
        this.#session.send(pdu.response());
        this.#session.close();
        return;
      default:
        this.#session.send(
          new smpp.PDU('generic_nack', {
            command_status: SMPP_STATUS.invalidCommand,
            sequence_number: pdu.sequence_number,
          }),
        );
    }
  }

  #bind(pdu: PDU, mode: BindMode): void {
    const session = this.#session;
    if (this.#client !== undefined || this.#isBinding) {
      session.send(pdu.response({ command_status: SMPP_STATUS.alreadyBound }));
      return;
    }
    const login = { systemId: text(pdu.system_id), password: text(pdu.password) };
    const client = this.#options.authenticate(login);
    if (client === undefined) {
      this.#isBinding = true;
      this.#options.onRefused();
      setTimeout(() => {
        // Neither names which of the two was wrong, nor whose they are.
        session.send(pdu.response({ command_status: SMPP_STATUS.bindFailed }));
        session.close();
      }, REFUSAL_MS).unref();
      return;
    }
    clearTimeout(this.#late);
    this.#client = client;
    this.#mode = mode;
    this.#options.logger.info({ voipCarrierSid: client.voipCarrierSid, mode }, 'smpp client is bound');
    session.send(pdu.response({ system_id: 'ringwire', sc_interface_version: 0x34 }));
    this.#heard();
  }

  async #take(pdu: PDU): Promise<void> {
    const client = this.#client;
    if (client === undefined || this.#mode === 'receiver') {
      this.#session.send(pdu.response({ command_status: SMPP_STATUS.invalidBindStatus }));
      return;
    }
    let received: Received = { answer: 'later', messageId: '' };
    if (this.#inHand < MAX_IN_HAND && !this.#isLeaving) {
      this.#inHand += 1;
      try {
        received = await this.#options.onMessage(client, pdu, wantedReceipt(pdu));
      } catch (err) {
        this.#options.logger.warn({ err }, 'a message of a client was not taken; it is asked to send it again');
      } finally {
        this.#inHand -= 1;
      }
    }
    const { answer, messageId } = received;
    this.#session.send(
      pdu.response({ command_status: RECEIVED_STATUS[answer], ...(answer === 'taken' && { message_id: messageId }) }),
    );
    this.#endIfIdle();
  }

  /** A silent client is asked whether it is there (SMPP 3.4 §4.11), and left when it is not. */
  #heard(): void {
    if (this.#client === undefined || this.#isEnded || this.#isLeaving) return;
    const { timings } = this.#options;
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      this.#session.enquire_link({});
      this.#watch = setTimeout(() => this.#drop('it does not answer'), timings.responseMs);
    }, this.#client.enquireLinkMs ?? timings.enquireLinkMs);
  }

  #drop(why: string): void {
    if (this.#isEnded) return;
    const { socket, logger } = this.#options;
    logger.warn(
      { voipCarrierSid: this.#client?.voipCarrierSid, address: socket.remoteAddress, why },
      'smpp client is left',
    );
    this.#session.destroy();
  }

  #ended(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#late);
    clearTimeout(this.#watch);
    this.#window.reset();
    this.#options.onEnd();
  }
}
