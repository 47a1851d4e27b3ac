import { isIPv4, isIPv6 } from 'node:net';
import type { Endpoint } from '@ringwire/sip';
import type { Direction } from './wire-message.js';

/** A message to be written as a packet. */
export interface PcapMessage {
  /** Microseconds since the epoch. */
  atUs: number;
  direction: Direction;
  peer: Endpoint;
  local: Endpoint;
  bytes: Buffer;
}

const MAGIC_US = 0xa1b2c3d4;
/** Packets begin with their IPv4 or IPv6 header: LINKTYPE_RAW. */
const LINKTYPE_RAW = 101;
const SNAPSHOT_BYTES = 262_144;
const UDP = 17;
const TCP = 6;
/** What fits into one IP packet beside the headers, with some to spare. */
const MAX_PAYLOAD = 65_000;
const PSH_ACK = 0x18;

/**
 * A pcap file (microseconds, raw IP) of messages in their order. Their IP and UDP or TCP headers are made up: what came over TLS or
 * WebSocket is shown, in clear, as UDP, so that readers do not look for TLS records or frames in it.
 */
export function writePcap(messages: Iterable<PcapMessage>): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(MAGIC_US, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(SNAPSHOT_BYTES, 16);
  header.writeUInt32LE(LINKTYPE_RAW, 20);
  const parts: Buffer[] = [header];
  const flows = new Map<string, number>();
  for (const message of messages) {
    for (const packet of packetsOf(message, flows)) {
      const record = Buffer.alloc(16);
      record.writeUInt32LE(Math.floor(message.atUs / 1e6), 0);
      record.writeUInt32LE(message.atUs % 1e6, 4);
      record.writeUInt32LE(packet.length, 8);
      record.writeUInt32LE(packet.length, 12);
      parts.push(record, packet);
    }
  }
  return Buffer.concat(parts);
}

/** @param flows next sequence number of each direction of each TCP connection */
function* packetsOf({ direction, peer, local, bytes }: PcapMessage, flows: Map<string, number>): Generator<Buffer> {
  const [from, to] = direction === 'in' ? [peer, local] : [local, peer];
  const addresses = addressPair(from.host, to.host);
  if (peer.transport !== 'tcp' && bytes.length <= MAX_PAYLOAD) {
    yield ipPacket(addresses, UDP, udpSegment(from.port, to.port, bytes));
    return;
  }
  const [flow, back] = [
    `${from.host}|${from.port}|${to.host}|${to.port}`,
    `${to.host}|${to.port}|${from.host}|${from.port}`,
  ];
  for (let at = 0; at < bytes.length; at += MAX_PAYLOAD) {
    const payload = bytes.subarray(at, at + MAX_PAYLOAD);
    const sequence = flows.get(flow) ?? 1;
    flows.set(flow, sequence + payload.length);
    yield ipPacket(
      addresses,
      TCP,
      tcpSegment(from.port, to.port, { sequence, acknowledged: flows.get(back) ?? 1 }, payload),
    );
  }
}

function udpSegment(fromPort: number, toPort: number, payload: Buffer): Buffer {
  const segment = Buffer.alloc(8 + payload.length);
  segment.writeUInt16BE(fromPort, 0);
  segment.writeUInt16BE(toPort, 2);
  segment.writeUInt16BE(segment.length, 4);
  payload.copy(segment, 8);
  return segment;
}

function tcpSegment(
  fromPort: number,
  toPort: number,
  at: { sequence: number; acknowledged: number },
  payload: Buffer,
): Buffer {
  const segment = Buffer.alloc(20 + payload.length);
  segment.writeUInt16BE(fromPort, 0);
  segment.writeUInt16BE(toPort, 2);
  segment.writeUInt32BE(at.sequence >>> 0, 4);
  segment.writeUInt32BE(at.acknowledged >>> 0, 8);
  segment[12] = 5 << 4;
  segment[13] = PSH_ACK;
  segment.writeUInt16BE(65_535, 14);
  payload.copy(segment, 20);
  return segment;
}

/** Fills in the checksum of the segment too: UDP over IPv6 may not be without. */
function ipPacket({ from, to }: AddressPair, protocol: number, segment: Buffer): Buffer {
  const isV4 = from.length === 4;
  const header = Buffer.alloc(isV4 ? 20 : 40);
  const pseudo = Buffer.alloc(4);
  pseudo.writeUInt16BE(protocol, 0);
  pseudo.writeUInt16BE(segment.length, 2);
  const checksum = internetChecksum([from, to, pseudo, segment]);
  segment.writeUInt16BE(protocol === UDP && checksum === 0 ? 0xffff : checksum, protocol === UDP ? 6 : 16);
  if (isV4) {
    header[0] = 0x45;
    header.writeUInt16BE(20 + segment.length, 2);
    header.writeUInt16BE(0x4000, 6);
    header[8] = 64;
    header[9] = protocol;
    from.copy(header, 12);
    to.copy(header, 16);
    header.writeUInt16BE(internetChecksum([header]), 10);
  } else {
    header[0] = 0x60;
    header.writeUInt16BE(segment.length, 4);
    header[6] = protocol;
    header[7] = 64;
    from.copy(header, 8);
    to.copy(header, 24);
  }
  return Buffer.concat([header, segment]);
}

/** RFC 1071. All parts but the last must be of even length. */
function internetChecksum(parts: readonly Buffer[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i + 1 < part.length; i += 2) sum += part.readUInt16BE(i);
    if (part.length % 2 === 1) sum += part[part.length - 1]! << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** Both addresses in the same family: 4 or 16 bytes. */
export interface AddressPair {
  from: Buffer;
  to: Buffer;
}

/** The bytes of two addresses; an IPv4 one beside an IPv6 one is mapped into it, a name (not looked up yet) is all zeroes. */
export function addressPair(from: string, to: string): AddressPair {
  const [a, b] = [addressBytes(from), addressBytes(to)];
  if (a.length === b.length) return { from: a, to: b };
  return { from: mapped(a), to: mapped(b) };
}

function mapped(address: Buffer): Buffer {
  return address.length === 16 ? address : Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), address]);
}

function addressBytes(host: string): Buffer {
  const plain = host.toLowerCase().startsWith('::ffff:') && isIPv4(host.slice(7)) ? host.slice(7) : host;
  if (isIPv4(plain)) return Buffer.from(plain.split('.').map(Number));
  const [address = ''] = plain.split('%', 1);
  if (!isIPv6(address)) return Buffer.alloc(4);
  // The URL parser spells IPv6 addresses in hexadecimal groups only.
  const [left = '', right] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const groups = (text: string | undefined): number[] =>
    text ? text.split(':').map((group) => Number.parseInt(group, 16)) : [];
  const [head, tail] = [groups(left), groups(right)];
  const bytes = Buffer.alloc(16);
  for (const [i, group] of head.entries()) bytes.writeUInt16BE(group, 2 * i);
  for (const [i, group] of tail.entries()) bytes.writeUInt16BE(group, 16 - 2 * (tail.length - i));
  return bytes;
}
