import type { ProvisioningSnapshot, TeamsTenant } from '@ringwire/common';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { sendOutside } from '@ringwire/common/sip/out-of-dialog.js';
import { jittered, pause } from '../trunks/repeat.js';
import { hubUri, type TeamsHub } from './hubs.js';

/** Tells Teams that we live. */
export interface TenantPings {
  close(): Promise<void>;
}

/** What the pings work with. */
export type PingingEdge = Pick<Edge, 'bridging' | 'logger' | 'metrics'> & {
  provisioning: { snapshot(): Pick<ProvisioningSnapshot, 'teamsTenants'> };
};

/**
 * Sends OPTIONS of every tenant to every hub, again and again: Teams gives no calls to a domain from which it hears none
 * (learn.microsoft.com, "Monitor and troubleshoot Direct Routing"). The tenants are read each time, so that a new one is heard
 * of within an interval.
 */
export function pingHubs(
  edge: PingingEdge,
  { hubs, intervalMs, deadlineMs }: { hubs: readonly TeamsHub[]; intervalMs: number; deadlineMs: number },
): TenantPings {
  const stop = new AbortController();
  const pings = edge.metrics.counter({
    name: 'ringwire_teams_pings_total',
    help: 'OPTIONS to Microsoft Teams: answered with 200, with something else, or not',
    labelNames: ['hub', 'outcome'],
  });

  const ping = async ({ tenantFqdn }: TeamsTenant, hub: TeamsHub): Promise<void> => {
    const { link } = edge.bridging;
    if (!link.up) return;
    const uri = hubUri(hub);
    const headers = {
      From: `<sip:${tenantFqdn}>`,
      To: `<${uri}>`,
      Contact: `<sip:${tenantFqdn}:5061;transport=tls>`,
    };
    let outcome = 'silent';
    try {
      const { response } = await sendOutside(link, { method: 'OPTIONS', uri, headers }, { deadlineMs });
      outcome = response.status === 200 ? 'answered' : 'refused';
    } catch (err) {
      edge.logger.debug({ err, tenantFqdn, hub: hub.host }, 'Microsoft Teams did not answer OPTIONS');
    }
    pings.inc({ hub: hub.host, outcome });
  };

  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const tenants = edge.provisioning.snapshot().teamsTenants;
      await Promise.all(tenants.flatMap((tenant) => hubs.map((hub) => ping(tenant, hub))));
      await pause(jittered(intervalMs), stop.signal);
    }
  };
  const running = run();
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}
