import { createHash } from 'node:crypto';
import { parseCSeq, parseVia, type SipMessage, type TransactionLayer, tagOf, unbracketed } from '@ringwire/sip';

/** Why a request is not proxied. */
export interface ProxyRefusal {
  status: number;
  reason: string;
  headers: Array<[name: string, value: string]>;
}

/** RFC 3261 §16.3: what a proxy must refuse; undefined for a request that it may forward. */
export function refusalOfProxy(
  request: SipMessage,
  loopKey: string,
  layer: TransactionLayer,
): ProxyRefusal | undefined {
  if (Number(request.get('Max-Forwards') ?? 70) === 0) return { status: 483, reason: 'Too Many Hops', headers: [] };
  if (breadthOf(request) === 0) return { status: 440, reason: 'Max-Breadth Exceeded', headers: [] };
  if (isLooped(request, loopKey, layer)) return { status: 482, reason: 'Loop Detected', headers: [] };
  // No extension needs anything of this proxy.
  const required = request.getList('Proxy-Require').filter((tag) => tag !== '');
  if (required.length > 0) {
    return { status: 420, reason: 'Bad Extension', headers: [['Unsupported', required.join(', ')]] };
  }
  return undefined;
}

/** Into how many branches at a time a request may be forked (RFC 5393 §5.3.1). */
export function breadthOf(request: SipMessage): number {
  const breadth = Number(request.get('Max-Breadth') ?? DEFAULT_BREADTH);
  return Number.isInteger(breadth) && breadth >= 0 ? Math.min(breadth, DEFAULT_BREADTH) : DEFAULT_BREADTH;
}

const DEFAULT_BREADTH = 60;

/**
 * What decides on the way of a request (RFC 5393 §4.2.1), hashed; our branches end in it. A request that comes back with
 * another hash is on a spiral, which is legal.
 */
export function loopKeyOf(request: SipMessage): string {
  const hash = createHash('sha256');
  const seq = parseCSeq(request.get('CSeq') ?? '')?.seq ?? 0;
  for (const name of ['Call-ID', 'Proxy-Require', 'Proxy-Authorization', 'Route'] as const) {
    hash.update(`${request.getAll(name).join(',')}\n`);
  }
  hash.update(`${request.uri}\n${tagOf(request.get('From'))}\n${tagOf(request.get('To'))}\n${seq}`);
  return `.${hash.digest('hex').slice(0, 16)}`;
}

function isLooped(request: SipMessage, loopKey: string, layer: TransactionLayer): boolean {
  return request.getList('Via').some((value) => {
    const via = value.includes(loopKey) ? parseVia(value) : undefined;
    return (via?.branch.endsWith(loopKey) ?? false) && layer.isOwnAddress(unbracketed(via!.host), via!.port ?? 5060);
  });
}
