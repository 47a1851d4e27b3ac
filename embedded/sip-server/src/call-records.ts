import type { ClientTransaction, ServerTransaction, SipMessage } from '@ringwire/sip';
import { clockTime } from './bridge-context.js';
import type { ClientRegistry } from './control/client-registry.js';

/** Whether the message that a record shows came from the network or from an application. */
type RecordSource = 'network' | 'application';

/** Why a call ended, in drachtio's words. */
export type CallEnd =
  | 'call-rejected'
  | 'call-canceled'
  | 'normal-release'
  | 'session-expired'
  /** The server itself ended it: its application is gone, or the ACK never came. */
  | 'system-initiated-termination';

/**
 * drachtio's call records (`cdr:attempt`, `cdr:start`, `cdr:stop`): each goes to one application that registered for it
 * (`srf.on('cdr:start', …)`), in turn, with the SIP message that caused it.
 */
export class CallRecords {
  constructor(private readonly registry: () => ClientRegistry) {}

  /** A new INVITE of the network: attempt, then start or stop. */
  watchIncoming(transaction: ServerTransaction): void {
    if (!this.isWanted) return;
    this.send('cdr:attempt', 'network', transaction.request);
    let cancelled = false;
    transaction.once('cancel', (cancel) => {
      cancelled = true;
      this.stop('network', cancel, 'call-canceled');
    });
    transaction.once('answered', (response) => {
      const role = transaction.isForwarded ? 'proxy-uas' : 'uas';
      if (response.status < 300) this.send('cdr:start', 'application', response, role);
      else if (!cancelled) this.stop('application', response, 'call-rejected');
    });
  }

  /** A new INVITE of an application: attempt, then start or stop. */
  watchOutgoing(transaction: ClientTransaction): void {
    if (!this.isWanted) return;
    this.send('cdr:attempt', 'application', transaction.request);
    let isOver = false;
    transaction.on('response', (response) => {
      if (response.status < 200 || isOver) return;
      isOver = true;
      if (response.status < 300) this.send('cdr:start', 'network', response, 'uac');
      else this.stop('network', response, response.status === 487 ? 'call-canceled' : 'call-rejected');
    });
    for (const failure of ['timeout', 'transportError'] as const) {
      transaction.once(failure, () => {
        if (!isOver) this.stop('network', transaction.request, 'call-rejected');
        isOver = true;
      });
    }
  }

  /** A call ends. */
  stop(source: RecordSource, message: SipMessage, reason: CallEnd): void {
    this.send('cdr:stop', source, message, reason);
  }

  private get isWanted(): boolean {
    const registry = this.registry();
    return registry.has('cdr:attempt') || registry.has('cdr:start') || registry.has('cdr:stop');
  }

  private send(type: string, source: RecordSource, message: SipMessage, fact?: string): void {
    const client = this.registry().select(type);
    if (!client) return;
    const head = `${type}|${source}|${clockTime()}${fact === undefined ? '' : `|${fact}`}`;
    client.sendRecord(head, message.toString());
  }
}
