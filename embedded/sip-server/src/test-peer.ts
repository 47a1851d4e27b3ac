import {
  type ClientTransaction,
  createResponse,
  DialogState,
  type Endpoint,
  endpointOfUri,
  newCallId,
  newTag,
  type ServerTransaction,
  SipMessage,
  TransactionLayer,
  transportParam,
} from '@ringwire/sip';
import { sdp, type Teardown } from './test-rig.js';

/** What came, in order; a test takes it when it wants it, or waits for it. */
export class Inbox<T> {
  private readonly items: T[] = [];
  private readonly takers: Array<{ fits: (item: T) => boolean; take: (item: T) => void }> = [];

  get length(): number {
    return this.items.length;
  }

  push(item: T): void {
    const index = this.takers.findIndex(({ fits }) => fits(item));
    if (index < 0) this.items.push(item);
    else this.takers.splice(index, 1)[0]!.take(item);
  }

  /** How many that fit are here. */
  count(fits: (item: T) => boolean): number {
    return this.items.filter(fits).length;
  }

  /** The first that fits; others stay. */
  async take(fits: (item: T) => boolean = () => true): Promise<T> {
    const index = this.items.findIndex(fits);
    if (index >= 0) return this.items.splice(index, 1)[0]!;
    return await new Promise((take) => this.takers.push({ fits, take }));
  }
}

/** What goes into a message of a peer. */
export interface PeerContent {
  headers?: Record<string, string>;
  /** SDP on this port. */
  port?: number;
  body?: string;
  type?: string;
}

/** A request of a peer that was sent. */
export class PeerRequest {
  readonly responses = new Inbox<SipMessage>();

  constructor(
    readonly request: SipMessage,
    readonly transaction: ClientTransaction,
  ) {
    transaction.on('response', (response) => this.responses.push(response));
  }

  /** The next response of that status; those before it stay. */
  async response(status: number): Promise<SipMessage> {
    return await this.responses.take((response) => response.status === status);
  }

  /** The first final response. */
  async final(): Promise<SipMessage> {
    return await this.responses.take((response) => response.status >= 200);
  }

  /** The dialog that a response to it makes. */
  dialog(response: SipMessage): DialogState {
    return DialogState.fromResponse(this.request, response);
  }
}

/** A SIP peer that does nothing by itself: the test says every message. */
export class TestPeer {
  readonly requests = new Inbox<ServerTransaction>();
  readonly acks = new Inbox<SipMessage>();

  constructor(readonly layer: TransactionLayer) {
    layer.on('request', (transaction) => this.requests.push(transaction));
    layer.on('ack', (ack) => this.acks.push(ack));
  }

  uri(user = 'peer', transport: Endpoint['transport'] = 'udp'): string {
    const { host, port } = this.layer.addressFor(transport);
    return `sip:${user}@${host}:${port}${transportParam(transport)}`;
  }

  /** The next request of that method. */
  async request(method: string): Promise<ServerTransaction> {
    return await this.requests.take((transaction) => transaction.method === method);
  }

  /** Sends a request outside dialogs. */
  send(
    method: string,
    uri: string,
    content: PeerContent = {},
    ids: { callId?: string; tag?: string } = {},
  ): PeerRequest {
    const request = SipMessage.request(method, uri);
    request.add('From', `<${this.uri()}>;tag=${ids.tag ?? newTag()}`).add('To', `<${uri}>`);
    request
      .add('Call-ID', ids.callId ?? newCallId())
      .add('CSeq', `1 ${method}`)
      .add('Contact', `<${this.uri()}>`);
    return this.start(fill(request, content));
  }

  /** Sends an INVITE with an offer. */
  invite(uri: string, content: PeerContent = {}): PeerRequest {
    return this.send('INVITE', uri, { port: 4000, ...content });
  }

  /** Sends a request inside a dialog. */
  inside(dialog: DialogState, method: string, content: PeerContent = {}): PeerRequest {
    return this.start(fill(dialog.makeRequest(method), content));
  }

  /** ACKs a 2xx to an INVITE of ours. */
  ack(dialog: DialogState, invite: PeerRequest, content: PeerContent = {}): void {
    const seq = Number.parseInt(invite.request.get('CSeq')!, 10);
    this.layer.sendAck(fill(dialog.makeAck(seq), content));
  }

  /** Cancels an INVITE of ours. */
  cancel(invite: PeerRequest): void {
    invite.transaction.cancel();
  }

  /** Acknowledges a reliable provisional response. */
  prack(dialog: DialogState, response: SipMessage, content: PeerContent = {}): PeerRequest {
    const headers = { RAck: `${response.get('RSeq')} ${response.get('CSeq')}`, ...content.headers };
    return this.inside(dialog, 'PRACK', { ...content, headers });
  }

  /** Answers a request; a tag other than the transaction's makes it the answer of another branch. */
  answer(transaction: ServerTransaction, status: number, content: PeerContent = {}, tag?: string): SipMessage {
    const response =
      tag === undefined
        ? transaction.makeResponse(status)
        : createResponse(transaction.request, status, undefined, tag);
    if (status > 100 && status < 300) response.add('Contact', `<${this.uri()}>`);
    transaction.respond(fill(response, content));
    return response;
  }

  /** The dialog that our answer to a request made. */
  dialog(transaction: ServerTransaction, response: SipMessage): DialogState {
    return DialogState.fromRequest(transaction.request, response);
  }

  private start(request: SipMessage): PeerRequest {
    const destination = endpointOfUri(request.uri);
    return new PeerRequest(request, this.layer.sendRequest(request, destination ? { destination } : {}));
  }
}

/** A peer on free ports of loopback, over UDP and TCP. */
export async function startPeer(t: Teardown, t1Ms = 20): Promise<TestPeer> {
  const listen = (['udp', 'tcp'] as const).map((transport) => ({ transport, host: '127.0.0.1', port: 0 }));
  const layer = new TransactionLayer({ listen, timers: { T1: t1Ms } });
  await layer.start();
  t.teardown(() => layer.stop());
  return new TestPeer(layer);
}

function fill(message: SipMessage, { headers = {}, port, body, type = 'text/plain' }: PeerContent): SipMessage {
  for (const [name, value] of Object.entries(headers)) message.set(name, value);
  if (port !== undefined) message.setBody(sdp(port), 'application/sdp');
  else if (body !== undefined) message.setBody(body, type);
  return message;
}
