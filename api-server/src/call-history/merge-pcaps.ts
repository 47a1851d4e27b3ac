const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
/** The same packet in two files is one that both ends saw, when it is in them this close together. */
const SAME_WITHIN_US = 2_000_000;

interface Packet {
  atUs: number;
  /** Record header and packet. */
  record: Buffer;
  content: string;
}

/**
 * One pcap file of several, in the order of time: little-endian, microseconds, of the same link type, as the SIP servers write them. A
 * packet that stands in two files is written once. Files that are cut off count as far as they go.
 */
export function mergePcaps(files: readonly Buffer[]): Buffer {
  const [first = Buffer.alloc(FILE_HEADER_BYTES)] = files;
  const kept: Packet[] = [];
  for (const file of files) {
    const unmatched = new Map<string, Packet[]>();
    for (const packet of kept) {
      const same = unmatched.get(packet.content);
      if (same) same.push(packet);
      else unmatched.set(packet.content, [packet]);
    }
    const added: Packet[] = [];
    for (const packet of packetsOf(file)) {
      const same = unmatched.get(packet.content) ?? [];
      const index = same.findIndex(({ atUs }) => Math.abs(atUs - packet.atUs) <= SAME_WITHIN_US);
      if (index < 0) added.push(packet);
      else same.splice(index, 1);
    }
    kept.push(...added);
  }
  kept.sort((a, b) => a.atUs - b.atUs);
  return Buffer.concat([first.subarray(0, FILE_HEADER_BYTES), ...kept.map(({ record }) => record)]);
}

function* packetsOf(file: Buffer): Generator<Packet> {
  for (let at = FILE_HEADER_BYTES; at + RECORD_HEADER_BYTES <= file.length; ) {
    const end = at + RECORD_HEADER_BYTES + file.readUInt32LE(at + 8);
    if (end > file.length) return;
    const record = file.subarray(at, end);
    const atUs = record.readUInt32LE(0) * 1e6 + record.readUInt32LE(4);
    yield { atUs, record, content: record.toString('latin1', RECORD_HEADER_BYTES) };
    at = end;
  }
}
