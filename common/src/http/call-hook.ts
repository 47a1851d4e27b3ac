import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { RingwireError } from '../errors.js';
import type { Webhook } from '../provisioning/rows.js';
import { signPayload } from '../secrets/signature.js';
import type { AddressGuard } from './address-guard.js';

/** A customer's hook could not be asked, or gave nothing that can be read. */
export class HookCallError extends RingwireError {
  readonly code = 'hook/call-failed';
  override readonly retryable = true;
}

/** What a hook answered: any status is an answer. */
export interface HookAnswer {
  status: number;
  /** The JSON of the body; undefined where there is none. */
  json: unknown;
}

/** What {@link callHook} keeps to. */
export interface HookCall {
  hook: Pick<Webhook, 'url' | 'username' | 'password'> & { method: Webhook['method'] | 'OPTIONS' };
  /** Goes out as JSON; for GET its texts and numbers as the query; not with OPTIONS. */
  payload: Readonly<Record<string, unknown>>;
  /** Signs the request (`Jambonz-Signature`); null: it goes out unsigned. */
  secret: string | null;
  guard: AddressGuard;
  /** From the first byte sent to the last received. */
  timeoutMs?: number;
}

const TIMEOUT_MS = 5_000;
/** Longer answers are none of a hook that says yes or no. */
const MAX_BYTES = 65_536;

function urlOf({ url, method }: HookCall['hook'], payload: HookCall['payload']): URL {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:') {
    throw new HookCallError('the hook is no http or https URL', { url });
  }
  if (method === 'GET') {
    for (const [name, value] of Object.entries(payload)) {
      if (typeof value === 'string' || typeof value === 'number') parsed.searchParams.set(name, `${value}`);
    }
  }
  parsed.hash = '';
  return parsed;
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_BYTES) throw new HookCallError(`the hook's answer is longer than ${MAX_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parse(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new HookCallError("the hook's answer is no JSON", {}, { cause });
  }
}

/**
 * Asks a customer's hook once and reads its JSON answer. Follows no redirects, asks no private addresses unless the guard lets it.
 *
 * @throws HookCallError
 */
export async function callHook(call: HookCall): Promise<HookAnswer> {
  const { hook, payload, secret, guard, timeoutMs = TIMEOUT_MS } = call;
  const url = urlOf(hook, payload);
  const body = JSON.stringify(payload);
  const isPost = hook.method === 'POST';
  const signal = AbortSignal.timeout(timeoutMs);
  const headers: Record<string, string> = { 'User-Agent': 'jambonz', Accept: 'application/json' };
  if (secret !== null) headers['Jambonz-Signature'] = signPayload(secret, body);
  if (hook.username !== null) {
    headers.Authorization = `Basic ${Buffer.from(`${hook.username}:${hook.password ?? ''}`).toString('base64')}`;
  }
  if (isPost) headers['Content-Type'] = 'application/json';
  try {
    guard.checkLiteral(url);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      // A socket of its own: what is asked seldom is not worth a connection that is kept.
      const options = { method: hook.method, headers, signal, agent: false as const, lookup: guard.lookup };
      send(url, options, resolve)
        .on('error', reject)
        .end(isPost ? body : undefined);
    });
    try {
      const status = response.statusCode ?? 0;
      const text = await bodyOf(response);
      return { status, json: status >= 200 && status < 300 ? parse(text) : undefined };
    } finally {
      response.destroy();
    }
  } catch (cause) {
    if (cause instanceof HookCallError) throw cause;
    const why = signal.aborted ? `no answer in ${timeoutMs} ms` : cause instanceof Error ? cause.message : `${cause}`;
    throw new HookCallError(`the hook could not be asked: ${why}`, { url: hook.url }, { cause });
  }
}
