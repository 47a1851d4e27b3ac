import { parseNameAddr, parseUri, tagOf } from './address.js';
import { SipMessage } from './message.js';
import { parseCSeq } from './via.js';

/** What both ends of a dialog remember (RFC 3261 §12); makes the requests inside it. No I/O. */
export class DialogState {
  callId = '';
  localTag = '';
  remoteTag = '';
  /** Our From value in requests of ours, with tag. */
  local = '';
  /** Their To value in requests of ours, with tag. */
  remote = '';
  localSeq = 0;
  /** Highest CSeq seen from the peer; undefined before its first request. */
  remoteSeq: number | undefined;
  /** Route values in the order they are written. */
  routeSet: string[] = [];
  /** The peer's Contact URI: Request-URI of requests of ours. */
  remoteTarget = '';
  /** Our Contact value, put into requests that refresh the target. */
  contact = '';

  /** The dialog of an INVITE (or SUBSCRIBE) that was received, made by our response (§12.1.1). */
  static fromRequest(request: SipMessage, response: SipMessage): DialogState {
    const state = new DialogState();
    state.callId = request.get('Call-ID') ?? '';
    state.local = response.get('To') ?? '';
    state.remote = request.get('From') ?? '';
    state.localTag = tagOf(state.local) ?? '';
    state.remoteTag = tagOf(state.remote) ?? '';
    state.remoteSeq = parseCSeq(request.get('CSeq') ?? '')?.seq;
    state.routeSet = request.getList('Record-Route');
    state.remoteTarget = contactUri(request) ?? parseNameAddr(state.remote)?.uri ?? '';
    state.contact = response.get('Contact') ?? '';
    return state;
  }

  /** The dialog of an INVITE that was sent, made by its response (§12.1.2). */
  static fromResponse(request: SipMessage, response: SipMessage): DialogState {
    const state = new DialogState();
    state.callId = request.get('Call-ID') ?? '';
    state.local = request.get('From') ?? '';
    state.remote = response.get('To') ?? '';
    state.localTag = tagOf(state.local) ?? '';
    state.remoteTag = tagOf(state.remote) ?? '';
    state.localSeq = parseCSeq(request.get('CSeq') ?? '')?.seq ?? 1;
    state.routeSet = response.getList('Record-Route').reverse();
    state.remoteTarget = contactUri(response) ?? request.uri;
    state.contact = request.get('Contact') ?? '';
    return state;
  }

  /**
   * The 2xx of our INVITE has come for this early dialog (§13.2.2.4): route set and target follow it, the CSeq numbers go on.
   */
  confirm(response: SipMessage): void {
    this.routeSet = response.getList('Record-Route').reverse();
    this.refreshTarget(response);
  }

  /** Key under which a request of the peer finds its dialog. */
  get key(): string {
    return dialogKey(this.callId, this.localTag, this.remoteTag);
  }

  /** A request with the next CSeq; one that refreshes the target, or asks for a subscription, carries our Contact. */
  makeRequest(method: string): SipMessage {
    this.localSeq += 1;
    const request = this.write(method, this.localSeq);
    if (this.contact !== '' && WITH_CONTACT.has(method)) request.add('Contact', this.contact);
    return request;
  }

  /** The ACK of a 2xx to our INVITE with that CSeq number. */
  makeAck(seq: number): SipMessage {
    return this.write('ACK', seq);
  }

  /** Takes the Contact of a target refresh request or its 2xx (§12.2). */
  refreshTarget(message: SipMessage): void {
    this.remoteTarget = contactUri(message) ?? this.remoteTarget;
  }

  /** False for a request that is older than one seen (§12.2.2: answer 500). Remembers the number. */
  acceptSeq(request: SipMessage): boolean {
    const seq = parseCSeq(request.get('CSeq') ?? '')?.seq ?? 0;
    if (this.remoteSeq !== undefined && seq < this.remoteSeq) return false;
    this.remoteSeq = seq;
    return true;
  }

  private write(method: string, seq: number): SipMessage {
    const first = this.routeSet[0];
    const firstUri = first === undefined ? undefined : parseNameAddr(first)?.uri;
    // §12.2.1.1: a strict router at the front takes the Request-URI's place.
    const strict = firstUri !== undefined && !parseUri(firstUri)?.params.has('lr');
    const request = SipMessage.request(method, strict ? firstUri : this.remoteTarget);
    const routes = strict ? [...this.routeSet.slice(1), `<${this.remoteTarget}>`] : this.routeSet;
    for (const route of routes) request.add('Route', route);
    request.add('Max-Forwards', '70');
    request.add('From', this.local).add('To', this.remote).add('Call-ID', this.callId).add('CSeq', `${seq} ${method}`);
    return request;
  }
}

/** RFC 3261 §12.2.1.1, RFC 3311 §5.1, RFC 6665 §4.1.2 and §4.2.2, RFC 3515 §2.2. */
const WITH_CONTACT: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY', 'REFER']);

/** Key of a dialog as seen from the side whose tag is `localTag`. */
export function dialogKey(callId: string, localTag: string, remoteTag: string): string {
  return `${callId}|${localTag}|${remoteTag}`;
}

/** Key of the dialog that a received request claims to belong to; undefined without a To tag. */
export function dialogKeyOfRequest(request: SipMessage): string | undefined {
  const toTag = tagOf(request.get('To'));
  if (toTag === undefined) return undefined;
  return dialogKey(request.get('Call-ID') ?? '', toTag, tagOf(request.get('From')) ?? '');
}

/** URI of the first Contact; undefined without one. */
export function contactUri(message: SipMessage): string | undefined {
  const contact = message.getList('Contact')[0];
  return contact === undefined ? undefined : parseNameAddr(contact)?.uri;
}
