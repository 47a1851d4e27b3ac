import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** What a scanner sends: registrations, calls that are refused, calls that are never answered. */
export type FloodKind = 'register' | 'invite' | 'silent';

/** What the scanner process is told. */
export interface FloodOrder {
  kind: FloodKind;
  port: number;
  perSecond: number;
  /** Addresses from which it comes, from 127.0.<firstNet>.1 on, 250 in each net. */
  sources: number;
  firstNet: number;
  seconds: number;
}

const TICK_MS = 5;

/** A request as scanners send it, without the part that differs. */
function template(kind: FloodKind, host: string): string {
  const method = kind === 'register' ? 'REGISTER' : 'INVITE';
  const user = kind === 'silent' ? 'silent' : 'scanned';
  return [
    `${method} sip:${user}@127.0.0.1 SIP/2.0`,
    `Via: SIP/2.0/UDP ${host}:5060;branch=z9hG4bK-%;rport`,
    'Max-Forwards: 70',
    'From: "100" <sip:100@127.0.0.1>;tag=%',
    `To: <sip:${user}@127.0.0.1>`,
    'Call-ID: %',
    `CSeq: 1 ${method}`,
    `Contact: <sip:100@${host}:5060>`,
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');
}

/** Sends as ordered, evenly over the sources. @returns how many were sent */
async function flood({ kind, port, perSecond, sources, firstNet, seconds }: FloodOrder): Promise<number> {
  const sockets: Array<{ socket: Socket; parts: string[] }> = [];
  for (let n = 0; n < sources; n++) {
    const host = `127.0.${firstNet + Math.floor(n / 250)}.${1 + (n % 250)}`;
    const socket = createSocket('udp4');
    // A full buffer or an ICMP error; the flood goes on.
    socket.on('error', () => {});
    socket.bind(0, host);
    await once(socket, 'listening');
    sockets.push({ socket, parts: template(kind, host).split('%') });
  }
  const started = performance.now();
  const run = `${kind}-${Date.now()}`;
  let sent = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - started;
      const due = Math.floor((Math.min(elapsedMs, seconds * 1000) / 1000) * perSecond);
      for (; sent < due; sent++) {
        const { socket, parts } = sockets[sent % sources]!;
        socket.send(parts.join(`${run}-${sent}`), port, '127.0.0.1');
      }
      if (elapsedMs < seconds * 1000) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  for (const { socket } of sockets) socket.close();
  return sent;
}

process.on('message', (order: FloodOrder) => {
  void flood(order).then((sent) => process.send?.({ sent }));
});
process.on('disconnect', () => process.exit(0));
