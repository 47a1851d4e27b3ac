/**
 * Follows the frames of a WebSocket stream (RFC 6455 §5.2) without keeping or unmasking them, only to know whether a
 * message has begun that is not complete: what `ws` tells about no connection.
 */
export class WebSocketFrames {
  /** Bytes of the present frame's header, as far as they have come. */
  private readonly header = Buffer.alloc(14);
  private headerBytes = 0;
  /** Bytes of payload that the present frame still lacks. */
  private payloadLeft = 0;
  /** A data frame without FIN has come. */
  private fragmented = false;

  /** Whether a frame or a fragmented message is under way. */
  get isMidMessage(): boolean {
    return this.headerBytes > 0 || this.payloadLeft > 0 || this.fragmented;
  }

  /** Takes the next bytes of the stream. @returns whether a data message was completed in them */
  push(chunk: Buffer): boolean {
    let completed = false;
    let at = 0;
    while (at < chunk.length) {
      if (this.payloadLeft > 0) {
        const part = Math.min(this.payloadLeft, chunk.length - at);
        this.payloadLeft -= part;
        at += part;
        if (this.payloadLeft === 0) completed = this.endFrame() || completed;
        continue;
      }
      this.header[this.headerBytes++] = chunk[at++]!;
      const length = this.headerLength();
      if (length === undefined || this.headerBytes < length) continue;
      this.payloadLeft = this.payloadLength();
      if (this.payloadLeft === 0) completed = this.endFrame() || completed;
    }
    return completed;
  }

  private endFrame(): boolean {
    const opcode = this.header[0]! & 0x0f;
    const isLast = (this.header[0]! & 0x80) !== 0;
    this.headerBytes = 0;
    // Frames of control (8 and above) come between the pieces of a message.
    if (opcode >= 8) return false;
    this.fragmented = !isLast;
    return isLast;
  }

  /** Length of the header, once its first two bytes tell. */
  private headerLength(): number | undefined {
    if (this.headerBytes < 2) return undefined;
    const short = this.header[1]! & 0x7f;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    const mask = (this.header[1]! & 0x80) === 0 ? 0 : 4;
    return 2 + extended + mask;
  }

  private payloadLength(): number {
    const short = this.header[1]! & 0x7f;
    if (short === 126) return this.header.readUInt16BE(2);
    return short === 127 ? Number(this.header.readBigUInt64BE(2)) : short;
  }
}
