/** Length of {@link wavHeader}. */
export const WAV_HEADER_BYTES = 44;

const BITS = 16;
const FORMAT_PCM = 1;
/** A RIFF chunk counts its bytes in 32 bits. */
const MAX_CHUNK_BYTES = 2 ** 32 - 1;

/** The beginning of a WAV file of 16-bit samples ("Multimedia Programming Interface and Data Specifications 1.0"). */
export function wavHeader(
  dataBytes: number,
  { sampleRate, channels }: { sampleRate: number; channels: number },
): Buffer {
  const header = Buffer.alloc(WAV_HEADER_BYTES);
  const frameBytes = (channels * BITS) / 8;
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(Math.min(dataBytes + WAV_HEADER_BYTES - 8, MAX_CHUNK_BYTES), 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(FORMAT_PCM, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * frameBytes, 28);
  header.writeUInt16LE(frameBytes, 32);
  header.writeUInt16LE(BITS, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(Math.min(dataBytes, MAX_CHUNK_BYTES), 40);
  return header;
}
