import { createReadStream } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { AddressGuard } from '../http/address-guard.js';
import type { BucketTag } from './bucket-credential.js';
import { StorageError } from './errors.js';

/** A storage that says nothing for so long is away. */
const IDLE_DEADLINE_MS = 30_000;
const MAX_ANSWER_BYTES = 4_096;

/** A request to an object storage. */
export interface ObjectRequest {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  url: URL;
  headers: OutgoingHttpHeaders;
  /** A file, or text. */
  body?: { path: string } | string;
  guard: AddressGuard;
  signal?: AbortSignal | undefined;
}

/** Makes it; redirects are answers like others. @throws StorageError when there is no answer */
export async function requestObject({
  method,
  url,
  headers,
  body,
  guard,
  signal,
}: ObjectRequest): Promise<IncomingMessage> {
  try {
    guard.checkLiteral(url);
  } catch (cause) {
    throw new StorageError(messageOf(cause), { retryable: false }, { cause });
  }
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const request = send(url, {
    method,
    headers,
    lookup: guard.lookup,
    timeout: IDLE_DEADLINE_MS,
    ...(signal && { signal }),
  });
  request.on('timeout', () => request.destroy(new Error(`nothing was heard for ${IDLE_DEADLINE_MS / 1000} s`)));
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
  try {
    if (typeof body === 'object') {
      // A storage may refuse before it has read everything; its answer says why, a broken pipe does not.
      const sent = pipeline(createReadStream(body.path), request);
      await Promise.race([answered, sent.catch(() => answered)]);
    } else {
      request.end(body);
    }
    return await answered;
  } catch (cause) {
    throw new StorageError(`${url.host} cannot be reached: ${messageOf(cause)}`, { retryable: true }, { cause });
  }
}

/** The beginning of an answer's body; the rest is left. */
export async function answerText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= MAX_ANSWER_BYTES) break;
    }
  } catch {
    // What came of it is enough to say what was wrong.
  }
  return Buffer.concat(chunks).toString('utf8').slice(0, MAX_ANSWER_BYTES);
}

/** What is said of an answer that is no success; reads it. */
export async function refusal(what: string, response: IncomingMessage): Promise<StorageError> {
  const status = response.statusCode ?? 0;
  const text = await answerText(response);
  const reason = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? text.replace(/\s+/g, ' ').slice(0, 200);
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1];
  const shown = [status, code, reason].filter(Boolean).join(' ');
  return new StorageError(`${what}: ${shown}`, {
    retryable: status >= 500 || status === 408 || status === 429,
    status,
  });
}

/** A header's value: what is not printable ASCII is percent-encoded. */
export function headerText(text: string): string {
  const encode = (char: string): string =>
    [...Buffer.from(char)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
  return text.replace(/[^\x20-\x7e]/gu, encode).slice(0, 1024);
}

/** Tags as the query that S3 and Azure want. */
export const tagQuery = (tags: readonly BucketTag[]): string =>
  tags.map(({ Key, Value }) => `${encodeURIComponent(Key)}=${encodeURIComponent(Value)}`).join('&');

/** `callSid` → `call-sid`: how metadata is named in headers. */
export const metadataName = (name: string): string => name.replace(/[A-Z]/g, (char) => `-${char.toLowerCase()}`);

/** Parts of a key, each percent-encoded as RFC 3986 §2.3 has it. */
export function encodeKey(key: string): string {
  const encode = (part: string): string =>
    encodeURIComponent(part).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return key.split('/').map(encode).join('/');
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
