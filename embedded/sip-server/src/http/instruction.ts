import { type OutboundTarget, parseOutboundTarget } from '../control/outbound-connections.js';
import { RoutingError } from '../errors.js';
import { MAX_DESTINATIONS, type ProxyPlan, parseTimeout } from '../proxy/plan.js';

/** What a request-handler says to do with a request. */
export type Instruction =
  /** To an application that is connected and carries the tag. */
  | { action: 'route'; tag: string }
  /** To an application that we connect to. */
  | { action: 'route'; target: OutboundTarget }
  | { action: 'reject'; status: number; reason: string | undefined }
  | { action: 'redirect'; contacts: string[] }
  | { action: 'proxy'; plan: ProxyPlan };

/** Reads `{ action, data }` as drachtio-server does. @throws RoutingError when it is no instruction that can be followed */
export function readInstruction(text: string): Instruction {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (err) {
    throw new RoutingError('answer is not JSON', {}, { cause: err });
  }
  const { action, data } = (answer ?? {}) as { action?: unknown; data?: unknown };
  if (typeof data !== 'object' || data === null || Array.isArray(data)) throw new RoutingError('answer has no data');
  const facts = data as Record<string, unknown>;
  if (action === 'route') return readRoute(facts);
  if (action === 'reject') return readReject(facts);
  if (action === 'redirect') return readRedirect(facts);
  if (action === 'proxy') return { action, plan: readPlan(facts) };
  throw new RoutingError('answer is no instruction', { action });
}

/** `uri` comes before `tag` where both are given. */
function readRoute({ uri, tag }: Record<string, unknown>): Instruction {
  if (typeof uri === 'string') {
    const target = parseOutboundTarget(uri);
    if (!target) throw new RoutingError('route: uri is not host:port;transport=tcp|tls', { uri });
    return { action: 'route', target };
  }
  if (typeof tag === 'string' && tag !== '') return { action: 'route', tag };
  throw new RoutingError('route: neither uri nor tag');
}

function readReject({ status, reason }: Record<string, unknown>): Instruction {
  if (typeof status !== 'number' || !(status >= 300 && status < 700)) {
    throw new RoutingError('reject: a status from 300 to 699 expected', { status });
  }
  const phrase = typeof reason === 'string' ? reason.replace(/[\r\n]/g, ' ') : undefined;
  return { action: 'reject', status: Math.trunc(status), reason: phrase };
}

function readRedirect(data: Record<string, unknown>): Instruction {
  const given = data.contact ?? data.contacts;
  const contacts: unknown[] = Array.isArray(given) ? given : [given];
  const isContact = (contact: unknown): contact is string =>
    typeof contact === 'string' && contact !== '' && !/[\r\n]/.test(contact);
  if (contacts.length === 0 || !contacts.every(isContact)) {
    throw new RoutingError('redirect: contact must be a string or a list of strings');
  }
  return { action: 'redirect', contacts };
}

/** What a `proxy` answer may leave out, as drachtio-server has it. */
const DEFAULT_PROVISIONAL_MS = 5000;
const DEFAULT_FINAL_MS = 60_000;

/** `destination`, and perhaps `recordRoute`, `followRedirects`, `simultaneous`, `provisionalTimeout`, `finalTimeout`. */
function readPlan(data: Record<string, unknown>): ProxyPlan {
  const given: unknown[] = Array.isArray(data.destination) ? data.destination : [data.destination];
  const isUri = (one: unknown): one is string => typeof one === 'string' && /^\S+$/.test(one);
  if (given.length === 0 || given.length > MAX_DESTINATIONS || !given.every(isUri)) {
    throw new RoutingError('proxy: destination must be a URI or a list of URIs');
  }
  return {
    destinations: given,
    recordRoute: data.recordRoute === true,
    followRedirects: data.followRedirects !== false,
    simultaneous: data.simultaneous === true,
    provisionalTimeoutMs: readTimeout('provisionalTimeout', data.provisionalTimeout) ?? DEFAULT_PROVISIONAL_MS,
    finalTimeoutMs: readTimeout('finalTimeout', data.finalTimeout) ?? DEFAULT_FINAL_MS,
  };
}

function readTimeout(name: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const ms = typeof value === 'string' ? parseTimeout(value) : undefined;
  if (ms === undefined) throw new RoutingError(`proxy: ${name} is not like 2s or 500ms`, { value });
  return ms;
}
