import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { SubmitResult, VendorRequest } from '@ringwire/common';
import { type AddressGuard, PrivateAddressError } from '@ringwire/common/http/address-guard.js';

/** How patient we are. */
export interface HttpSubmitOptions {
  guard: AddressGuard;
  /** Authorities (PEM), instead of those that Node brings. */
  ca?: readonly string[];
  /** From the first step to the last octet of the answer. @defaultValue 15,000 */
  timeoutMs?: number;
}

const TIMEOUT_MS = 15_000;
/** Answers are read up to here; more says nothing more. */
const MAX_ANSWER_BYTES = 64 * 1024;

async function bodyOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    parts.push(part);
    bytes += part.length;
    if (bytes >= MAX_ANSWER_BYTES) break;
  }
  return Buffer.concat(parts).subarray(0, MAX_ANSWER_BYTES).toString('utf8');
}

/**
 * Posts a request of a vendor and has the answer read. What fails before there is a connection was not sent, and may be tried again; what
 * fails later may have been accepted.
 */
export async function submitOverHttp(
  { url, headers, body }: VendorRequest,
  readAnswer: (status: number, body: string) => SubmitResult,
  { guard, ca, timeoutMs = TIMEOUT_MS }: HttpSubmitOptions,
): Promise<SubmitResult> {
  const target = new URL(url);
  const isTls = target.protocol === 'https:';
  const signal = AbortSignal.timeout(timeoutMs);
  let isConnected = false;
  try {
    guard.checkLiteral(target);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request: ClientRequest = (isTls ? requestHttps : requestHttp)(
        target,
        {
          method: 'POST',
          headers: { ...headers, 'content-length': Buffer.byteLength(body), accept: 'application/json' },
          // A connection of its own: one that is kept may be closed under the request, and then nobody knows whether it arrived.
          agent: false,
          lookup: guard.lookup,
          signal,
          ...(ca && { ca: [...ca] }),
        },
        resolve,
      );
      request.on('socket', (socket) => {
        socket.once(isTls ? 'secureConnect' : 'connect', () => {
          isConnected = true;
        });
      });
      request.on('error', reject);
      request.end(body);
    });
    try {
      return readAnswer(response.statusCode ?? 0, await bodyOf(response));
    } finally {
      response.destroy();
    }
  } catch (err) {
    const message = err instanceof Error ? err.message || String((err as NodeJS.ErrnoException).code) : String(err);
    const detail = signal.aborted ? `no answer within ${timeoutMs} ms` : message;
    if (err instanceof PrivateAddressError) return { kind: 'refused', detail, isConfiguration: true };
    return isConnected ? { kind: 'unknown', detail } : { kind: 'busy', detail };
  }
}
