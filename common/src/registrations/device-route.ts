import { createHash } from 'node:crypto';
import { SIP_HEADERS } from '../sip/headers.js';
import type { SipHeaders } from '../sip/stack.js';
import { type Binding, flowUri, type KeptBinding } from './binding.js';

/** How a request gets to a device. */
export interface DeviceRoute {
  /** Request-URI. */
  uri: string;
  /** Next hop. */
  proxy: string;
  headers: SipHeaders;
}

/** Names a binding to the edge that has its connection, and says nothing to anybody else (a flow token, RFC 5626 §5.1). */
export const flowToken = (id: string): string => createHash('sha256').update(id).digest('hex').slice(0, 16);

/** The URI that comes next on the way to a device from the edge that it talks to. */
export function firstHop(binding: Binding): string {
  const [path] = binding.path;
  return path === undefined ? flowUri(binding) : (/<([^>]*)>/.exec(path)?.[1] ?? flowUri(binding));
}

/**
 * The way to a device: to where it was heard, by way of the proxies of its Path (RFC 3327 §5.3; drachtio-server drops a Route that an application
 * gives), and of the edge that has its connection where that is another one.
 *
 * @param sipAddress - `ip:port` of our own SIP server
 */
export function deviceRoute({ id, binding }: Pick<KeptBinding, 'id' | 'binding'>, sipAddress: string): DeviceRoute {
  const { edge, path, contact } = binding;
  const isHere = edge === sipAddress;
  return {
    uri: contact,
    proxy: isHere ? firstHop(binding) : `sip:${edge};transport=udp`,
    headers: {
      ...(path.length > 0 ? { Route: path.join(', ') } : {}),
      ...(isHere ? {} : { [SIP_HEADERS.flow]: flowToken(id) }),
    },
  };
}
