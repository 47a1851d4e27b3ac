import type { Logger } from '../log/logger.js';
import { lastCseq } from './in-dialog.js';
import type { SipLink } from './link.js';
import type { SipDialog, SipHeaders } from './stack.js';
import { splitUri } from './uri.js';

/** Added to the highest CSeq that we know of: requests of a restarted SIP server must be newer than any it sent before. */
const CSEQ_MARGIN = 1_000;
/** A peer whose call is older than this has given up by itself. */
const KEPT_MS = 120_000;

/** Splits a Route or Record-Route value at the commas between entries. */
const routes = (value: string | undefined): string[] => (value ? (value.match(/<[^>]*>[^,]*/g) ?? []) : []);

/** A BYE that ends a dialog which no SIP server of ours knows any more. */
export interface OrphanBye {
  uri: string;
  headers: SipHeaders;
}

/** Writes the BYE of a dialog from what its INVITE said (RFC 3261 §12.2.1.1). Null when the peer gave no usable Contact. */
export function orphanBye(dialog: SipDialog, reason: string): OrphanBye | null {
  const uas = dialog.type === 'uas';
  const uri = dialog.remote.uri;
  if (!splitUri(uri)) return null;
  const local = uas ? `${dialog.req.get('To') ?? ''};tag=${dialog.sip.localTag}` : (dialog.req.get('From') ?? '');
  const remote = uas ? (dialog.req.get('From') ?? '') : (dialog.res.get('To') ?? '');
  const route = uas ? routes(dialog.req.get('Record-Route')) : routes(dialog.res.get('Record-Route')).reverse();
  return {
    uri,
    headers: {
      'Call-ID': dialog.sip.callId,
      From: local,
      To: remote,
      CSeq: `${lastCseq(dialog) + CSEQ_MARGIN} BYE`,
      ...(route.length > 0 ? { Route: route.join(',') } : {}),
      Reason: reason,
    },
  };
}

/** Dialogs that were live when the SIP server went away. */
export interface Orphans {
  /** Remembers to say BYE in this dialog when the SIP server is back. */
  add(dialog: SipDialog, reason: string): void;
  readonly size: number;
}

/** Releases the peers of dialogs that a dead SIP server took with it, as soon as there is a SIP server again. */
export function releaseOrphans(link: SipLink, logger: Logger): Orphans {
  let waiting: { bye: OrphanBye; since: number }[] = [];
  const release = ({ bye }: { bye: OrphanBye }): void => {
    const sipCallId = bye.headers['Call-ID'];
    try {
      link.stack.request(bye.uri, { method: 'BYE', headers: bye.headers }, (err) => {
        if (err) logger.warn({ err, sipCallId }, 'peer of a lost dialog was not released');
      });
    } catch (err) {
      // drachtio-srf throws when the connection broke again before this.
      logger.warn({ err, sipCallId }, 'peer of a lost dialog was not released');
    }
  };
  link.onRestored(() => {
    const now = Date.now();
    const due = waiting.filter((orphan) => now - orphan.since < KEPT_MS);
    waiting = [];
    for (const orphan of due) release(orphan);
    if (due.length > 0) logger.info({ dialogs: due.length }, 'released the peers of lost dialogs');
  });
  return {
    add(dialog, reason) {
      const bye = orphanBye(dialog, reason);
      if (!bye) return;
      const orphan = { bye, since: Date.now() };
      if (link.up) release(orphan);
      else waiting.push(orphan);
    },
    get size() {
      return waiting.length;
    },
  };
}
