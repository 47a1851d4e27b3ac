import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Logger } from '../log/logger.js';
import { RelayRefusedError, RelayUnreachableError } from './errors.js';

/** The `ng` commands that Ringwire uses, as rtpengine-client names them. */
export type NgCommand =
  | 'offer'
  | 'answer'
  | 'delete'
  | 'ping'
  | 'query'
  | 'list'
  | 'blockMedia'
  | 'unblockMedia'
  | 'blockDTMF'
  | 'unblockDTMF'
  | 'subscribeRequest'
  | 'subscribeAnswer'
  | 'unsubscribe';

/** What can stand in an `ng` request or answer. */
export type NgValue = string | number | NgValue[] | { [key: string]: NgValue };

/** Sends commands to one rtpengine. */
export interface NgClient {
  /** The answer's fields. Throws {@link RelayUnreachableError} or {@link RelayRefusedError}. */
  send(command: NgCommand, params?: Record<string, NgValue>): Promise<Record<string, NgValue>>;
  close(): void;
}

/** rtpengine-client's UDP client, which has no types of its own. */
interface UntypedClient extends EventEmitter {
  send_internal(
    command: string,
    params: Record<string, NgValue>,
    callback: (error: unknown, answer?: Record<string, NgValue>) => void,
  ): unknown;
  remoteHost: string;
  remotePort: number;
  close(): void;
}
type ClientModule = { Client: new (options: { timeout: number; localAddress?: string }) => UntypedClient };

/** How long one try waits. Smaller repeats commands to a busy rtpengine; larger keeps callers waiting for a dead one. */
const TRY_TIMEOUT_MS = 800;
/** Datagrams get lost; every command that Ringwire uses may be said twice. */
const TRIES = 2;

const textOf = (value: NgValue | undefined): string => (typeof value === 'string' ? value : 'no reason given');

/** Opens the control socket of one rtpengine (`ng` protocol over UDP). Sends nothing yet. */
export function openNgClient({ host, port, logger }: { host: string; port: number; logger: Logger }): NgClient {
  const { Client } = createRequire(import.meta.url)('rtpengine-client') as ClientModule;
  const client = new Client({ timeout: TRY_TIMEOUT_MS });
  client.remoteHost = host;
  client.remotePort = port;
  // Late answers and socket trouble; what waits for an answer times out by itself.
  client.on('error', (err: unknown) => logger.debug({ err, host, port }, 'rtpengine control socket'));
  let closed = false;

  const tryOnce = (command: NgCommand, params: Record<string, NgValue>): Promise<Record<string, NgValue>> =>
    new Promise((resolve, reject) => {
      // The client writes its own fields into what it is given.
      client.send_internal(command, { ...params }, (error, answer) => {
        if (error || answer === undefined) reject(error instanceof Error ? error : new Error(String(error)));
        else resolve(answer);
      });
    });

  return {
    async send(command, params = {}) {
      for (let attempt = 1; ; attempt++) {
        if (closed) throw new RelayUnreachableError('rtpengine client is closed', { command });
        let answer: Record<string, NgValue>;
        try {
          answer = await tryOnce(command, params);
        } catch (cause) {
          if (attempt < TRIES) continue;
          const elapsedMs = TRY_TIMEOUT_MS * TRIES;
          throw new RelayUnreachableError('rtpengine does not answer', { host, port, command, elapsedMs }, { cause });
        }
        if (answer.result === 'error') {
          const reason = textOf(answer['error-reason']);
          throw new RelayRefusedError(`rtpengine refused ${command}: ${reason}`, { host, port, command, reason });
        }
        return answer;
      }
    },
    close() {
      if (closed) return;
      closed = true;
      client.close();
    },
  };
}
