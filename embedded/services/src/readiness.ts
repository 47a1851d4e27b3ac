import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { readLogFrom } from './log-file.js';

/** What a process said when it became ready: the fields of its `ready` message, empty for other kinds of readiness. */
export type ReadyFacts = Record<string, unknown>;

/** What a readiness check may look at. */
export interface ReadinessContext {
  child: ChildProcess;
  logFile: string;
  /** Length of the log when this process started. */
  logStartBytes: number;
  /** Aborted when the process ends or its time is over. */
  signal: AbortSignal;
}

/** Resolves when the process is ready. Rejects only when it never can be. */
export type Readiness = (context: ReadinessContext) => Promise<ReadyFacts>;

/** Between two looks at something that sends no event (a socket that is not there yet, a log). */
const RETRY_MS = 20;
/** A peer that accepts but does not answer within this time is asked again. */
const ANSWER_MS = 500;

/** Ready when the process sends `{ type: 'ready', … }` over Node's IPC channel. */
export function readyMessage(): Readiness {
  return ({ child, signal }) =>
    new Promise((resolve) => {
      const onMessage = (message: unknown): void => {
        if (typeof message !== 'object' || message === null || (message as ReadyFacts).type !== 'ready') return;
        child.off('message', onMessage);
        resolve(message as ReadyFacts);
      };
      child.on('message', onMessage);
      signal.addEventListener('abort', () => child.off('message', onMessage), { once: true });
    });
}

/** Ready when a line of the log matches. */
export function logLine(pattern: RegExp): Readiness {
  return async ({ logFile, logStartBytes, signal }) => {
    while (!pattern.test(readLogFrom(logFile, logStartBytes))) await delay(RETRY_MS, undefined, { signal });
    return {};
  };
}

/**
 * Ready when a TCP connection to the port gets an answer.
 * @param hello Bytes to send after connecting; empty where the server speaks first.
 * @param accepts Whether what came back says that the server is ready.
 */
export function tcpAnswer(host: string, port: number, hello: string, accepts: (answer: Buffer) => boolean): Readiness {
  return (context) => repeat(context.signal, () => askTcp(host, port, hello, accepts));
}

/** Ready when a datagram to the port gets an answer that `accepts`. */
export function udpAnswer(host: string, port: number, hello: string, accepts: (answer: Buffer) => boolean): Readiness {
  return (context) => repeat(context.signal, () => askUdp(host, port, hello, accepts));
}

async function repeat(signal: AbortSignal, ask: () => Promise<boolean>): Promise<ReadyFacts> {
  while (!(await ask())) await delay(RETRY_MS, undefined, { signal });
  return {};
}

function askTcp(host: string, port: number, hello: string, accepts: (answer: Buffer) => boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (ready: boolean): void => {
      socket.destroy();
      resolve(ready);
    };
    socket.setTimeout(ANSWER_MS, () => settle(false));
    socket.on('connect', () => socket.write(hello));
    socket.on('data', (answer) => settle(accepts(answer)));
    socket.on('error', () => settle(false));
    socket.on('close', () => settle(false));
  });
}

function askUdp(host: string, port: number, hello: string, accepts: (answer: Buffer) => boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    let settled = false;
    const settle = (ready: boolean): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      socket.close();
      resolve(ready);
    };
    const timer = setTimeout(() => settle(false), ANSWER_MS / 5);
    socket.on('message', (answer) => settle(accepts(answer)));
    socket.on('error', () => settle(false)); // Connected UDP sockets report "port unreachable" here.
    socket.connect(port, host, () => socket.send(hello));
  });
}
