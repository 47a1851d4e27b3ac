import { formatNameAddr, parseNameAddr } from './address.js';
import type { SipCounters } from './counters.js';
import { endpointOfUri } from './destination.js';
import { addHeaders, type Content, Dialog, type ExtraHeaders, finalResponse } from './dialog.js';
import { type DialogState, dialogKeyOfRequest } from './dialog-state.js';
import { newCallId, newTag } from './ids.js';
import { type CallHost, IncomingCall } from './incoming-call.js';
import { SipMessage } from './message.js';
import { OutgoingCall } from './outgoing-call.js';
import type { ServerTransaction } from './server-transaction.js';
import { TransactionLayer, type TransactionLayerOptions } from './transaction-layer.js';
import { bracketed, type Endpoint, transportParam } from './transport.js';

const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, NOTIFY';

export interface UserAgentOptions extends TransactionLayerOptions {
  /** User part of From and Contact. @defaultValue ringwire */
  user?: string;
  displayName?: string;
  /** User-Agent header of requests; none by default. */
  userAgent?: string;
}

/** A call to place. */
export interface InviteOptions {
  /** Request-URI. */
  uri: string;
  /** To; a URI or name-addr. @defaultValue `uri` */
  to?: string;
  /** From; a URI or name-addr without tag. @defaultValue our user at our address */
  from?: string;
  /** The offer; undefined makes a delayed offer, which `onOffer` answers in the ACK. */
  sdp?: string;
  onOffer?: (offer: string) => string;
  headers?: ExtraHeaders;
  /** Where to send it instead of the Request-URI's host (outbound proxy). */
  destination?: Endpoint;
  callId?: string;
}

/** A request outside dialogs. */
export interface RequestOptions {
  method: string;
  uri: string;
  to?: string;
  from?: string;
  headers?: ExtraHeaders;
  content?: Content;
  destination?: Endpoint;
  callId?: string;
}

/** A SIP user agent: places and takes calls, keeps their dialogs. Made by {@link createUserAgent}. */
export class UserAgent {
  readonly layer: TransactionLayer;
  private readonly dialogs = new Map<string, Dialog>();
  /** Calls with reliable provisional responses, by their early dialog. */
  private readonly early = new Map<string, IncomingCall>();
  private inviteHandler: ((call: IncomingCall) => void) | undefined;
  private requestHandler: ((transaction: ServerTransaction) => void) | undefined;

  /** @internal */
  constructor(private readonly options: UserAgentOptions) {
    this.layer = new TransactionLayer(options);
    this.layer.on('request', (transaction) => this.receive(transaction));
  }

  get counters(): SipCounters {
    return this.layer.counters;
  }

  /** Our addresses, in the order of `listen`. */
  get addresses(): readonly Endpoint[] {
    return this.layer.addresses;
  }

  /** Number of confirmed dialogs. */
  get dialogCount(): number {
    return this.dialogs.size;
  }

  /** Our URI over a transport, as Contact names it to a peer: `sip:ringwire@127.0.0.1:5060;transport=tcp`. */
  contactUri(transport: Endpoint['transport'] = 'udp', peerHost?: string): string {
    const { host, port, transport: actual } = this.layer.addressFor(transport, peerHost);
    return `sip:${this.options.user ?? 'ringwire'}@${bracketed(host)}:${port}${transportParam(actual)}`;
  }

  /** Sets who takes new INVITEs; without one they get 480. An exception of the handler answers 500. */
  onInvite(handler: (call: IncomingCall) => void): void {
    this.inviteHandler = handler;
  }

  /** Sets who answers other requests outside dialogs. By default OPTIONS gets 200 and the rest 405. */
  onRequest(handler: (transaction: ServerTransaction) => void): void {
    this.requestHandler = handler;
  }

  /** Places a call. */
  invite(options: InviteOptions): OutgoingCall {
    const destination = options.destination ?? endpointOfUri(options.uri);
    const request = this.makeRequest({ ...options, method: 'INVITE' });
    request.set('Contact', `<${this.contactUri(destination?.transport, destination?.host)}>`);
    request.set('Allow', ALLOW);
    addHeaders(request, options.headers ?? {});
    if (options.sdp !== undefined) request.setBody(options.sdp, 'application/sdp');
    const transaction = this.layer.sendRequest(request, destination ? { destination } : {});
    return new OutgoingCall(request, transaction, options.sdp, options.onOffer, (state, local, remote) =>
      this.adopt(state, local, remote),
    );
  }

  /** Sends a request outside dialogs (OPTIONS, REGISTER, MESSAGE…). Resolves with the final response, undefined when none came. */
  async request(options: RequestOptions): Promise<SipMessage | undefined> {
    const request = this.makeRequest(options);
    addHeaders(request, options.headers ?? {});
    if (options.content) request.setBody(options.content.body, options.content.contentType);
    const { destination } = options;
    return await finalResponse(this.layer.sendRequest(request, destination ? { destination } : {}));
  }

  /** Ends at once: sockets are closed, dialogs are told 'ended' (lost) without BYE. */
  async stop(): Promise<void> {
    for (const dialog of [...this.dialogs.values()]) dialog.lose('stopped');
    await this.layer.stop();
  }

  private makeRequest(options: RequestOptions): SipMessage {
    const destination = options.destination ?? endpointOfUri(options.uri);
    const { displayName, userAgent } = this.options;
    const own = formatNameAddr({
      uri: this.contactUri(destination?.transport, destination?.host),
      ...(displayName ? { display: displayName } : {}),
    });
    const request = SipMessage.request(options.method, options.uri);
    request.add('Max-Forwards', '70');
    request.add('From', `${options.from ? addressValue(options.from) : own};tag=${newTag()}`);
    request.add('To', addressValue(options.to ?? options.uri));
    request.add('Call-ID', options.callId ?? newCallId());
    request.add('CSeq', `1 ${options.method}`);
    if (userAgent) request.add('User-Agent', userAgent);
    return request;
  }

  private callHost(): CallHost {
    return {
      t1Ms: this.layer.timers.T1,
      adopt: (state, localSdp, remoteSdp) => this.adopt(state, localSdp, remoteSdp),
      takePracks: (key, call) => {
        this.early.set(key, call);
        return () => this.early.delete(key);
      },
    };
  }

  private adopt(state: DialogState, localSdp: string, remoteSdp: string): Dialog {
    const host = { layer: this.layer, forget: (d: Dialog) => void this.dialogs.delete(d.state.key) };
    const dialog = new Dialog(host, state, localSdp, remoteSdp);
    this.dialogs.set(state.key, dialog);
    return dialog;
  }

  private receive(transaction: ServerTransaction): void {
    const key = dialogKeyOfRequest(transaction.request);
    try {
      if (key === undefined) this.receiveOutside(transaction);
      else {
        const dialog = this.dialogs.get(key);
        const call = transaction.method === 'PRACK' ? this.early.get(key) : undefined;
        if (call) call.receivePrack(transaction);
        else if (dialog) dialog.receive(transaction);
        else transaction.reply(481);
      }
    } catch (error) {
      if (transaction.isOpen) transaction.reply(500);
      throw error;
    }
  }

  private receiveOutside(transaction: ServerTransaction): void {
    if (transaction.method === 'INVITE') {
      if (!this.inviteHandler) {
        transaction.reply(480);
        return;
      }
      const contact = `<${this.contactUri(transaction.source.transport, transaction.source.host)}>`;
      this.inviteHandler(new IncomingCall(transaction, contact, this.callHost()));
    } else if (this.requestHandler) this.requestHandler(transaction);
    else {
      const response = transaction.makeResponse(transaction.method === 'OPTIONS' ? 200 : 405);
      transaction.respond(response.add('Allow', ALLOW));
    }
  }
}

/** Makes a user agent and opens its sockets. @throws the socket's error when an address is taken. */
export async function createUserAgent(options: UserAgentOptions): Promise<UserAgent> {
  const agent = new UserAgent(options);
  await agent.layer.start();
  return agent;
}

/** A URI in angle brackets, or a name-addr as it is; an existing tag is not wanted here. */
function addressValue(text: string): string {
  return text.includes('<') || !parseNameAddr(text) ? text : `<${text}>`;
}
