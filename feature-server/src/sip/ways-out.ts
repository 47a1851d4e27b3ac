import type { SbcInfo } from '@ringwire/common';
import {
  type Announced,
  type FeatureServerWatch,
  watchFeatureServers,
} from '@ringwire/common/sip/feature-server-watch.js';
import { watchLink } from '@ringwire/common/sip/link.js';
import { watchReachability } from '@ringwire/common/sip/reachability.js';
import type { SipStack } from '@ringwire/common/sip/stack.js';

/**
 * Notices when edges for calls out die, so that calls go by way of others. Their SIP servers are asked only while there are
 * several: where there is one, its silence would change nothing.
 */
export function watchWaysOut(stack: SipStack, edges: { list(): SbcInfo[] }): FeatureServerWatch<Announced> {
  const list = (): Announced[] =>
    edges
      .list()
      .filter(({ role }) => role === 'outbound')
      .map(({ instanceId, privateSipAddress }) => ({ instanceId, sipAddress: privateSipAddress }));
  const several = (): Announced[] => {
    const found = list();
    return found.length > 1 ? found : [];
  };
  return watchFeatureServers({ list }, watchReachability(watchLink(stack), { list: several }));
}
