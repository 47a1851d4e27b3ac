import { isIPv6 } from 'node:net';
import { isReliable } from '@ringwire/sip';
import { addressPair } from './pcap.js';
import { headerOf, headOf, type WireMessage } from './wire-message.js';

/** Who we are to Homer. */
export interface HepIdentity {
  /** Capture agent id, 32 bits. */
  agentId: number;
  /** Capture password; undefined sends none. */
  authKey: string | undefined;
  /** Name shown beside the id; undefined sends none. */
  nodeName: string | undefined;
}

/** Chunk types of the generic vendor 0: HEP/EEP revision 3, section "Chunk types". */
const CHUNK = {
  ipFamily: 1,
  ipProtocol: 2,
  ipv4Source: 3,
  ipv4Destination: 4,
  ipv6Source: 5,
  ipv6Destination: 6,
  sourcePort: 7,
  destinationPort: 8,
  seconds: 9,
  microseconds: 10,
  protocol: 11,
  agentId: 12,
  authKey: 14,
  payload: 15,
  correlationId: 17,
  nodeName: 19,
} as const;

const AF_INET = 2;
const AF_INET6 = 10;
const SIP = 1;
const CHUNK_HEAD_BYTES = 6;
/** The length of a packet has 16 bits; a datagram carries a little less. */
export const MAX_HEP_BYTES = 65_507;

/**
 * A message as a HEP version 3 packet. All numbers are big-endian; the correlation id is the X-CID that the platform gives inner
 * legs, else the Call-ID.
 * @param payload the message as it may leave the process
 * @returns undefined when it is too large for a packet
 */
export function encodeHep(message: WireMessage, payload: Buffer, identity: HepIdentity): Buffer | undefined {
  const { direction, peer, local, atUs } = message;
  const [from, to] = direction === 'in' ? [peer, local] : [local, peer];
  const addresses = addressPair(from.host, to.host);
  const isV6 = addresses.from.length === 16;
  const chunks = [
    byte(CHUNK.ipFamily, isV6 ? AF_INET6 : AF_INET),
    byte(CHUNK.ipProtocol, isReliable(peer.transport) ? 6 : 17),
    chunk(isV6 ? CHUNK.ipv6Source : CHUNK.ipv4Source, addresses.from),
    chunk(isV6 ? CHUNK.ipv6Destination : CHUNK.ipv4Destination, addresses.to),
    word(CHUNK.sourcePort, from.port),
    word(CHUNK.destinationPort, to.port),
    long(CHUNK.seconds, Math.floor(atUs / 1e6)),
    long(CHUNK.microseconds, atUs % 1e6),
    byte(CHUNK.protocol, SIP),
    long(CHUNK.agentId, identity.agentId),
  ];
  if (identity.authKey !== undefined) chunks.push(chunk(CHUNK.authKey, Buffer.from(identity.authKey)));
  if (identity.nodeName !== undefined) chunks.push(chunk(CHUNK.nodeName, Buffer.from(identity.nodeName)));
  const correlationId = headerOf(headOf(payload), 'x-cid') || message.callId;
  if (correlationId !== '') chunks.push(chunk(CHUNK.correlationId, Buffer.from(correlationId)));
  chunks.push(chunk(CHUNK.payload, payload));
  const length = chunks.reduce((sum, part) => sum + part.length, 6);
  if (length > MAX_HEP_BYTES) return undefined;
  const start = Buffer.from('HEP3\0\0', 'latin1');
  start.writeUInt16BE(length, 4);
  return Buffer.concat([start, ...chunks], length);
}

/** `ip:port`, `[ipv6]:port` or a host without port: where Homer listens. undefined when it is none of these. */
export function parseHomerAddress(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const [, v6, plain] = match;
  const host = v6 ?? plain;
  const port = Number(match[3] ?? DEFAULT_HOMER_PORT);
  if (!host || port < 1 || port > 65_535 || (v6 !== undefined && !isIPv6(v6))) return undefined;
  return { host, port };
}

const DEFAULT_HOMER_PORT = 9060;

function chunk(type: number, value: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(CHUNK_HEAD_BYTES + value.length);
  bytes.writeUInt16BE(0, 0);
  bytes.writeUInt16BE(type, 2);
  // A payload that is too large is refused by the caller, by the sum of all lengths.
  bytes.writeUInt16BE(Math.min(bytes.length, 0xffff), 4);
  value.copy(bytes, CHUNK_HEAD_BYTES);
  return bytes;
}

function byte(type: number, value: number): Buffer {
  return chunk(type, Buffer.from([value]));
}

function word(type: number, value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(value & 0xffff, 0);
  return chunk(type, bytes);
}

function long(type: number, value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0, 0);
  return chunk(type, bytes);
}
