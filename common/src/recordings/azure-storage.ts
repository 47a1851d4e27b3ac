import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { AddressGuard } from '../http/address-guard.js';
import type { AzureCredential } from './bucket-credential.js';
import { StorageError } from './errors.js';
import { encodeKey, headerText, metadataName, requestObject, tagQuery } from './http-objects.js';
import { HttpStorage, type UnsignedRequest } from './http-storage.js';
import type { StoredFile } from './storage.js';

/** Of the protocol; from 2019-12-12 on a blob of 5000 MiB is written by one request. */
const VERSION = '2021-08-06';

/** How a container's server is reached. */
interface Account {
  /** `https://account.blob.core.windows.net`, without a slash at the end. */
  url: string;
  name: string;
  key: Buffer | undefined;
  /** Query of a shared access signature. */
  signature: string | undefined;
}

/** A container of Azure Blob Storage. */
export class AzureStorage extends HttpStorage {
  readonly name: string;

  constructor(
    private readonly credential: AzureCredential,
    private readonly guard: AddressGuard,
  ) {
    super();
    this.name = `container ${credential.name} of azure`;
  }

  protected headersOf({ metadata }: StoredFile): Record<string, string> {
    const { tags } = this.credential;
    const headers: Record<string, string> = {
      'x-ms-blob-type': 'BlockBlob',
      ...(tags.length > 0 && { 'x-ms-tags': tagQuery(tags) }),
    };
    for (const [name, value] of Object.entries(metadata))
      headers[`x-ms-meta-${metadataName(name).replaceAll('-', '_')}`] = headerText(value);
    return headers;
  }

  protected async send({ method, key, headers, file, signal }: UnsignedRequest): Promise<IncomingMessage> {
    const account = readAccount(this.credential.connectionString);
    const url = new URL(`${account.url}/${this.credential.name}/${encodeKey(key)}`);
    const dated: Record<string, string> = {
      ...headers,
      'x-ms-version': VERSION,
      'x-ms-date': new Date().toUTCString(),
    };
    if (account.signature !== undefined) url.search = account.signature;
    else if (account.key) dated.Authorization = sharedKey(account.name, account.key, method, url, dated);
    const { guard } = this;
    return requestObject({ method, url, headers: dated, guard, ...(file && { body: file }), signal });
  }
}

/** "Authorize with Shared Key" of Azure Storage, version 2015-02-21 and later. */
function sharedKey(account: string, key: Buffer, method: string, url: URL, headers: Record<string, string>): string {
  const canonical = Object.entries(headers)
    .map(([name, value]) => [name.toLowerCase(), value.trim()] as const)
    .filter(([name]) => name.startsWith('x-ms-'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value}`);
  const length = headers['Content-Length'] === '0' ? '' : (headers['Content-Length'] ?? '');
  const text = [
    method,
    ...['', '', length, '', headers['Content-Type'] ?? '', '', '', '', '', '', ''],
    ...canonical,
    `/${account}${url.pathname}`,
  ].join('\n');
  return `SharedKey ${account}:${createHmac('sha256', key).update(text).digest('base64')}`;
}

function readAccount(connectionString: string): Account {
  const parts = new Map(
    connectionString
      .split(';')
      .filter((part) => part.includes('='))
      .map((part) => [part.slice(0, part.indexOf('=')).trim().toLowerCase(), part.slice(part.indexOf('=') + 1).trim()]),
  );
  const name = parts.get('accountname') ?? '';
  const protocol = parts.get('defaultendpointsprotocol') ?? 'https';
  const suffix = parts.get('endpointsuffix') ?? 'core.windows.net';
  const url = (parts.get('blobendpoint') ?? `${protocol}://${name}.blob.${suffix}`).replace(/\/+$/, '');
  const key = parts.get('accountkey');
  const signature = parts.get('sharedaccesssignature')?.replace(/^\?/, '');
  const isUsable = URL.canParse(url) && /^https?:/.test(url) && (signature !== undefined || (key && name));
  if (!isUsable)
    throw new StorageError(
      'connection_string must have AccountName and AccountKey, or BlobEndpoint and SharedAccessSignature',
      {
        retryable: false,
      },
    );
  return { url, name, key: key ? Buffer.from(key, 'base64') : undefined, signature };
}
