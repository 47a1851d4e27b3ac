import {
  bracketed,
  type MessageSource,
  parseNameAddr,
  type ServerTransaction,
  SipMessage,
  type TransactionLayer,
} from '@ringwire/sip';
import { describe } from './bridge-context.js';
import type { ClientRegistry } from './control/client-registry.js';

/** Addresses of record that are remembered over all connections: what is registered beyond is not told of. */
const MAX_REGISTERED = 100_000;
/** The event package of what applications are told. */
const EVENT = 'x-ringwire-flow';

/** A connection over which somebody has registered. */
interface RegisteredFlow {
  source: MessageSource;
  /** URIs in To of the REGISTERs that were answered with success. */
  users: Set<string>;
}

/**
 * Tells the application that takes NOTIFY when a connection is over on which an application has registered somebody (RFC 5626 §4.3: the flow has
 * failed, who registered over it is reached no more). One NOTIFY for each address of record, handed over as drachtio does a request
 * of its own, which takes no answer (`application`, `unsolicited`): nothing that comes from the network looks like it.
 */
export class FlowWatch {
  private readonly flows = new Map<number, RegisteredFlow>();
  private count = 0;

  constructor(
    private readonly layer: TransactionLayer,
    private readonly registry: () => ClientRegistry,
  ) {
    layer.on('connectionEnded', (connectionId) => this.ended(connectionId));
  }

  /** Addresses of record that are watched. */
  get size(): number {
    return this.count;
  }

  /** A REGISTER is about to be answered with success. */
  registered({ source, request }: ServerTransaction): void {
    const { connectionId } = source;
    if (connectionId === undefined) return;
    const uri = parseNameAddr(request.get('To') ?? '')?.uri;
    const flow = this.flows.get(connectionId) ?? { source, users: new Set<string>() };
    if (uri === undefined || flow.users.has(uri) || this.count >= MAX_REGISTERED) return;
    flow.users.add(uri);
    this.flows.set(connectionId, flow);
    this.count++;
    // Its connection may have ended while the application worked on it.
    if (!this.layer.holds(connectionId)) this.ended(connectionId);
  }

  private ended(connectionId: number): void {
    const flow = this.flows.get(connectionId);
    if (!flow) return;
    this.flows.delete(connectionId);
    this.count -= flow.users.size;
    const { source } = flow;
    const from = `${bracketed(source.host)}:${source.port}`;
    for (const uri of flow.users) {
      const notice = SipMessage.request('NOTIFY', uri)
        .add('Via', `SIP/2.0/${source.transport.toUpperCase()} ${from};branch=z9hG4bKflow`)
        .add('From', `<${uri}>;tag=flow`)
        .add('To', `<${uri}>`)
        .add('Call-ID', `flow-${connectionId}`)
        .add('CSeq', '1 NOTIFY')
        .add('Event', EVENT)
        .add('Subscription-State', 'terminated;reason=noresource')
        .add('Content-Length', '0');
      const text = notice.toString();
      const head = `${describe('application', text, source)}|unsolicited||${source.local.host}|${source.local.port}`;
      this.registry().select('NOTIFY')?.sendSip(head, text);
    }
  }
}
