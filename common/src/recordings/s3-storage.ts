import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import aws4 from 'aws4';
import type { AddressGuard } from '../http/address-guard.js';
import type { S3CompatibleCredential, S3Credential } from './bucket-credential.js';
import { encodeKey, headerText, metadataName, requestObject, tagQuery } from './http-objects.js';
import { HttpStorage, type UnsignedRequest } from './http-storage.js';
import type { StoredFile } from './storage.js';

/** A bucket of Amazon S3, or of a server that speaks its protocol (Signature Version 4). */
export class S3Storage extends HttpStorage {
  readonly name: string;

  constructor(
    private readonly credential: S3Credential | S3CompatibleCredential,
    private readonly guard: AddressGuard,
  ) {
    super();
    this.name = `bucket ${credential.name} of ${credential.vendor}`;
  }

  protected headersOf({ metadata }: StoredFile): Record<string, string> {
    const { tags } = this.credential;
    const headers: Record<string, string> = tags.length > 0 ? { 'x-amz-tagging': tagQuery(tags) } : {};
    for (const [name, value] of Object.entries(metadata))
      headers[`x-amz-meta-${metadataName(name)}`] = headerText(value);
    return headers;
  }

  protected async send({ method, key, headers, file, signal }: UnsignedRequest): Promise<IncomingMessage> {
    const { credential, guard } = this;
    const url = this.#urlOf(key);
    const hash = createHash('sha256');
    if (file) await pipeline(createReadStream(file.path), hash);
    const signed = aws4.sign(
      {
        service: 's3',
        region: credential.region,
        method,
        host: url.host,
        path: url.pathname,
        headers: { ...headers, 'X-Amz-Content-Sha256': hash.digest('hex') },
      },
      { accessKeyId: credential.accessKeyId, secretAccessKey: credential.secretAccessKey },
    );
    return requestObject({ method, url, headers: signed.headers ?? {}, guard, ...(file && { body: file }), signal });
  }

  /** Amazon wants the bucket in the host, other servers in the path; a bucket with dots fits no certificate. */
  #urlOf(key: string): URL {
    const { credential } = this;
    const path = encodeKey(key);
    if (credential.vendor === 's3_compatible') return new URL(`${credential.endpoint}/${credential.name}/${path}`);
    const domain = credential.region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
    return credential.name.includes('.')
      ? new URL(`https://s3.${credential.region}.${domain}/${credential.name}/${path}`)
      : new URL(`https://${credential.name}.s3.${credential.region}.${domain}/${path}`);
  }
}
