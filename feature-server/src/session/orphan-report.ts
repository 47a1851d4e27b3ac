import type { EventSink, Logger, ProvisioningSnapshot } from '@ringwire/common';
import { isSocketHook } from '../app-client/hook-url.js';
import type { ApplicationParts } from '../app-client/open-application.js';
import type { LedgerEntry } from './call-ledger.js';
import { createJournal } from './journal.js';
import { asHook, createApplication } from './session-factory.js';

/** What {@link reportOrphan} needs of the process. */
export interface OrphanReportOptions {
  sink: EventSink;
  logger: Logger;
  applications: ApplicationParts;
  snapshot: ProvisioningSnapshot;
  /** When the feature server was last alive, ms since the epoch: the end of the call. */
  diedAt: number;
}

/**
 * Sends the last call-status hook of a call whose feature server died: `failed`, with the duration up to then when it was answered.
 */
export async function reportOrphan(entry: LedgerEntry, options: OrphanReportOptions): Promise<void> {
  const { snapshot, sink, logger, applications } = options;
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
  const isSocket = isSocketHook({ url: entry.baseUrl });
  if (!account || (!statusHook && !isSocket)) return;
  const { answeredAt } = entry;
  const end = {
    callStatus: 'failed',
    sipStatus: 500,
    sipReason: 'Server Internal Error',
    ...(answeredAt !== undefined && { duration: Math.max(0, Math.floor((options.diedAt - answeredAt) / 1000)) }),
  };
  const traceId = typeof entry.payload.traceId === 'string' ? entry.payload.traceId : '0'.repeat(32);
  const callHook = application && asHook(application.callHook);
  const client = createApplication({
    account,
    ...(application && { application }),
    // The session may have moved to a socket, or away from one.
    ...(isSocket && {
      hook: callHook?.url === entry.baseUrl ? callHook : { url: entry.baseUrl },
      opening: entry.payload,
    }),
    ...(!isSocket && callHook && isSocketHook(callHook) && { hook: { url: entry.baseUrl } }),
    ...{ journal, callSid, traceId, applications },
  });
  client.rebase(entry.baseUrl);
  // Credentials are not kept in Redis; they are the application's own, where the hook still is.
  const own = application && asHook(application.callStatusHook);
  const hook = own?.url === statusHook?.url ? own : statusHook;
  await client.notify(hook, { ...entry.payload, ...end, callTerminationBy: 'jambonz' });
  client.close();
}
