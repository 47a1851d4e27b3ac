import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An object as it was written. */
export interface FakeObject {
  body: Buffer;
  headers: Record<string, string>;
}

const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

/** A server that speaks as much of S3 as a storage of recordings needs, and believes nobody whose signature (Version 4) is wrong. */
export class FakeS3 {
  readonly accessKeyId = 'AKIDEXAMPLE';
  readonly secretAccessKey = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
  /** By path: `/bucket/key`. */
  readonly objects = new Map<string, FakeObject>();
  /** Statuses for the next requests, instead of what they ask for. */
  readonly failures: number[] = [];
  requests = 0;
  #changed: (() => void)[] = [];
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  static async start(t: { teardown(fn: () => unknown): void }): Promise<FakeS3> {
    const fake = new FakeS3();
    fake.#server.listen(0, '127.0.0.1');
    await once(fake.#server, 'listening');
    t.teardown(() => fake.stop());
    return fake;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** As `bucket_credential` of an account. */
  credential(name: string): Record<string, unknown> {
    const { endpoint, accessKeyId, secretAccessKey } = this;
    return { vendor: 's3_compatible', endpoint, name, access_key_id: accessKeyId, secret_access_key: secretAccessKey };
  }

  /** Resolves when it holds; asked after each request. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    const [status, body] = this.#answer(request, Buffer.concat(chunks));
    this.requests += 1;
    response.writeHead(status, { 'Content-Length': body.length }).end(body);
    for (const resolve of this.#changed.splice(0)) resolve();
  }

  #answer(request: IncomingMessage, body: Buffer): [number, Buffer] {
    const failure = this.failures.shift();
    const error = (code: string, message: string): Buffer =>
      Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
    if (failure !== undefined) return [failure, error('SlowDown', 'Please reduce your request rate')];
    const path = request.url ?? '/';
    if (!this.#isSigned(request, body)) return [403, error('SignatureDoesNotMatch', 'The signature does not match')];
    const known = this.objects.get(path);
    if (request.method === 'PUT') {
      this.objects.set(path, { body, headers: request.headers as Record<string, string> });
      return [200, Buffer.alloc(0)];
    }
    if (!known) return [404, error('NoSuchKey', 'The specified key does not exist')];
    if (request.method === 'DELETE') {
      this.objects.delete(path);
      return [204, Buffer.alloc(0)];
    }
    return [200, known.body];
  }

  #isSigned({ method, url = '', headers }: IncomingMessage, body: Buffer): boolean {
    const [, id, scope = '', names = '', signature = ''] =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), SignedHeaders=([^,]+), Signature=([\da-f]{64})$/.exec(
        headers.authorization ?? '',
      ) ?? [];
    const claimed = String(headers['x-amz-content-sha256']);
    if (id !== this.accessKeyId || claimed !== sha256(body) || !names.split(';').includes('host')) return false;
    const canonical = [
      method,
      url,
      '',
      ...names.split(';').map((name) => `${name}:${String(headers[name] ?? '').trim()}`),
      '',
      names,
      claimed,
    ].join('\n');
    const [day = '', region = '', service = '', end = ''] = scope.split('/');
    const key = [day, region, service, end].reduce<Buffer | string>(hmac, `AWS4${this.secretAccessKey}`);
    const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n');
    return timingSafeEqual(Buffer.from(hmac(key, text).toString('hex')), Buffer.from(signature));
  }
}
