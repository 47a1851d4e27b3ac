import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Memory, noMemory } from './report.js';
import { stackOf } from './stack-of.js';
import type { WatchReport, WatchRequest } from './watch.js';

const MAIN = fileURLToPath(import.meta.resolve('@ringwire/media-server/main.js'));
const WATCH = new URL('./watch.js', import.meta.url).href;
/** Node's flags as `npm run media-server` has them, and what watching needs. */
const NODE_FLAGS = ['--single-threaded-gc', '--expose-gc', '--inspect-port=0', '--import', WATCH];
const FLAGS = [
  '--sip',
  '127.0.0.1:0',
  '--esl',
  '127.0.0.1:0',
  '--realtime',
  'off',
  '--rtp-quarantine-ms',
  '200',
  '--fetch-private',
  'loopback',
  '--cache-mb',
  '8',
];
/** The main thread beats five times a second. */
const HANG_MS = 15_000;
const LOOK_MS = 1000;
const STOP_MS = 8000;
/** Levels of pino: what the server calls an error is a bug of its own. */
const ERROR_LEVEL = 50;

/** What the server says of itself when it listens. */
interface ReadyFacts {
  type: string;
  sip: string;
  esl: string;
  httpPort: number;
}

/** Hears of what goes wrong with the server. */
export type TroubleListener = (what: 'crash' | 'rejection' | 'error' | 'stall' | 'hang', error: string) => void;

/** A media server as `npm run media-server` starts it, watched from inside. */
export class ServerProcess {
  sip = { host: '', port: 0 };
  esl = { host: '', port: 0 };
  httpPort = 0;
  isGone = false;
  private stopping = false;
  private beatMs = performance.now();
  private readonly asked = new Map<number, (memory: Memory) => void>();
  private nextId = 1;
  private readonly watching: NodeJS.Timeout;

  private constructor(
    private readonly child: ChildProcess,
    private readonly onTrouble: TroubleListener,
  ) {
    let pending = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (pending + text).split('\n');
      pending = lines.pop()!.slice(0, 1_000_000);
      for (const line of lines) this.readLog(line);
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      if (!this.stopping && !/ExperimentalWarning|Debugger (?:listening|attached|ending)|For help, see/.test(text))
        onTrouble('error', `stderr: ${text}`);
    });
    child.on('message', (message) => this.hear(message as WatchReport));
    child.on('exit', (code, signal) => {
      this.isGone = true;
      clearInterval(this.watching);
      if (!this.stopping) onTrouble('crash', `the server ended with ${signal ?? code}`);
    });
    let lastMs = performance.now();
    this.watching = setInterval(() => {
      const now = performance.now();
      // When the fuzzer itself had no time, beats that came wait to be read.
      if (now - lastMs > 2 * LOOK_MS) this.beatMs = now;
      lastMs = now;
      if (now - this.beatMs > HANG_MS) void this.giveUp();
    }, LOOK_MS);
  }

  /** Starts one in that folder; resolves when it listens. */
  static async start(folder: string, onTrouble: TroubleListener): Promise<ServerProcess> {
    const child = spawn(process.execPath, [...NODE_FLAGS, MAIN, ...FLAGS, '--sounds-dir', folder], {
      cwd: folder,
      env: { ...process.env, LOG_LEVEL: 'error', TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const ready = new Promise<ReadyFacts>((resolve, reject) => {
      child.on('message', (message: ReadyFacts) => {
        if (message.type === 'ready') resolve(message);
      });
      child.on('error', reject);
      child.on('exit', (code) => reject(new Error(`the server does not start: it ended with ${code}`)));
    });
    const server = new ServerProcess(child, onTrouble);
    const { sip, esl, httpPort } = await ready;
    server.sip = addressOf(sip);
    server.esl = addressOf(esl);
    server.httpPort = httpPort;
    return server;
  }

  /** Memory after a collection in all threads. Zeros when it is gone. */
  async memory(): Promise<Memory> {
    if (this.isGone) return noMemory();
    const id = this.nextId++;
    const answer = new Promise<Memory>((resolve) => this.asked.set(id, resolve));
    this.child.send({ type: 'watch', ask: 'memory', id } satisfies WatchRequest);
    const gone = once(this.child, 'exit').then(noMemory);
    return await Promise.race([answer, gone]);
  }

  /** A figure of its metrics; 0 when there is none of that name. */
  async metric(name: string): Promise<number> {
    const response = await fetch(`http://${this.esl.host}:${this.httpPort}/metrics`);
    return Number(
      new RegExp(`^media_server_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(await response.text())?.[1] ?? 0,
    );
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (this.isGone) return;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await once(this.child, 'exit');
    clearTimeout(timer);
  }

  private async giveUp(): Promise<void> {
    clearInterval(this.watching);
    const stack = await stackOf(this.child);
    this.onTrouble('hang', `the main thread has not been heard of for more than ${HANG_MS} ms\n${stack}`);
    this.stopping = true;
    this.child.kill('SIGKILL');
  }

  private hear(report: WatchReport): void {
    if (report.type !== 'watch') return;
    this.beatMs = performance.now();
    switch (report.event) {
      case 'beat':
        return;
      case 'memory':
        this.asked.get(report.id)?.({
          rssBytes: report.rssBytes,
          heldBytes: report.heldBytes,
          threads: report.threads,
        });
        this.asked.delete(report.id);
        return;
      case 'stall':
        this.onTrouble('stall', `thread ${report.thread} did nothing else for ${report.ms} ms`);
        return;
      case 'hang':
        this.onTrouble('hang', `thread ${report.thread} has not been heard of for ${report.ms} ms`);
        return;
      case 'exception':
        this.onTrouble(
          report.origin === 'unhandledRejection' ? 'rejection' : 'crash',
          `thread ${report.thread}: ${report.error}`,
        );
    }
  }

  private readLog(line: string): void {
    if (this.stopping) return;
    try {
      const entry = JSON.parse(line) as { level?: number | string; msg?: string };
      const isError =
        typeof entry.level === 'number' ? entry.level >= ERROR_LEVEL : /error|fatal/.test(entry.level ?? '');
      if (isError) this.onTrouble(entry.msg === 'unhandled rejection' ? 'rejection' : 'error', line);
    } catch {
      // No line of the log.
    }
  }
}

function addressOf(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}
