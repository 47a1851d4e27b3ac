import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import {
  bracketed,
  defaultPort,
  type Endpoint,
  formatUri,
  isTransportName,
  type MessageSource,
  parseNameAddr,
  parseUri,
  type TransactionLayer,
  transportParam,
  unbracketed,
} from '@ringwire/sip';

/** URI parameter of our Record-Route and Path values that proves them ours. */
const TOKEN = 'rt';

/**
 * The URIs that stand for this server: what it writes into Record-Route and Path (RFC 3261 §16.6 step 4, RFC 5658), and
 * which Routes and Request-URIs lead to it. Each Record-Route is signed for its Call-ID, so that nobody can have requests
 * relayed by inventing a Route; the key comes from the control secret, so that calls outlive a restart.
 */
export class OwnRoutes {
  private readonly key: Buffer;

  /** @param names that lead to us beside our addresses, lower case */
  constructor(
    private readonly layer: TransactionLayer,
    secret: string,
    private readonly names: readonly string[] = [],
  ) {
    this.key = createHash('sha256').update(`record-route ${secret}`).digest();
  }

  /** Whether a URI leads to this server. */
  isOwn(text: string): boolean {
    const uri = parseUri(text);
    if (uri?.scheme !== 'sip' && uri?.scheme !== 'sips') return false;
    const named = uri.params.get('transport')?.toLowerCase() ?? '';
    const transport = isTransportName(named) ? named : uri.scheme === 'sips' ? 'tls' : 'udp';
    const port = uri.port ?? defaultPort(transport);
    const host = uri.params.get('maddr') || uri.host;
    if (this.names.includes(host.toLowerCase())) return this.layer.addresses.some((own) => own.port === port);
    return this.layer.isOwnAddress(unbracketed(host), port);
  }

  /** A Request-URI as it goes on: where its `maddr` led here, without it and the port and transport that went with it (RFC 3261 §16.4). */
  withoutOwnMaddr(text: string): string {
    const uri = text.includes('maddr') ? parseUri(text) : undefined;
    if (!uri?.params.get('maddr') || !this.isOwn(text)) return text;
    uri.params.delete('maddr');
    uri.params.delete('transport');
    uri.port = undefined;
    return formatUri(uri);
  }

  /** Whether a URI was written by {@link values} for this Call-ID. */
  isSigned(text: string, callId: string): boolean {
    const token = parseUri(text)?.params.get(TOKEN) ?? '';
    const right = this.token(callId);
    return token.length === right.length && timingSafeEqual(Buffer.from(token), Buffer.from(right));
  }

  /**
   * Route values for a dialog between two sides, topmost first: one where both sides reach us at the same address and
   * transport, else one per side (RFC 5658 §5).
   * @param secure whether the request goes to a `sips` URI
   */
  values(from: MessageSource, to: Endpoint, callId: string, secure: boolean): string[] {
    const token = this.token(callId);
    const write = ({ transport, host, port }: Endpoint): string => {
      const isSips = secure && (transport === 'tls' || transport === 'wss');
      const param = isSips && transport === 'tls' ? '' : transportParam(transport);
      return `<${isSips ? 'sips' : 'sip'}:${bracketed(host)}:${port}${param};lr;${TOKEN}=${token}>`;
    };
    const outer = write(this.layer.addressFor(to.transport, to.host));
    const inner = write(this.layer.addressFor(from.transport, from.host, from.local));
    return outer === inner ? [outer] : [outer, inner];
  }

  private token(callId: string): string {
    return createHmac('sha256', this.key).update(callId).digest('hex').slice(0, 16);
  }
}

/** The URI of a Route, Record-Route or Path value; '' when it cannot be read. */
export function uriOfRoute(value: string | undefined): string {
  return parseNameAddr(value ?? '')?.uri ?? '';
}

/** Whether a route's owner takes requests with their Request-URI left alone (RFC 3261 §19.1.1). */
export function isLoose(uri: string): boolean {
  return parseUri(uri)?.params.has('lr') ?? false;
}
