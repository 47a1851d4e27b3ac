import type { Logger } from '../log/logger.js';
import { lastCseq } from './in-dialog.js';
import type { SipLink } from './link.js';
import type { SipDialog, SipHeaders, SipRequest } from './stack.js';
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

/** What names a dialog, from our side (RFC 3261 §12.2.1.1). */
interface DialogNames {
  callId: string;
  /** The peer's Contact. */
  target: string;
  local: string;
  remote: string;
  route: string[];
  cseq: number;
}

function byeOf({ callId, target, local, remote, route, cseq }: DialogNames, reason: string): OrphanBye | null {
  if (!splitUri(target)) return null;
  return {
    uri: target,
    headers: {
      'Call-ID': callId,
      From: local,
      To: remote,
      CSeq: `${cseq + CSEQ_MARGIN} BYE`,
      ...(route.length > 0 ? { Route: route.join(',') } : {}),
      Reason: reason,
    },
  };
}

function namesOfInvite(invite: SipRequest, localTag: string, target: string): DialogNames {
  return {
    callId: invite.get('Call-ID') ?? '',
    target,
    local: `${invite.get('To') ?? ''};tag=${localTag}`,
    remote: invite.get('From') ?? '',
    route: routes(invite.get('Record-Route')),
    cseq: 0,
  };
}

/** Writes the BYE of a dialog from what its INVITE said. Null when the peer gave no usable Contact. */
export function orphanBye(dialog: SipDialog, reason: string): OrphanBye | null {
  const { req, res, sip, remote } = dialog;
  if (dialog.type === 'uas') {
    return byeOf({ ...namesOfInvite(req, sip.localTag, remote.uri), cseq: lastCseq(dialog) }, reason);
  }
  const route = routes(res.get('Record-Route')).reverse();
  const names = { callId: sip.callId, target: remote.uri, local: req.get('From') ?? '', remote: res.get('To') ?? '' };
  return byeOf({ ...names, route, cseq: lastCseq(dialog) }, reason);
}

/** The BYE for an INVITE whose 200 may or may not have left before the SIP server died. */
export function acceptedBye(invite: SipRequest, localTag: string, reason: string): OrphanBye | null {
  try {
    return byeOf(namesOfInvite(invite, localTag, invite.getParsedHeader('contact')[0]?.uri ?? ''), reason);
  } catch {
    // drachtio-srf cannot read the Contact: there is nowhere to send a BYE to.
    return null;
  }
}

/** Dialogs that were live when the SIP server went away. */
export interface Orphans {
  /** Sends the BYE as soon as there is a SIP server; null does nothing. */
  add(bye: OrphanBye | null): void;
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
    add(bye) {
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
