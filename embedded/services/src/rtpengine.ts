import { join } from 'node:path';
import { requireProgram } from './find-program.js';
import { findFreePort } from './free-port.js';
import { ManagedProcess } from './managed-process.js';
import type { ServiceOptions } from './mariadb.js';
import { udpAnswer } from './readiness.js';

/** A running private rtpengine. */
export interface RtpengineService {
  host: string;
  /** UDP port of the `ng` control protocol. */
  port: number;
  child: ManagedProcess;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';

/**
 * Starts a private rtpengine in user space (no kernel module, no configuration file), foreground, controlled over loopback.
 * @param options - `ports`: the UDP ports it may use for media, both inclusive; `addresses`: where it takes media, loopback if
 *   nothing is said: the first stands in SDP, with ICE all are candidates
 */
export async function startRtpengine(
  options: ServiceOptions & { ports?: { first: number; last: number }; addresses?: readonly string[] },
): Promise<RtpengineService> {
  const { dataDir, logger, registry, ports = { first: 16_400, last: 17_399 }, addresses = [HOST] } = options;
  const port = options.port ?? (await findFreePort({ kind: 'udp', host: HOST }));
  const child = new ManagedProcess({
    name: 'rtpengine',
    command: requireProgram('rtpengine'),
    args: [
      '--config-file=none',
      '--foreground',
      '--log-stderr',
      '--log-level=4',
      '--table=-1',
      ...addresses.map((address) => `--interface=${address}`),
      `--listen-ng=${HOST}:${port}`,
      `--port-min=${ports.first}`,
      `--port-max=${ports.last}`,
      '--num-threads=2',
      // A call whose delete never came (its SBC died) gives its ports back after this many seconds without media.
      '--timeout=60',
      '--delete-delay=0',
    ],
    logDir: join(dataDir, 'logs'),
    ready: udpAnswer(HOST, port, 'ready d7:command4:pinge', (answer) => answer.toString('latin1').includes('4:pong')),
    logger,
    registry,
  });
  options.onProcess?.(child);
  await child.start();
  return { host: HOST, port, child, stop: () => child.stop() };
}
