import type { DigestClient } from './digest-client.js';
import { LinkLostError, NoResponseError, RequestFailedError } from './errors.js';
import type { SipLink } from './link.js';
import { challengerOf } from './place-leg.js';
import type { SipHeaders, SipRequest, SipResponse } from './stack.js';

/** A request outside of dialogs: OPTIONS, REGISTER, MESSAGE. */
export interface OutsideRequest {
  method: string;
  /** The Request-URI. */
  uri: string;
  headers: SipHeaders;
  body?: string;
  /** Next hop, when it is not the host of `uri`. */
  proxy?: string;
}

/** How it was answered. */
export interface OutsideAnswer {
  /** The final response, whatever its status. */
  response: SipResponse;
  /** What was sent last, as the SIP server completed it. */
  sent: SipRequest;
  /** From that request to the response. */
  roundTripMs: number;
}

/** How long an answer is waited for, and how challenges are answered. */
export interface OutsideOptions {
  deadlineMs: number;
  /** Answers 401 and 407; without it they are the final response. */
  proof?: DigestClient | undefined;
}

/**
 * Sends a request outside of dialogs and resolves to its final response; where challenged, to that of the request with credentials.
 *
 * @throws NoResponseError after the deadline, LinkLostError, RequestFailedError when the SIP server would not send it
 */
export function sendOutside(
  { stack, up, lost }: Pick<SipLink, 'stack' | 'up' | 'lost'>,
  request: OutsideRequest,
  { deadlineMs, proof }: OutsideOptions,
): Promise<OutsideAnswer> {
  const { method, uri, body } = request;
  return new Promise((resolve, reject) => {
    const onLost = (): void =>
      settle(() => reject(new LinkLostError('connection to the SIP server lost', { method, uri })));
    let settled = false;
    const timer = setTimeout(
      () => settle(() => reject(new NoResponseError(`no response to ${method}`, { method, elapsedMs: deadlineMs }))),
      deadlineMs,
    );
    const settle = (tell: () => void): void => {
      settled = true;
      clearTimeout(timer);
      lost.removeEventListener('abort', onLost);
      tell();
    };
    if (!up || lost.aborted) return onLost();
    lost.addEventListener('abort', onLost, { once: true });
    const challenges = new Set<string>();

    const send = (headers: SipHeaders, proxy: string | undefined): void => {
      const startedAt = performance.now();
      const options = {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        ...(proxy === undefined ? {} : { proxy }),
      };
      stack.request(uri, options, (cause, sent) => {
        if (settled) return;
        if (cause || !sent) {
          const facts = { method, uri, cause: String(cause) };
          settle(() => reject(new RequestFailedError(`${method} was not sent`, facts, { cause })));
          return;
        }
        sent.on('response', (response) => {
          if (settled || response.status < 200) return;
          if (proof?.learn(response, challenges)) {
            const again = { ...headers, ...sameRequest(sent), ...proof.headersFor({ method, uri }) };
            send(again, challengerOf(request, response));
          } else settle(() => resolve({ response, sent, roundTripMs: performance.now() - startedAt }));
        });
      });
    };
    send({ ...request.headers, ...proof?.headersFor({ method, uri }) }, request.proxy);
  });
}

/** What makes the next request the same as the one that was challenged (RFC 3261 §22.2): Call-ID, our tag, the next CSeq. */
function sameRequest(sent: SipRequest): SipHeaders {
  const [seq = '1', method = sent.method] = (sent.get('CSeq') ?? '').split(' ');
  return {
    From: sent.get('From') ?? '',
    'Call-ID': sent.get('Call-ID') ?? '',
    CSeq: `${(Number.parseInt(seq, 10) || 1) + 1} ${method}`,
  };
}
