import { SIP_HEADERS } from '../sip/headers.js';
import type { SipHeaders } from '../sip/stack.js';
import { type Binding, flowUri } from './binding.js';

/** How a request gets to a device. */
export interface DeviceRoute {
  /** Request-URI. */
  uri: string;
  /** Next hop. */
  proxy: string;
  headers: SipHeaders;
}

/**
 * The way to a device: to where it was heard, by way of the proxies of its Path (RFC 3327 §5.3), and of the edge that has its connection
 * where that is another one.
 *
 * @param sipAddress - `ip:port` of our own SIP server
 */
export function deviceRoute(binding: Binding, sipAddress: string): DeviceRoute {
  const [path] = binding.path;
  const flow = path === undefined ? flowUri(binding) : (/<([^>]*)>/.exec(path)?.[1] ?? flowUri(binding));
  const isHere = binding.edge === sipAddress;
  return {
    uri: binding.contact,
    proxy: isHere ? flow : `sip:${binding.edge};transport=udp`,
    headers: {
      ...(binding.path.length > 0 ? { Route: binding.path.join(', ') } : {}),
      ...(isHere ? {} : { [SIP_HEADERS.flow]: flow }),
    },
  };
}
