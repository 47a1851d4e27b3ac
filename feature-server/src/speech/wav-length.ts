import { open } from 'node:fs/promises';

/** How long a WAV file sounds, in ms, by its header; undefined when it is none, or cannot be read. */
export async function wavLengthMs(file: string): Promise<number | undefined> {
  try {
    const handle = await open(file, 'r');
    try {
      const header = Buffer.alloc(44);
      const { bytesRead } = await handle.read(header, 0, header.length, 0);
      if (bytesRead < header.length || header.toString('latin1', 0, 4) !== 'RIFF') return undefined;
      const bytesPerSecond = header.readUInt32LE(28);
      const { size } = await handle.stat();
      return bytesPerSecond > 0 ? ((size - header.length) / bytesPerSecond) * 1000 : undefined;
    } finally {
      await handle.close();
    }
  } catch {
    // The cache may have given it up.
    return undefined;
  }
}
