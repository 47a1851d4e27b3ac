import type { AddressOfRecord, Flow, Registrations } from '@ringwire/common';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { flowTransport } from '@ringwire/common/sip/flow-transport.js';
import { respond } from '@ringwire/common/sip/respond.js';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import { partyOf, splitUri } from '@ringwire/common/sip/uri.js';
import { withoutBrackets } from './read-register.js';

/** What a SIP server says when a connection is gone over which somebody had registered. */
const EVENT = 'x-ringwire-flow';

/**
 * Takes bindings away with the connections over which they were made (RFC 5626), until the process ends: a call does not wait for a device
 * that cannot be reached. The SIP server says so by a NOTIFY of its own; drachtio-server says nothing, its bindings stay until they
 * expire.
 */
export function watchLostFlows(
  edge: Edge,
  registrations: Pick<Registrations, 'lose'>,
  kept: { forget(aor: AddressOfRecord, flow: Flow): void },
): void {
  const lost = edge.metrics.counter({
    name: 'ringwire_lost_flows_total',
    help: 'bindings that went with the connection over which they were made',
    labelNames: [],
  });
  edge.stack.notify((request, response) => {
    // Only the server itself can say so; there is nothing else that anybody could tell us outside of dialogs.
    if (request.source !== 'application' || request.get('Event') !== EVENT) {
      respond(response, 481);
      return;
    }
    lose(request)
      .then((count) => lost.inc(count))
      .catch((err: unknown) => edge.logger.warn({ err }, 'the bindings of a lost connection are left'));
  });

  async function lose(request: SipRequest): Promise<number> {
    const to = splitUri(partyOf(request, 'to')?.uri ?? '');
    const transport = flowTransport(request);
    if (!to?.user || transport === null) return 0;
    const aor = { user: to.user, realm: to.host };
    const address = withoutBrackets(request.source_address);
    const flow = { edge: edge.sipAddress, transport, address, port: Number(request.source_port) };
    kept.forget(aor, flow);
    return await registrations.lose(aor, flow);
  }
}
