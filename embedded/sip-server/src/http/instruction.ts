import { type OutboundTarget, parseOutboundTarget } from '../control/outbound-connections.js';
import { RoutingError } from '../errors.js';

/** What a request-handler says to do with a request. */
export type Instruction =
  /** To an application that is connected and carries the tag. */
  | { action: 'route'; tag: string }
  /** To an application that we connect to. */
  | { action: 'route'; target: OutboundTarget }
  | { action: 'reject'; status: number; reason: string | undefined }
  | { action: 'redirect'; contacts: string[] };

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
