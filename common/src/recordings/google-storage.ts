import { createSign } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { AddressGuard } from '../http/address-guard.js';
import type { GoogleCredential } from './bucket-credential.js';
import { StorageError } from './errors.js';
import { answerText, encodeKey, headerText, metadataName, refusal, requestObject } from './http-objects.js';
import { HttpStorage, type UnsignedRequest } from './http-storage.js';
import type { StoredFile } from './storage.js';

const ENDPOINT = 'https://storage.googleapis.com';
const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write';
const TOKEN_LIFE_SEC = 3_600;
/** A token is asked for anew so long before it ends. */
const TOKEN_MARGIN_SEC = 300;

/** A bucket of Google Cloud Storage, over its XML API and with the key of a service account (RFC 7523). */
export class GoogleStorage extends HttpStorage {
  readonly name: string;
  #token: { text: string; until: number } | undefined;

  constructor(
    private readonly credential: GoogleCredential,
    private readonly guard: AddressGuard,
  ) {
    super();
    this.name = `bucket ${credential.name} of google`;
  }

  protected headersOf({ metadata }: StoredFile): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const { Key, Value } of this.credential.tags)
      headers[`x-goog-meta-${Key.toLowerCase().replace(/[^a-z\d-]/g, '-')}`] = headerText(Value);
    for (const [name, value] of Object.entries(metadata))
      headers[`x-goog-meta-${metadataName(name)}`] = headerText(value);
    return headers;
  }

  protected async send({ method, key, headers, file, signal }: UnsignedRequest): Promise<IncomingMessage> {
    const { endpoint = ENDPOINT, name } = this.credential;
    const authorized = { ...headers, Authorization: `Bearer ${await this.#bearer(signal)}` };
    const url = new URL(`${endpoint}/${name}/${encodeKey(key)}`);
    const { guard } = this;
    return requestObject({ method, url, headers: authorized, guard, ...(file && { body: file }), signal });
  }

  async #bearer(signal: AbortSignal | undefined): Promise<string> {
    const nowSec = Math.floor(Date.now() / 1000);
    if (this.#token && nowSec < this.#token.until - TOKEN_MARGIN_SEC) return this.#token.text;
    const { tokenUri } = this.credential.serviceKey;
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: this.#assertion(nowSec),
    });
    const body = String(form);
    const response = await requestObject({
      method: 'POST',
      url: new URL(tokenUri),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': Buffer.byteLength(body) },
      body,
      guard: this.guard,
      signal,
    });
    if (response.statusCode !== 200) throw await refusal(`token for ${this.name}`, response);
    const text = tokenOf(await answerText(response));
    if (text === undefined) throw new StorageError(`token for ${this.name}: the answer has none`, { retryable: true });
    this.#token = { text, until: nowSec + TOKEN_LIFE_SEC };
    return text;
  }

  #assertion(nowSec: number): string {
    const { clientEmail, privateKey, tokenUri } = this.credential.serviceKey;
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { iss: clientEmail, scope: SCOPE, aud: tokenUri, iat: nowSec, exp: nowSec + TOKEN_LIFE_SEC };
    const signed = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
    try {
      return `${signed}.${createSign('RSA-SHA256').update(signed).sign(privateKey, 'base64url')}`;
    } catch (cause) {
      throw new StorageError(
        `${this.name}: private_key of the service account is no key`,
        { retryable: false },
        { cause },
      );
    }
  }
}

function tokenOf(text: string): string | undefined {
  try {
    const { access_token: token } = JSON.parse(text) as { access_token?: unknown };
    return typeof token === 'string' && /^[\x21-\x7e]+$/.test(token) ? token : undefined;
  } catch {
    return undefined;
  }
}
