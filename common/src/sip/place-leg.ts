import { isIP } from 'node:net';
import type { FarMedia } from '../media-relay/media-profile.js';
import { DigestClient, type DigestCredentials } from './digest-client.js';
import { passableHeaders } from './header-policy.js';
import { SIP_HEADERS } from './headers.js';
import { hangUp, inheritProof, proveIn } from './in-dialog.js';
import type { PendingDialog, SipDialog, SipHeaders, SipRequest, SipResponse, SipStack } from './stack.js';
import { splitUri } from './uri.js';

/** Where an outgoing leg goes. */
export interface LegTarget {
  /** What people call it: a feature server's id, a gateway's name. */
  name: string;
  uri: string;
  /** Next hop, when it is not the host of `uri`. */
  proxy?: string;
  headers: SipHeaders;
  /** Who we are to a target that challenges us; without them its 401 or 407 is a refusal. */
  credentials?: DigestCredentials;
  /** How media travels there; missing: as plain RTP. */
  media?: FarMedia;
  /**
   * How long it may leave the INVITE without a response above 100, which SIP servers keep to themselves; missing: until the SIP
   * server gives up.
   */
  responseMs?: number;
  /** Aborts when the target is known to be dead; its attempt then fails at once. */
  gone?: AbortSignal;
  /** Who rings at the same time: further devices of the same user. */
  alongside?: readonly LegTarget[];
}

/** Why an outgoing leg did not come to be. */
export interface LegFailure {
  /**
   * `refused`: a final response, or 408 of our SIP server when none came; `silent`: no response in the target's time; `unanswered`: rang too long; `gone`: the target died; `abandoned`: the caller gave up; `lost`: our SIP server died;
   * `unsent`: the SIP server would not send it; `unusable`: answered by a 2xx that makes no dialog (without Contact, or not 200), with status 502.
   */
  kind: 'refused' | 'silent' | 'unanswered' | 'gone' | 'abandoned' | 'lost' | 'unsent' | 'unusable';
  status: number;
  reason: string;
  /** Headers of the refusal that may go on. */
  headers: SipHeaders;
  /** `X-Call-Sid` of the refusal: our edges say it once they have taken a call, whoever refuses it then. */
  callSid?: string;
  /** Call-ID of the INVITE that was refused, and of the one behind our edge (`X-CID`), where the refusal is its. */
  callId?: string;
  outerCallId?: string;
  /** Where a 3xx points to, best first. */
  contacts?: readonly string[];
}

/** The dialog, or what remains to be acknowledged when the INVITE carried no offer. */
export type LegResult = { ok: true; leg: SipDialog | PendingDialog } | { ok: false; failure: LegFailure };

/** What a leg waits for besides its own responses. */
export interface LegLimits {
  /** Time to the final response. */
  answerMs: number;
  /** The caller gave up; the signal's reason may be the headers of the CANCEL to send. */
  abandoned: AbortSignal;
  lost: AbortSignal;
  /** Is told when the INVITE is on its way, under its Call-ID; not of its repetition with credentials. */
  sent?(target: LegTarget, sipCallId: string): void;
}

/** Whether the leg waits for its ACK (the INVITE had no offer). */
export function isPending(leg: SipDialog | PendingDialog): leg is PendingDialog {
  return 'ack' in leg && typeof leg.ack === 'function' && !('sip' in leg);
}

const failure = (kind: LegFailure['kind'], status: number, reason: string, headers: SipHeaders = {}): LegFailure => ({
  kind,
  status,
  reason,
  headers,
});

/** drachtio-srf rejects with the final response under `res`; anything else means that nothing was sent. */
function failureOf(error: unknown): LegFailure {
  const refused = error as { status?: unknown; res?: SipResponse };
  if (typeof refused.status === 'number' && refused.res) {
    const { res, status } = refused;
    // drachtio-srf has acknowledged it: somebody took the call.
    if (res.status >= 200 && res.status < 300)
      return failure('unusable', 502, `no dialog in ${res.status} ${res.reason}`);
    const callSid = res.get(SIP_HEADERS.callSid);
    const callId = res.get('Call-ID');
    const outerCallId = res.get(SIP_HEADERS.outerCallId);
    const refusal = {
      ...failure('refused', status, res.reason, passableHeaders(res)),
      ...(callSid !== undefined && { callSid }),
      ...(callId !== undefined && { callId }),
      ...(outerCallId !== undefined && { outerCallId }),
    };
    return status >= 300 && status < 400 ? { ...refusal, contacts: contactsOf(res) } : refusal;
  }
  return failure('unsent', 500, error instanceof Error ? error.message : String(error));
}

/** Contacts by their q, the highest first (RFC 3261 §8.1.3.4). */
function contactsOf(response: SipResponse): string[] {
  try {
    const q = (params: Record<string, string | undefined>): number => Number(params.q ?? 1) || 0;
    return response
      .getParsedHeader('contact')
      .sort((a, b) => q(b.params) - q(a.params))
      .map(({ uri }) => uri);
  } catch {
    // drachtio-srf throws on a Contact that is missing or that it cannot read: it points nowhere.
    return [];
  }
}

/** Pins the request with credentials to the server that challenged: a name may lead to another one next time. */
export function challengerOf(target: Pick<LegTarget, 'uri' | 'proxy'>, response: SipResponse): string | undefined {
  const hop = splitUri(target.proxy ?? target.uri);
  const view = response as SipResponse & { source_address?: string; source_port?: number | string };
  if (!hop || isIP(hop.host) || !view.source_address || !view.source_port) return target.proxy;
  const transport = /;transport=(\w+)/i.exec(target.proxy ?? target.uri)?.[0] ?? '';
  const host = isIP(view.source_address) === 6 ? `[${view.source_address}]` : view.source_address;
  return `${hop.scheme}:${host}:${view.source_port}${transport}`;
}

/**
 * Sends an INVITE and waits for its outcome. Never throws. A leg that is answered after we stopped waiting is hung up.
 *
 * @param offer SDP; undefined sends an INVITE without one
 */
export function placeLeg(
  stack: SipStack,
  target: LegTarget,
  offer: string | undefined,
  limits: LegLimits,
  onProvisional: (response: SipResponse) => void,
): Promise<LegResult> {
  return new Promise((resolve) => {
    let settled = false;
    let request: SipRequest | undefined;
    const stops: (() => void)[] = [];
    const settle = (result: LegResult): void => {
      if (settled) return;
      settled = true;
      for (const stop of stops) stop();
      resolve(result);
    };
    const cancelHeaders = (): SipHeaders =>
      limits.abandoned.aborted && typeof limits.abandoned.reason === 'object' ? { ...limits.abandoned.reason } : {};
    const giveUp = (why: LegFailure, cancels: boolean): void => {
      if (settled) return;
      settle({ ok: false, failure: why });
      if (cancels) request?.cancel({ headers: cancelHeaders() });
    };
    const onAbort = (signal: AbortSignal | undefined, why: LegFailure, cancels: boolean): void => {
      if (!signal) return;
      const listener = (): void => giveUp(why, cancels);
      if (signal.aborted) {
        listener();
        return;
      }
      signal.addEventListener('abort', listener, { once: true });
      stops.push(() => signal.removeEventListener('abort', listener));
    };
    onAbort(limits.lost, failure('lost', 503, 'SIP server lost'), false);
    onAbort(limits.abandoned, failure('abandoned', 487, 'Request Terminated'), true);
    onAbort(target.gone, failure('gone', 503, 'target is gone'), true);
    if (settled) return;
    const ringing = setTimeout(() => giveUp(failure('unanswered', 408, 'Request Timeout'), true), limits.answerMs);
    stops.push(() => clearTimeout(ringing));
    const { responseMs } = target;
    const silent = (): void => giveUp(failure('silent', 408, `no response in ${responseMs} ms`), true);
    const silence = responseMs === undefined ? undefined : setTimeout(silent, responseMs);
    stops.push(() => clearTimeout(silence));
    const proof = target.credentials && new DigestClient(target.credentials);
    const challenges = new Set<string>();

    const send = (headers: SipHeaders, proxy: string | undefined): void => {
      const options = {
        headers,
        ...(offer === undefined ? { noAck: true } : { localSdp: offer }),
        ...(proxy === undefined ? {} : { proxy }),
      };
      stack
        .createUAC(target.uri, options, {
          cbRequest(error, sent) {
            if (error || !sent) return;
            request = sent;
            if (challenges.size === 0) limits.sent?.(target, sent.get('Call-ID') ?? '');
            if (settled && !limits.lost.aborted) sent.cancel({ headers: cancelHeaders() });
          },
          cbProvisional(response) {
            if (response.status > 100) clearTimeout(silence);
            if (!settled) onProvisional(response);
          },
        })
        .then(
          (leg) => {
            if (proof) proveIn(leg, proof);
            if (settled) discard(leg, limits.lost);
            else settle({ ok: true, leg });
          },
          (error: unknown) => {
            const { res } = error as { res?: SipResponse };
            const sent = request;
            if (settled || !res || !sent || !proof?.learn(res, challenges)) {
              settle({ ok: false, failure: failureOf(error) });
              return;
            }
            silence?.refresh();
            request = undefined;
            send(
              { ...headers, ...again(sent), ...proof.headersFor(inviteOf(target, offer)) },
              challengerOf(target, res),
            );
          },
        );
    };
    send(target.headers, target.proxy);
  });
}

const inviteOf = (target: LegTarget, offer: string | undefined) => ({
  method: 'INVITE',
  uri: target.uri,
  body: offer ?? '',
});

/** What makes the next INVITE the same call (RFC 3261 §22.2): Call-ID, our tag, the next CSeq. */
function again(sent: SipRequest): SipHeaders {
  const cseq = Number.parseInt(sent.get('CSeq') ?? '', 10) || 1;
  return { From: sent.get('From') ?? '', 'Call-ID': sent.get('Call-ID') ?? '', CSeq: `${cseq + 1} INVITE` };
}

/** Hangs up a leg that nobody wants any more (an answer that crossed our CANCEL); with proof where its INVITE was challenged. */
export function discard(leg: SipDialog | PendingDialog, lost: AbortSignal): void {
  if (!isPending(leg)) {
    void hangUp(leg, {}, lost);
    return;
  }
  const end = (dialog: SipDialog): Promise<void> => {
    inheritProof(leg, dialog);
    return hangUp(dialog, {}, lost);
  };
  // Its own SDP in the ACK, as nobody will listen. Where it rejects there is no dialog to send BYE in: of an answer without Contact drachtio-srf makes none and
  // the SIP server ends it; with a lost connection the SIP server ends all of the application's dialogs.
  leg.ack(leg.sdp).then(end, () => undefined);
}
