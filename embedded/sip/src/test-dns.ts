import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** Records of a test's zone by lower-case name and type. Everything else does not exist. */
export interface Zone {
  A?: Record<string, string[]>;
  AAAA?: Record<string, string[]>;
  SRV?: Record<string, Array<{ priority: number; weight: number; port: number; target: string }>>;
  NAPTR?: Record<string, Array<{ order: number; preference: number; service: string; replacement: string }>>;
}

const TYPES: Record<number, keyof Zone> = { 1: 'A', 28: 'AAAA', 33: 'SRV', 35: 'NAPTR' };

/** A DNS server on a free UDP port of loopback; returns its `address:port` and the questions that it got. */
export async function startDns(t: { teardown(fn: () => unknown): void }, zone: Zone) {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  const asked: string[] = [];
  socket.on('message', (query, from) => {
    const { name, end } = readName(query, 12);
    const type = TYPES[query.readUInt16BE(end)];
    asked.push(`${type} ${name}`);
    const records = type === undefined ? [] : recordsOf(zone, type, name);
    const question = query.subarray(12, end + 4);
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    // A response, recursion desired and available; NXDOMAIN (3) without records.
    head.writeUInt16BE(0x8180 | (records.length === 0 ? 3 : 0), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    const answers = records.map((data) => {
      const fixed = Buffer.alloc(12);
      // A pointer to the name of the question.
      fixed.writeUInt16BE(0xc00c, 0);
      query.copy(fixed, 2, end, end + 4);
      fixed.writeUInt32BE(60, 4 + 2);
      fixed.writeUInt16BE(data.length, 10);
      return Buffer.concat([fixed, data]);
    });
    socket.send(Buffer.concat([head, question, ...answers]), from.port, from.address);
  });
  return { server: `127.0.0.1:${socket.address().port}`, asked };
}

function recordsOf(zone: Zone, type: keyof Zone, name: string): Buffer[] {
  switch (type) {
    case 'A':
      return (zone.A?.[name] ?? []).map((address) => Buffer.from(address.split('.').map(Number)));
    case 'AAAA':
      return (zone.AAAA?.[name] ?? []).map(ipv6Bytes);
    case 'SRV':
      return (zone.SRV?.[name] ?? []).map(({ priority, weight, port, target }) =>
        Buffer.concat([uint16(priority, weight, port), writeName(target)]),
      );
    case 'NAPTR':
      return (zone.NAPTR?.[name] ?? []).map(({ order, preference, service, replacement }) =>
        Buffer.concat([uint16(order, preference), text('s'), text(service), text(''), writeName(replacement)]),
      );
  }
}

function uint16(...values: number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 255]));
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
}

function writeName(name: string): Buffer {
  return Buffer.concat([...name.split('.').map(text), Buffer.from([0])]);
}

/** Only the form with `::` at the front that tests need. */
function ipv6Bytes(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16BE(Number.parseInt(address.replace('::', ''), 16), 14);
  return bytes;
}

function readName(query: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  while (query[at]! > 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!));
    at += 1 + query[at]!;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}
