import type { Socket } from 'node:dgram';

const PROBE_TIMEOUT_MS = 10_000;
const AGAIN_MS = 50;

let probes = 0;

/** Whether a good request is answered with success after all that came before it. @throws when it is not, for ten seconds */
export async function probe(socket: Socket, port: number): Promise<void> {
  const run = probes++;
  let attempt = 0;
  await new Promise<void>((resolve, reject) => {
    const send = (): void => socket.send(options(`probe-${run}-${attempt++}`), port, '127.0.0.1');
    const hear = (bytes: Buffer): void => {
      if (bytes.includes(`z9hG4bKprobe-${run}-`) && bytes.includes('SIP/2.0 200')) finish();
    };
    const again = setInterval(send, AGAIN_MS);
    const end = setTimeout(() => finish(new Error('a good request is not answered any more')), PROBE_TIMEOUT_MS);
    const finish = (error?: Error): void => {
      clearInterval(again);
      clearTimeout(end);
      socket.off('message', hear);
      if (error) reject(error);
      else resolve();
    };
    socket.on('message', hear);
    send();
  });
}

/** Waits until a count is zero. @throws when it is not, after ten seconds */
export async function untilZero(what: string, count: () => number): Promise<void> {
  const end = performance.now() + PROBE_TIMEOUT_MS;
  while (count() > 0) {
    if (performance.now() > end) throw new Error(`${count()} ${what} never ended`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function options(id: string): string {
  return [
    'OPTIONS sip:probe@127.0.0.1 SIP/2.0',
    `Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK${id};rport`,
    'From: <sip:p@127.0.0.1>;tag=p',
    'To: <sip:probe@127.0.0.1>',
    `Call-ID: ${id}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');
}
