import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startProgram, stopPrograms, withinStart } from '../processes.js';
import { onCore } from './cores.js';
import type { NodeMemory } from './memory-probe.js';

const SECRET = 'cymru';
const SERVER = fileURLToPath(new URL('../../../embedded/sip-server/dist/main.js', import.meta.url));
const PROBE = new URL('./memory-probe.js', import.meta.url).href;
const APP = fileURLToPath(new URL('./app.js', import.meta.url));

/** A SIP server with the application behind it, each a process of its own. */
export interface ServerUnderTest {
  name: string;
  target: { host: string; port: number };
  pid: number;
  appPid: number;
  /** What is alive in the server, by the name of its gauge; undefined where the server does not tell. */
  gauges(): Promise<Record<string, number> | undefined>;
  /** Of the Node process after a collection; undefined where the server is no Node process. */
  memory(): Promise<NodeMemory | undefined>;
  stop(): Promise<void>;
}

/** Ours, as `npm run sip-server` starts it. */
export async function startRingwire(core: number | undefined): Promise<ServerUnderTest> {
  const node = [
    process.execPath,
    ...(process.env.BENCH_NODE_FLAGS?.split(' ') ?? []),
    '--expose-gc',
    '--import',
    PROBE,
  ];
  const flags = ['--contact', 'sip:127.0.0.1:0;transport=udp', '--port', '0', '--http-port', '0', '--loglevel', 'warn'];
  const child = startProgram(onCore(core, [...node, SERVER, ...flags]), true);
  const [ready] = (await withinStart(once(child, 'message'), child)) as [
    { controlPort: number; contacts: string[]; httpPort: number },
  ];
  const port = Number(/:(\d+);/.exec(ready.contacts[0] ?? '')?.[1]);
  const app = await startApp(ready.controlPort);
  return {
    name: 'ringwire',
    target: { host: '127.0.0.1', port },
    pid: child.pid!,
    appPid: app.pid!,
    gauges: () => readGauges(ready.httpPort),
    async memory() {
      child.send('memory');
      const [memory] = (await once(child, 'message')) as [NodeMemory];
      return memory;
    },
    stop: () => stopPrograms(app, child),
  };
}

/** A real drachtio-server, its files in `dir`. */
export async function startDrachtio(program: string, dir: string, core: number | undefined): Promise<ServerUnderTest> {
  const [sipPort, controlPort] = [await freePort(), await freePort()];
  const config = join(dir, 'drachtio.conf.xml');
  await writeFile(config, configuration(sipPort, controlPort));
  const child = startProgram(onCore(core, [program, '-f', config]), false);
  await withinStart(untilConnectable(controlPort), child);
  const app = await startApp(controlPort);
  return {
    name: 'drachtio',
    target: { host: '127.0.0.1', port: sipPort },
    pid: child.pid!,
    appPid: app.pid!,
    gauges: async () => undefined,
    memory: async () => undefined,
    stop: () => stopPrograms(app, child),
  };
}

function configuration(sipPort: number, controlPort: number): string {
  return `<drachtio>
  <admin port="${controlPort}" secret="${SECRET}">127.0.0.1</admin>
  <sip><contacts><contact>sip:127.0.0.1:${sipPort};transport=udp</contact></contacts></sip>
  <logging><console/><sofia-loglevel>0</sofia-loglevel><loglevel>error</loglevel></logging>
</drachtio>
`;
}

async function startApp(controlPort: number): Promise<ChildProcess> {
  const app = startProgram([process.execPath, APP, String(controlPort), SECRET], true);
  await withinStart(once(app, 'message'), app);
  return app;
}

async function untilConnectable(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) return;
    await sleep(100);
  }
}

async function readGauges(httpPort: number): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  const gauges: Record<string, number> = {};
  for (const [, name = '', labels = '', value] of text.matchAll(/^(\w+)\{([^}]*)\} (\S+)$/gm)) {
    if (!GAUGES.has(name)) continue;
    const own = labels.split(',').filter((label) => !/^(?:process|instance)=/.test(label));
    gauges[[name, ...own].join(' ')] = Number(value);
  }
  return gauges;
}

/** What is alive in a server: all of them are 0 when nobody calls. */
const GAUGES = new Set([
  'sip_transactions',
  'sip_dialogs',
  'sip_pending_server_requests',
  'sip_pending_client_requests',
  'sip_proxied_requests',
]);

/** A port that is free now, below those that the kernel gives away. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer();
    server.listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    server.close();
    if (isFree) return port;
  }
}
