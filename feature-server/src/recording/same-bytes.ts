import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';

/**
 * Whether a file has just the bytes of a stream, which is read until they differ.
 *
 * @throws what either of them throws
 */
export async function hasBytesOf(path: string, stream: Readable): Promise<boolean> {
  const file = await open(path);
  try {
    let at = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(chunk.length), 0, chunk.length, at);
      if (bytesRead !== chunk.length || !buffer.equals(chunk)) return false;
      at += chunk.length;
    }
    return at === (await file.stat()).size;
  } finally {
    await file.close();
  }
}
