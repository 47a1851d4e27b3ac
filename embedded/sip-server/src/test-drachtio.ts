import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort, spawnUntilReady } from '@ringwire/common/testing/services.js';
import { makeTimers, type SipTimers } from '@ringwire/sip';
import type { SipServer } from './server.js';

/** Path of a real drachtio-server that the application tests run against; undefined: they run against ours. */
export const DRACHTIO = process.env.DRACHTIO_SERVER || undefined;

/** Its log (SIP messages and all) is appended to this file when given. */
const LOG_FILE = process.env.DRACHTIO_SERVER_LOG || undefined;

/** Flags of ours that drachtio-server takes under the same name. */
const SHARED_FLAGS = new Set(
  '--contact --external-ip --local-net --mtu --cert-file --key-file --chain-file --dh-param --min-tls-version'.split(
    ' ',
  ),
);
/** Flags of ours that are elements of drachtio's configuration file. */
const CONFIGURED_FLAGS = new Set(['--http-handler', '--http-method']);
/** Trusted authorities. drachtio verifies the certificate of no server that it connects to, yet has no TLS without a list of them. */
const AUTHORITIES_FLAG = '--tls-ca-file';

const START_ATTEMPTS = 3;

/** Thrown when a test asks of drachtio-server what only ours can: its name must end in "(not drachtio)". */
export class NotInDrachtioError extends Error {
  override name = 'NotInDrachtioError';
  constructor(what: string) {
    super(`${what}: drachtio-server has no such thing, the test must be named "(not drachtio)"`);
  }
}

/**
 * Starts the real drachtio-server on free ports of loopback, with the same meaning of the flags and timers as our own. What
 * can be looked at of it is where it listens; everything else throws {@link NotInDrachtioError}. Its control port is a free one
 * unless given.
 */
export async function startDrachtio(
  program: string,
  flags: readonly string[],
  timers: Partial<SipTimers>,
  secret: string,
  controlPort?: number,
): Promise<SipServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(program, flags, timers, secret, controlPort ?? (await findFreePort()));
    } catch (err) {
      // Another test may have taken a port between its being found free and its use.
      if (err instanceof NotInDrachtioError || attempt === START_ATTEMPTS) throw err;
    }
  }
}

async function startOnce(
  program: string,
  flags: readonly string[],
  timers: Partial<SipTimers>,
  secret: string,
  controlPort: number,
): Promise<SipServer> {
  const { passed, configured } = sortFlags(flags);
  const args = await withRealPorts(passed);
  const folder = mkdtempSync(join(tmpdir(), 'drachtio-'));
  const file = join(folder, 'drachtio.conf.xml');
  writeFileSync(file, configuration({ controlPort, secret, timers: makeTimers(timers), configured }));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    // Its control port opens earlier: a request of an application before its stack is there ends it with SIGSEGV.
    const child = await spawnUntilReady(program, ['-f', file, ...args], /Starting sofia event loop/);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data: Buffer) => (LOG_FILE ? appendFileSync(LOG_FILE, data) : undefined));
    }
    let stopped = false;
    child.once('exit', (status, signal) => {
      // Unnoticed, this would only show as a test that waits for ever.
      if (!stopped) throw new Error(`drachtio-server ended by itself (${status ?? signal})`);
    });
    const contacts = contactsOf(args);
    return surface(contacts, controlPort, async () => {
      stopped = true;
      child.ref();
      const gone = once(child, 'exit');
      // Its SIGTERM handler ends the stack beneath requests that are still open: nothing here waits for that.
      if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await gone;
      remove();
    });
  } catch (err) {
    remove();
    throw err;
  }
}

/** What the tests may see of a drachtio-server, in the shape of our own server. */
function surface(contacts: string[], controlPort: number, stop: () => Promise<void>): SipServer {
  const addressFor = (transport: string) => {
    const found = contacts.find((uri) => uri.endsWith(`;transport=${transport}`));
    const [, host = '', port = ''] = /^sips?:(?:\[([^\]]+)\]|([^:]+)):(\d+)/.exec(found ?? '')?.filter(Boolean) ?? [];
    return { transport, host, port: Number(port) };
  };
  const closed = (name: string, known: object = {}): object =>
    new Proxy(known, {
      get(target, key) {
        // A promise is told apart by its `then`.
        if (key === 'then' || Reflect.has(target, key)) return Reflect.get(target, key);
        throw new NotInDrachtioError(`${name}${String(key)}`);
      },
    });
  return closed('', {
    contacts,
    controlPort,
    stop,
    layer: closed('layer.', { addressFor }),
    bridge: closed('bridge.'),
    counters: closed('counters.'),
  }) as SipServer;
}

function sortFlags(flags: readonly string[]): { passed: string[]; configured: Map<string, string> } {
  const passed: string[] = [];
  const configured = new Map<string, string>();
  for (let i = 0; i < flags.length; i += 2) {
    const [flag = '', value = ''] = flags.slice(i, i + 2);
    if (SHARED_FLAGS.has(flag)) passed.push(flag, value);
    else if (CONFIGURED_FLAGS.has(flag)) configured.set(flag, value);
    else if (flag !== AUTHORITIES_FLAG) throw new NotInDrachtioError(flag);
    else if (!flags.includes('--chain-file')) passed.push('--chain-file', value);
  }
  return { passed, configured };
}

/** Port 0 means nothing to drachtio: free ports take its place. */
async function withRealPorts(args: string[]): Promise<string[]> {
  const made: string[] = [];
  for (const arg of args) {
    made.push(/^sips?:.*:0(;|$)/.test(arg) ? arg.replace(/:0(?=;|$)/, `:${await findFreePort()}`) : arg);
  }
  return made;
}

/** Every contact once per transport, as our own server lists them. */
function contactsOf(args: readonly string[]): string[] {
  return args
    .filter((_arg, index) => args[index - 1] === '--contact')
    .flatMap((uri) => {
      const [address = '', ...parameters] = uri.split(';');
      const transports = parameters.find((parameter) => parameter.startsWith('transport='))?.slice(10);
      const all = transports ?? (uri.startsWith('sips:') ? 'tls' : 'udp,tcp');
      return all.split(',').map((transport) => `${address.replace(/^sips:/, 'sip:')};transport=${transport}`);
    });
}

function configuration(given: {
  controlPort: number;
  secret: string;
  timers: SipTimers;
  configured: Map<string, string>;
}): string {
  const { controlPort, secret, timers, configured } = given;
  // Our form for single methods: `INVITE=http://…`.
  const { 1: sipMethod = '*', 2: url } = /^(?:([A-Z]+)=)?(.+)$/.exec(configured.get('--http-handler') ?? '') ?? [];
  const method = configured.get('--http-method') ?? 'GET';
  const handler = url
    ? `<request-handlers><request-handler sip-method="${sipMethod}" http-method="${method}">${url}</request-handler></request-handlers>`
    : '';
  const [level, sofiaLevel] = LOG_FILE ? ['debug', 9] : ['notice', 0];
  return `<drachtio>
  <admin port="${controlPort}" secret="${secret}">127.0.0.1</admin>
  ${handler}
  <sip>
    <timers><t1>${timers.T1}</t1><t2>${timers.T2}</t2><t4>${timers.T4}</t4><t1x64>${64 * timers.T1}</t1x64></timers>
  </sip>
  <cdrs>true</cdrs>
  <logging><console/><sofia-loglevel>${sofiaLevel}</sofia-loglevel><loglevel>${level}</loglevel></logging>
</drachtio>
`;
}
