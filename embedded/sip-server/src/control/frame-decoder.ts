/** Largest frame: a SIP message with its largest body and room to spare. Larger lets one client take memory. */
export const MAX_FRAME_BYTES = 1_048_576;
const MAX_LENGTH_DIGITS = 7;
const HASH = 0x23;

/** What {@link FrameDecoder.push} found. */
export interface DecodedFrames {
  frames: string[];
  /** The stream can no longer be followed; the client must be closed. */
  fault?: string;
}

/**
 * Cuts drachtio's control stream into messages: decimal byte length, `#`, UTF-8 text, nothing between. Holds at most one
 * frame of `maxBytes`; chunks are joined once per frame, not once per chunk.
 */
export class FrameDecoder {
  private chunks: Buffer[] = [];
  private held = 0;
  /** Bytes needed before it is worth looking again. */
  private wanted = 1;

  constructor(private maxBytes: number) {}

  /** Allows larger frames: a client that has authenticated. */
  allow(maxBytes: number): void {
    this.maxBytes = maxBytes;
  }

  push(chunk: Buffer): DecodedFrames {
    this.chunks.push(chunk);
    this.held += chunk.length;
    if (this.held < this.wanted) return { frames: [] };
    const bytes = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks, this.held);
    const frames: string[] = [];
    let at = 0;
    this.wanted = 1;
    while (at < bytes.length) {
      const hash = bytes.subarray(at, at + MAX_LENGTH_DIGITS + 1).indexOf(HASH);
      const digits = bytes.toString(
        'latin1',
        at,
        hash < 0 ? Math.min(at + MAX_LENGTH_DIGITS + 1, bytes.length) : at + hash,
      );
      if (!/^\d{1,7}$/.test(digits)) return this.fail(frames, 'a frame begins without a length');
      if (hash < 0) break;
      const length = Number(digits);
      if (length === 0 || length > this.maxBytes) return this.fail(frames, `a frame of ${length} bytes`);
      const start = at + hash + 1;
      if (bytes.length < start + length) {
        this.wanted = start + length - at;
        break;
      }
      frames.push(bytes.toString('utf8', start, start + length));
      at = start + length;
    }
    const rest = bytes.subarray(at);
    this.chunks = rest.length > 0 ? [rest] : [];
    this.held = rest.length;
    return { frames };
  }

  private fail(frames: string[], fault: string): DecodedFrames {
    this.chunks = [];
    this.held = 0;
    return { frames, fault };
  }
}
