import type { IncomingMessage } from 'node:http';
import { type ObjectRequest, refusal } from './http-objects.js';
import type { RecordingStorage, StoredFile, StoredObject } from './storage.js';

/** One object's request, before it is signed. */
export interface UnsignedRequest {
  method: ObjectRequest['method'];
  key: string;
  headers: Record<string, string>;
  /** What is sent. */
  file?: StoredFile;
  signal: AbortSignal | undefined;
}

/** An object storage over HTTP: what all vendors have in common. */
export abstract class HttpStorage implements RecordingStorage {
  abstract readonly name: string;

  /** Signs and sends. @throws StorageError */
  protected abstract send(request: UnsignedRequest): Promise<IncomingMessage>;
  /** What goes with a file, beside its type and length. */
  protected abstract headersOf(file: StoredFile): Record<string, string>;

  async put(key: string, file: StoredFile, signal?: AbortSignal): Promise<void> {
    const headers = {
      'Content-Type': file.contentType,
      'Content-Length': String(file.sizeBytes),
      ...this.headersOf(file),
    };
    const response = await this.send({ method: 'PUT', key, headers, file, signal });
    if (response.statusCode !== 200 && response.statusCode !== 201) throw await refusal(this.name, response);
    response.resume();
  }

  async get(key: string, signal?: AbortSignal): Promise<StoredObject | undefined> {
    const response = await this.send({ method: 'GET', key, headers: {}, signal });
    if (response.statusCode === 404) {
      response.resume();
      return undefined;
    }
    if (response.statusCode !== 200) throw await refusal(this.name, response);
    const sizeBytes = Number(response.headers['content-length']);
    return { body: response, ...(Number.isSafeInteger(sizeBytes) && { sizeBytes }) };
  }

  async remove(key: string, signal?: AbortSignal): Promise<boolean> {
    const response = await this.send({ method: 'DELETE', key, headers: {}, signal });
    const { statusCode = 0 } = response;
    if (statusCode !== 404 && (statusCode < 200 || statusCode > 299)) throw await refusal(this.name, response);
    response.resume();
    return statusCode !== 404;
  }
}
