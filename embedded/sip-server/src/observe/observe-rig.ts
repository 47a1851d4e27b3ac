import { createLogger } from '@ringwire/common/log/logger.js';
import { createUserAgent, type Endpoint, type UserAgent } from '@ringwire/sip';
import { readArguments } from '../arguments.js';
import { type SipServer, startSipServer } from '../server.js';
import type { Teardown } from '../test-rig.js';
import type { TraceLimits } from './trace-output.js';
import { readWireMessage, type WireMessage } from './wire-message.js';

/** A server of ours with these flags, and what its trace has written so far. */
export async function startObserved(
  t: Teardown,
  flags: string[] = [],
  traceLimits: Partial<TraceLimits> = {},
): Promise<{ server: SipServer; traced(): string }> {
  const contact = flags.includes('--contact') ? [] : ['--contact', 'sip:127.0.0.1:0;transport=udp,tcp'];
  const options = readArguments([...contact, '--port', '0', '--http-port', '0', ...flags]);
  let text = '';
  const server = await startSipServer(options, {
    logger: createLogger({ name: 'sip-server', level: 'silent' }),
    instanceId: 'test',
    traceLimits,
    traceWriter: (part, done) => {
      text += part;
      setImmediate(done);
    },
  });
  t.teardown(() => server.stop());
  return { server, traced: () => text };
}

/** A telephone on free ports of loopback; with the timers of the standard, so that a busy machine repeats nothing. */
export async function startPhone(t: Teardown): Promise<UserAgent> {
  const listen = (['udp', 'tcp'] as const).map((transport) => ({ transport, host: '127.0.0.1', port: 0 }));
  const phone = await createUserAgent({ listen });
  t.teardown(() => phone.stop());
  return phone;
}

/** Asks the server's HTTP port. */
export async function ask(server: SipServer, path: string): Promise<{ status: number; body: Buffer }> {
  const response = await fetch(`http://127.0.0.1:${server.httpPort}${path}`);
  return { status: response.status, body: Buffer.from(await response.arrayBuffer()) };
}

/** The value of one series of `/metrics`, by name and some of its labels; undefined where there is none. */
export async function metric(
  server: SipServer,
  name: string,
  labels: Record<string, string> = {},
): Promise<number | undefined> {
  const text = (await ask(server, '/metrics')).body.toString();
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const line = text
    .split('\n')
    .find((l) => (l.startsWith(`${name}{`) || l.startsWith(`${name} `)) && wanted.every((part) => l.includes(part)));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}

/** A message with given headers as it would have come from a peer. */
export function wireMessage(
  lines: readonly string[],
  {
    atUs,
    peer = {},
    local = {},
    body = '',
  }: { atUs?: number; peer?: Partial<Endpoint>; local?: Partial<Endpoint>; body?: string } = {},
): WireMessage {
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
  const message = readWireMessage(
    'in',
    bytes,
    { transport: 'udp', host: '192.0.2.1', port: 5062, ...peer },
    { transport: 'udp', host: '192.0.2.9', port: 5060, ...local },
  );
  return atUs === undefined ? message : { ...message, atUs };
}
