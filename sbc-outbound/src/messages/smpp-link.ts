import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Logger, SmppGateway, SmppLogin, SubmitResult } from '@ringwire/common';
import type { AddressGuard } from '@ringwire/common/http/address-guard.js';
import smpp, { type PDU, type PduFields, type Session } from './smpp-library.js';
import { asksForPause, describeStatus, isLoginRefusal, readSubmitStatus, SMPP_STATUS } from './smpp-status.js';
import { SubmitWindow } from './submit-window.js';

/** What is done with a `deliver_sm`: taken for good, to come again, or not wanted. */
export type DeliverAnswer = 'taken' | 'later' | 'never';

/** How patient a link is, ms. */
export interface SmppTimings {
  /** To connect, and to be answered. SMPP's response timer. */
  responseMs: number;
  /** Silence after which the carrier is asked whether it is there. */
  enquireLinkMs: number;
  /** Before the second attempt to connect; doubled up to `maxReconnectMs`. */
  reconnectMs: number;
  maxReconnectMs: number;
  /** How long a carrier that is told to wait less gets no more. */
  throttleMs: number;
}

/** Usual values. */
export const SMPP_TIMINGS: SmppTimings = {
  responseMs: 10_000,
  enquireLinkMs: 30_000,
  reconnectMs: 1_000,
  maxReconnectMs: 60_000,
  throttleMs: 1_000,
};

/** What a link is made of. */
export interface SmppLinkOptions {
  gateway: SmppGateway;
  login: SmppLogin;
  logger: Logger;
  timings?: Partial<SmppTimings>;
  /** Authorities (PEM), instead of those that Node brings. */
  ca?: readonly string[];
  /** Keeps it away from private addresses; without one it may go anywhere. */
  guard?: AddressGuard;
  /** Takes what the carrier delivers; the carrier is answered when it resolves. */
  onDeliver: (pdu: PDU) => Promise<DeliverAnswer>;
  onChange?: (isBound: boolean) => void;
  /** Told once, when the link was ended from here. */
  onEnd?: () => void;
}

/** A header alone (SMPP 3.4 §3.2). */
const MIN_PDU_BYTES = 16;
/** Deliveries in hand; beyond them a carrier that floods us is asked to come again. */
const MAX_DELIVERIES = 100;
/** A carrier that sends and does not read what it is answered is left: our answers would pile up. */
const MAX_UNREAD_BYTES = 1024 * 1024;
const DELIVER_STATUS: Record<DeliverAnswer, number> = {
  taken: SMPP_STATUS.ok,
  later: SMPP_STATUS.temporaryError,
  never: SMPP_STATUS.permanentError,
};

/** A way by which messages go out over SMPP. */
export interface MessageLink {
  /** Whether messages can be sent. */
  readonly isBound: boolean;
  /** Why it is not bound. */
  readonly trouble: string;
  /** Whether the carrier does not know us, so that waiting does not help. */
  readonly isLoginRefused: boolean;
  /** Messages on this link and those that wait for it. */
  readonly load: number;
  /**
   * Sends the fields of one `submit_sm`. Never rejects.
   *
   * @param waitMs - how long it may wait for a place in the window
   * @param beforeSend - called once there is a place; false gives it up
   */
  submit(fields: PduFields, waitMs: number, beforeSend: () => Promise<boolean>): Promise<SubmitResult | 'given up'>;
}

/**
 * A connection to a carrier's SMPP gateway (SMPP 3.4), bound as transceiver, or as receiver where nothing is sent. It comes back by itself
 * with growing pauses, asks after silent carriers, and keeps to the carrier's window and rate.
 */
export class SmppLink implements MessageLink {
  readonly #options: SmppLinkOptions;
  readonly #timings: SmppTimings;
  readonly #window: SubmitWindow;
  #session: Session | undefined;
  #isBound = false;
  #isClosed = false;
  /** Takes no more, and ends when nothing is on its way. */
  #isRetired = false;
  #retirement: NodeJS.Timeout | undefined;
  #failures = 0;
  #deliveries = 0;
  #retry: NodeJS.Timeout | undefined;
  #trouble = 'is not connected yet';
  #isLoginRefused = false;

  constructor(options: SmppLinkOptions) {
    this.#options = options;
    this.#timings = { ...SMPP_TIMINGS, ...options.timings };
    const { windowSize, maxPerSecond } = options.gateway;
    this.#window = new SubmitWindow({ size: windowSize, maxPerSecond });
    this.#connect();
  }

  /** Whether messages can be sent. */
  get isBound(): boolean {
    return this.#isBound && !this.#isRetired;
  }

  /** Why it is not bound. */
  get trouble(): string {
    return this.#trouble;
  }

  /** Whether the carrier does not know us, so that waiting does not help. */
  get isLoginRefused(): boolean {
    return this.#isLoginRefused;
  }

  /** Messages on this link and those that wait for it. */
  get load(): number {
    return this.#window.load;
  }

  async submit(
    fields: PduFields,
    waitMs: number,
    beforeSend: () => Promise<boolean>,
  ): Promise<SubmitResult | 'given up'> {
    if (!this.isBound) return { kind: 'busy', detail: this.#trouble };
    if (!(await this.#window.enter(waitMs))) return { kind: 'busy', detail: 'the carrier takes no more at the moment' };
    const session = this.#session;
    try {
      if (!(await beforeSend())) return 'given up';
      if (session === undefined || session !== this.#session || !this.isBound) {
        return { kind: 'busy', detail: this.#trouble };
      }
      return await this.#exchange(session, fields);
    } finally {
      // A link that went meanwhile has given all places back.
      if (session === this.#session) this.#window.leave();
      this.#endIfIdle();
    }
  }

  /** Sends no more, and ends the connection when what is on its way is answered, or after the time that answers have. */
  retire(): void {
    if (this.#isClosed || this.#isRetired) return;
    this.#isRetired = true;
    this.#trouble = 'its gateway was changed';
    this.#window.dismiss();
    this.#retirement = setTimeout(() => this.close(), this.#timings.responseMs);
    this.#endIfIdle();
  }

  /** Says goodbye and ends the connection for good. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#retirement);
    this.#options.onEnd?.();
    const session = this.#session;
    if (session === undefined) return;
    if (this.#isBound) session.unbind({});
    session.close();
    // Who does not answer is not waited for.
    setTimeout(() => session.destroy(), 1_000).unref();
  }

  #endIfIdle(): void {
    if (this.#isRetired && this.#window.load === 0 && this.#deliveries === 0) this.close();
  }

  #exchange(session: Session, fields: PduFields): Promise<SubmitResult> {
    return new Promise((resolve) => {
      const settle = (result: SubmitResult): void => {
        clearTimeout(timer);
        session.socket.off('close', onClose);
        resolve(result);
      };
      const onClose = (): void => settle({ kind: 'unknown', detail: 'the link went before the carrier answered' });
      const timer = setTimeout(() => {
        settle({ kind: 'unknown', detail: `the carrier did not answer within ${this.#timings.responseMs} ms` });
        this.#drop(session, 'an answer did not come');
      }, this.#timings.responseMs);
      session.socket.on('close', onClose);
      const isSent = session.submit_sm(fields, (answer) => {
        if (asksForPause(answer.command_status)) this.#window.pause(this.#timings.throttleMs);
        settle(readSubmitStatus(answer.command_status, answer.message_id));
      });
      if (!isSent) settle({ kind: 'busy', detail: 'the link is closing' });
    });
  }

  #connect(): void {
    const { gateway, ca, guard } = this.#options;
    const { address: host, port } = gateway;
    // Names are checked when they are resolved.
    if (guard && isIP(host) !== 0 && !guard.allows(host.replace(/%.*$/, ''))) {
      this.#lost(`the private address ${host} may not be connected to`);
      return;
    }
    const lookup = guard && { lookup: guard.lookup };
    const socket: Socket = gateway.useTls
      ? connectTls({
          host,
          port,
          ...lookup,
          ...(isIP(host) === 0 && { servername: host }),
          ...(ca && { ca: [...ca] }),
        })
      : connectTcp({ host, port, ...lookup });
    // One listener for each message without answer.
    socket.setMaxListeners(0);
    const late = setTimeout(() => socket.destroy(new Error('no connection in time')), this.#timings.responseMs);
    let cause = 'the carrier closed the connection';
    socket.on('error', (err) => {
      cause = err.message;
    });
    socket.once('close', () => {
      clearTimeout(late);
      this.#lost(cause);
    });
    socket.once(gateway.useTls ? 'secureConnect' : 'connect', () => {
      clearTimeout(late);
      if (this.#isClosed) return void socket.destroy();
      this.#bind(socket, (why) => {
        cause = why;
      });
    });
  }

  #bind(socket: Socket, explain: (why: string) => void): void {
    const { gateway, login } = this.#options;
    const session = new smpp.Session({ socket });
    this.#session = session;
    session.on('error', (err: Error) => {
      explain(err.message);
      // A PDU that cannot be read leaves the library in the middle of the stream.
      session.destroy();
    });
    session.on('pdu', (pdu: PDU) => this.#onPdu(session, pdu));
    // The library waits for ever for the rest of a PDU that says it is shorter than a header, and the socket then tells of no end either.
    socket.on('readable', () => {
      const { _command_length: length } = session;
      if (typeof length === 'number' && length < MIN_PDU_BYTES) {
        socket.destroy(new Error(`the carrier sends a PDU of ${length} octets`));
      }
    });
    const late = setTimeout(() => {
      explain('the carrier did not answer the bind');
      session.destroy();
    }, this.#timings.responseMs);
    socket.once('close', () => clearTimeout(late));
    const fields = {
      system_id: login.systemId,
      password: login.password ?? '',
      system_type: '',
      interface_version: 0x34,
    };
    const onAnswer = ({ command_status: status }: PDU): void => {
      clearTimeout(late);
      if (status !== SMPP_STATUS.ok) {
        this.#isLoginRefused = isLoginRefusal(status);
        explain(`the carrier refuses the bind: ${describeStatus(status)}`);
        session.destroy();
        return;
      }
      if (this.#isClosed) return void session.destroy();
      this.#bound(session);
    };
    if (gateway.outbound) session.bind_transceiver(fields, onAnswer);
    else session.bind_receiver(fields, onAnswer);
  }

  #bound(session: Session): void {
    const { gateway, logger, onChange } = this.#options;
    this.#failures = 0;
    this.#isLoginRefused = false;
    this.#isBound = true;
    logger.info({ smppGatewaySid: gateway.smppGatewaySid, address: gateway.address }, 'smpp gateway is bound');
    onChange?.(true);
    this.#watch(session);
  }

  /** Asks a silent carrier whether it is there (SMPP 3.4 §4.11). */
  #watch(session: Session): void {
    let heard = true;
    let asked = false;
    session.on('pdu', () => {
      heard = true;
      asked = false;
    });
    const everyMs = this.#options.login.enquireLinkMs ?? this.#timings.enquireLinkMs;
    let deadline: NodeJS.Timeout | undefined;
    const timer = setInterval(() => {
      if (heard || asked) {
        heard = false;
        return;
      }
      asked = true;
      session.enquire_link({});
      clearTimeout(deadline);
      deadline = setTimeout(() => {
        if (asked) this.#drop(session, 'the carrier does not answer');
      }, this.#timings.responseMs);
    }, everyMs);
    session.socket.once('close', () => {
      clearInterval(timer);
      clearTimeout(deadline);
    });
  }

  #drop(session: Session, why: string): void {
    const { gateway, logger } = this.#options;
    logger.warn({ smppGatewaySid: gateway.smppGatewaySid, why }, 'smpp link is dropped');
    this.#trouble = why;
    session.destroy();
  }

  #lost(cause: string): void {
    const { gateway, logger, onChange } = this.#options;
    const wasBound = this.#isBound;
    this.#session = undefined;
    this.#isBound = false;
    this.#trouble = cause;
    this.#window.reset();
    if (wasBound) onChange?.(false);
    if (this.#isRetired) this.close();
    if (this.#isClosed) return;
    const { reconnectMs, maxReconnectMs } = this.#timings;
    const delayMs = this.#isLoginRefused ? maxReconnectMs : Math.min(reconnectMs * 2 ** this.#failures, maxReconnectMs);
    // Said once: a carrier may be away for days.
    if (this.#failures === 0 || wasBound) {
      logger.warn({ smppGatewaySid: gateway.smppGatewaySid, cause, delayMs }, 'smpp gateway is not bound');
    }
    this.#failures = Math.min(this.#failures + 1, 20);
    this.#retry = setTimeout(() => this.#connect(), delayMs);
  }

  #onPdu(session: Session, pdu: PDU): void {
    if (pdu.isResponse()) return;
    if (session.socket.writableLength > MAX_UNREAD_BYTES) {
      this.#drop(session, 'the carrier does not read what it is answered');
      return;
    }
    switch (pdu.command) {
      case 'deliver_sm':
        void this.#deliver(session, pdu);
        return;
      case 'enquire_link':
        session.send(pdu.response());
        return;
      case 'unbind':
        session.send(pdu.response());
        session.close();
        return;
      case 'alert_notification':
      case 'outbind':
        // Neither is answered.
        return;
      default:
        session.send(
          new smpp.PDU('generic_nack', {
            command_status: SMPP_STATUS.invalidCommand,
            sequence_number: pdu.sequence_number,
          }),
        );
    }
  }

  async #deliver(session: Session, pdu: PDU): Promise<void> {
    let answer: DeliverAnswer = 'later';
    if (this.#deliveries < MAX_DELIVERIES) {
      this.#deliveries += 1;
      try {
        answer = await this.#options.onDeliver(pdu);
      } catch (err) {
        this.#options.logger.warn(
          { err },
          'a message that came in was not taken; the carrier is asked to send it again',
        );
      } finally {
        this.#deliveries -= 1;
      }
    }
    session.send(pdu.response({ command_status: DELIVER_STATUS[answer] }));
    this.#endIfIdle();
  }
}
