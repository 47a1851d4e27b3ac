import {
  type Endpoint,
  endpointOfUri,
  formatUri,
  type MessageSource,
  nextHop,
  parseUri,
  type SipMessage,
  type TransactionLayer,
} from '@ringwire/sip';
import { applyAppMessage } from '../app-message.js';
import { ownAddress } from '../bridge-context.js';
import { pushFirst, setList } from './headers.js';
import { isLoose, type OwnRoutes, uriOfRoute } from './own-routes.js';
import type { ProxyPlan } from './plan.js';

/** One way on for a request: the Request-URI that it gets, and the URI that it is sent to where that is not its next hop. */
export interface Target {
  uri: string;
  sendTo?: string;
}

/** What forwarding needs to know besides the request. */
export interface ForwardingRules {
  layer: TransactionLayer;
  routes: OwnRoutes;
  recordRoute: boolean;
  headers: NonNullable<ProxyPlan['headers']>;
}

/**
 * RFC 3261 §16.4: a copy of a received request without the Routes and the `maddr` that led here, its Request-URI taken back
 * from a strict router before us.
 */
export function withoutOwnRoutes(received: SipMessage, routes: OwnRoutes): SipMessage {
  const request = received.clone();
  const values = request.getList('Route');
  if (values.length > 0) {
    if (isLoose(request.uri) && routes.isSigned(request.uri, request.get('Call-ID') ?? '')) {
      request.uri = uriOfRoute(values.pop());
    }
    // Two of them where the sides of a dialog differ.
    while (values.length > 0 && routes.isOwn(uriOfRoute(values[0]))) values.shift();
    setList(request, 'Route', values);
  }
  request.uri = routes.withoutOwnMaddr(request.uri);
  return request;
}

/**
 * The target that a destination of an application means: a Request-URI of ours is replaced, any other is kept and only
 * sent there, as drachtio-server does. A destination that repeats the Request-URI leaves the way to the Route headers.
 */
export function targetOf(request: SipMessage, wanted: string, routes: OwnRoutes): Target {
  const destination = routes.withoutOwnMaddr(wanted);
  if (destination === request.uri) return { uri: request.uri };
  return routes.isOwn(request.uri)
    ? { uri: requestUriOf(destination), sendTo: destination }
    : { uri: request.uri, sendTo: destination };
}

/** A URI as it may stand in a request line (RFC 3261 §19.1.1): without headers and method. */
export function requestUriOf(text: string): string {
  const uri = parseUri(text);
  if (!uri || (uri.headers === '' && !uri.params.has('method'))) return text;
  uri.headers = '';
  uri.params.delete('method');
  return formatUri(uri);
}

/**
 * RFC 3261 §16.6 steps 1 to 7: the request as one target gets it, but for our Via, and where it is sent; undefined when the
 * target cannot be reached from here.
 * @param prepared what {@link withoutOwnRoutes} made
 */
export function forwardedRequest(
  prepared: SipMessage,
  source: MessageSource,
  target: Target,
  { layer, routes, recordRoute, headers }: ForwardingRules,
): { request: SipMessage; destination: Endpoint } | undefined {
  const request = prepared.clone();
  request.uri = target.uri;
  const first = uriOfRoute(request.getList('Route')[0]);
  const wanted = target.sendTo === undefined ? nextHop(request) : endpointOfUri(target.sendTo);
  const destination = wanted && reachable(wanted, layer);
  if (!destination) return undefined;
  request.set('Max-Forwards', Math.max(0, Number(request.get('Max-Forwards') ?? 71) - 1));
  if (headers.length > 0) {
    applyAppMessage(request, { startLine: '', headers, body: '' }, ownAddress(layer, destination), true);
  }
  if (recordRoute) {
    const secure = /^sips:/i.test(first || request.uri);
    const values = routes.values(source, destination, request.get('Call-ID') ?? '', secure);
    addToPath(request, values);
  }
  if (target.sendTo === undefined && first !== '' && !isLoose(first)) {
    // §16.6 step 6: a strict router wants its own URI in the request line.
    const [, ...others] = request.getList('Route');
    setList(request, 'Route', [...others, `<${request.uri}>`]);
    request.uri = first;
  }
  return { request, destination };
}

function addToPath(request: SipMessage, values: readonly string[]): void {
  const name = request.method === 'REGISTER' ? 'Path' : 'Record-Route';
  for (const value of [...values].reverse()) pushFirst(request, name, value);
  if (name === 'Path' && !request.getList('Require').includes('path')) request.add('Require', 'path');
}

/** The destination over a transport that we listen on; one that the URI leaves open may be another than UDP. */
function reachable(to: Endpoint, layer: TransactionLayer): Endpoint | undefined {
  const { host } = to;
  const isWebSocket = (transport: Endpoint['transport']): boolean => transport === 'ws' || transport === 'wss';
  const { transport: found } = layer.addressFor(to.transport, host);
  // A browser's name may be at the other one than its Contact says.
  if (isWebSocket(to.transport) && isWebSocket(found)) return { ...to, transport: found };
  const speaks = (transport: Endpoint['transport']): boolean =>
    layer.addressFor(transport, host).transport === transport;
  if (speaks(to.transport)) return to;
  return to.transport === 'udp' && to.open?.transport && speaks('tcp') ? { ...to, transport: 'tcp' } : undefined;
}
