import type { EventSink, Logger, ProvisioningSnapshot } from '@ringwire/common';
import type { HttpClient } from '../app-client/http-exchange.js';
import type { FeatureServerMetrics } from '../metrics.js';
import type { LedgerEntry } from './call-ledger.js';
import { createJournal } from './journal.js';
import { asHook, createApplication } from './session-factory.js';

/** What {@link reportOrphan} needs of the process. */
export interface OrphanReportOptions {
  sink: EventSink;
  logger: Logger;
  http: HttpClient;
  metrics: FeatureServerMetrics;
  snapshot: ProvisioningSnapshot;
  /** When the feature server was last alive, ms since the epoch: the end of the call. */
  diedAt: number;
}

/**
 * Sends the last call-status hook of a call whose feature server died: `failed`, with the duration up to then when it was answered.
 */
export async function reportOrphan(entry: LedgerEntry, options: OrphanReportOptions): Promise<void> {
  const { snapshot, sink, logger, http, metrics } = options;
  const account = snapshot.accountsBySid.get(entry.accountSid);
  const application = snapshot.applicationsBySid.get(entry.applicationSid);
  const { callSid, accountSid, statusHook } = entry;
  const sipCallId = entry.payload.sbcCallid;
  const journal = createJournal(sink, logger, {
    callSid,
    accountSid,
    serviceProviderSid: account?.serviceProviderSid ?? null,
    ...(typeof sipCallId === 'string' && { sipCallId }),
  });
  journal.timeline.error('call', 'the feature server of this call died');
  if (!account || !statusHook) return;
  const { answeredAt } = entry;
  const end = {
    callStatus: 'failed',
    sipStatus: 500,
    sipReason: 'Server Internal Error',
    ...(answeredAt !== undefined && { duration: Math.max(0, Math.floor((options.diedAt - answeredAt) / 1000)) }),
  };
  const traceId = typeof entry.payload.traceId === 'string' ? entry.payload.traceId : '0'.repeat(32);
  const client = createApplication({ account, ...(application && { application }), journal, traceId, http, metrics });
  client.rebase(entry.baseUrl);
  // Credentials are not kept in Redis; they are the application's own, where the hook still is.
  const own = application && asHook(application.callStatusHook);
  const hook = own?.url === statusHook.url ? own : statusHook;
  await client.notify(hook, { ...entry.payload, ...end, callTerminationBy: 'jambonz' });
}
