import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createUserAgent, InviteFailedError, type UserAgent } from '@ringwire/sip';
import { cpuMs } from '../cpu.js';
import { percentile } from '../table.js';
import type { FloodOptions } from './options.js';
import type { FloodKind, FloodOrder } from './scanner.js';

/** One stretch of the measurement. */
export interface FloodPhase {
  name: string;
  /** Requests of scanners a second that were really sent. */
  floodPerSecond: number;
  /** Requests of scanners that reached the application. */
  reached: number;
  calls: number;
  failed: number;
  /** INVITE → 200 of genuine calls, ms; those of the first two seconds on their own. */
  setupMs: { p50: number; p90: number; p99: number; max: number; firstP50: number };
  /** CPU time per second of the server and of the application, ms. */
  serverCpuMs: number;
  applicationCpuMs: number;
  serverMemoryMb: number;
}

/** A whole run. */
export interface FloodReport {
  at: string;
  cores: number;
  cpu: string;
  node: string;
  sources: number;
  phases: FloodPhase[];
}

const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 0\r\n';
/** Genuine callers; each calls once in a while from an address of its own. */
const CALLERS = 20;
const WARM_UP_CALLS = 100;

/** Measures the set-up of genuine calls without a flood and with each kind, at the server's default settings. */
export async function measureFlood(options: FloodOptions, progress: (text: string) => void): Promise<FloodReport> {
  const children: ChildProcess[] = [];
  const child = async (module: string, args: string[]): Promise<[ChildProcess, Record<string, unknown>]> => {
    const started = fork(module, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    children.push(started);
    const [ready] = (await once(started, 'message')) as [Record<string, unknown>];
    return [started, ready];
  };
  const agents: UserAgent[] = [];
  try {
    const contact = ['--contact', 'sip:127.0.0.1:0;transport=udp', '--port', '0', '--http-port', '0'];
    const serverModule = fileURLToPath(import.meta.resolve('@ringwire/sip-server/main.js'));
    const [server, ready] = await child(serverModule, [...contact, '--loglevel', 'error', ...options.serverFlags]);
    const port = Number(/:(\d+);/.exec((ready.contacts as string[])[0]!)![1]);
    const here = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
    const [application] = await child(here('application'), [String(ready.controlPort)]);
    const scanner = fork(here('scanner'), [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    children.push(scanner);
    const callers = async (net: number): Promise<UserAgent[]> => {
      const made: UserAgent[] = [];
      for (let n = 1; n <= CALLERS; n++) {
        const listen = [{ transport: 'udp' as const, host: `127.0.${net}.${n}`, port: 0 }];
        made.push(await createUserAgent({ listen }));
      }
      agents.push(...made);
      return made;
    };
    const known = await callers(100);
    const uri = `sip:genuine@127.0.0.1:${port}`;
    for (let i = 0; i < WARM_UP_CALLS; i++) await call(known[i % CALLERS]!, uri);

    const phase = async (name: string, kind: FloodKind | undefined, agents: UserAgent[]): Promise<FloodPhase> => {
      progress(name);
      const before = await state(server, application);
      const started = performance.now();
      const order = kind && {
        kind,
        port,
        perSecond: options.perSecond,
        sources: options.sources,
        // Addresses that the server has not seen yet.
        firstNet: 1 + 10 * options.kinds.indexOf(kind),
        seconds: options.seconds,
      };
      const sending = order ? flood(scanner, order) : Promise.resolve(0);
      const { times, first, failed } = await callsFor(options, agents, uri);
      const sent = await sending;
      const seconds = (performance.now() - started) / 1000;
      const after = await state(server, application);
      return {
        name,
        floodPerSecond: Math.round(sent / options.seconds),
        reached: after.reached - before.reached,
        calls: times.length + failed,
        failed,
        setupMs: {
          p50: percentile(times, 0.5),
          p90: percentile(times, 0.9),
          p99: percentile(times, 0.99),
          max: percentile(times, 1),
          firstP50: percentile(first, 0.5),
        },
        serverCpuMs: (after.serverCpuMs - before.serverCpuMs) / seconds,
        applicationCpuMs: (after.applicationCpuMs - before.applicationCpuMs) / seconds,
        serverMemoryMb: await residentMb(Number(ready.httpPort)),
      };
    };
    const phases = [await phase('no flood', undefined, known)];
    for (const [index, kind] of options.kinds.entries()) {
      // Half of the callers are known to the server, half call for the first time.
      const mixed = [...known.slice(0, CALLERS / 2), ...(await callers(101 + index)).slice(0, CALLERS / 2)];
      phases.push(await phase(NAMES[kind], kind, mixed));
    }
    phases.push(await phase('no flood again', undefined, known));
    return {
      at: new Date().toISOString(),
      cores: availableParallelism(),
      cpu: cpus()[0]?.model ?? 'unknown',
      node: process.version,
      sources: options.sources,
      phases,
    };
  } finally {
    await Promise.all(agents.map((agent) => agent.stop()));
    for (const one of children) one.kill();
  }
}

const NAMES: Record<FloodKind, string> = {
  register: 'REGISTER flood',
  invite: 'INVITE flood',
  silent: 'INVITE flood, never answered',
};

/** Calls at an even rate for the whole time, whatever becomes of those before. */
async function callsFor(options: FloodOptions, agents: readonly UserAgent[], uri: string) {
  const times: number[] = [];
  const first: number[] = [];
  let failed = 0;
  const calls: Array<Promise<void>> = [];
  const total = options.seconds * options.callsPerSecond;
  const started = performance.now();
  for (let n = 0; n < total; n++) {
    await sleep(Math.max(0, started + (n * 1000) / options.callsPerSecond - performance.now()));
    const early = performance.now() - started < 2000;
    const one = call(agents[n % agents.length]!, uri).then((ms) => {
      if (ms === undefined) failed++;
      else {
        times.push(ms);
        if (early) first.push(ms);
      }
    });
    calls.push(one);
  }
  await Promise.all(calls);
  return { times, first, failed };
}

/** @returns INVITE → 200 in ms, undefined when there was none */
async function call(agent: UserAgent, uri: string): Promise<number | undefined> {
  const started = performance.now();
  try {
    const dialog = await agent.invite({ uri, sdp: SDP }).answered;
    const ms = performance.now() - started;
    await dialog.bye();
    return ms;
  } catch (error) {
    if (!(error instanceof InviteFailedError)) throw error;
    return undefined;
  }
}

async function flood(scanner: ChildProcess, order: FloodOrder): Promise<number> {
  scanner.send(order);
  const [{ sent }] = (await once(scanner, 'message')) as [{ sent: number }];
  return sent;
}

async function state(server: ChildProcess, application: ChildProcess) {
  application.send('report');
  const [{ reached }] = (await once(application, 'message')) as [{ reached: number }];
  return {
    reached,
    serverCpuMs: await cpuMs(server.pid!),
    applicationCpuMs: await cpuMs(application.pid!),
  };
}

async function residentMb(httpPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  const bytes = /^process_resident_memory_bytes(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1];
  return Math.round(Number(bytes ?? 0) / 1e6);
}
