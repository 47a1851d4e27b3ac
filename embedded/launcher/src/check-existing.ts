import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { closeRedis, createLogger, ensureDatabase, openRedis } from '@ringwire/common';
import { ExistingServiceError, StartInterruptedError } from './errors.js';
import type { ExistingServices } from './existing-services.js';
import type { Address } from './instance.js';
import type { LauncherProgress } from './parts.js';

/** A service that has not answered by then counts as absent: a person waits for the start. */
const ANSWER_MS = 5_000;
/** A datagram may get lost: it is sent again so often. */
const RESEND_MS = 500;
/** Enough for any answer that is waited for; a stream of something else is cut. */
const MAX_ANSWER_BYTES = 65_536;
const SHOWN_LENGTH = 160;

/** One existing service: what it is called, which variables name it, and how to log in. */
interface Check {
  part: string;
  /** Begin of its variables: `REDIS` of `REDIS_HOST`. */
  prefix: string;
  address: Address;
  /** Variables of the credentials. */
  credentials: string[];
  /** Resolves when the service has let us in. */
  login(signal: AbortSignal): Promise<void>;
}

/** The service answered, and said no. */
class LoginRefused extends Error {}
/** Something else answers at that address. */
class StrangeAnswer extends Error {}

/**
 * Connects and logs in to every service that the environment names, before anything is started.
 * @throws {ExistingServiceError} with one line for each that cannot be used: where, what was wrong, what to correct.
 * @throws {StartInterruptedError} when the signal was aborted.
 */
export async function checkExistingServices(
  services: ExistingServices,
  options: { onProgress?: (progress: LauncherProgress) => void; signal?: AbortSignal; answerMs?: number } = {},
): Promise<void> {
  const { onProgress = () => {}, signal, answerMs = ANSWER_MS } = options;
  const faults = await Promise.all(
    checksOf(services).map(async (check) => {
      const { part, prefix, address } = check;
      const startedAt = performance.now();
      onProgress({ type: 'starting', part });
      const error = await withDeadline(check, answerMs, signal);
      if (error === undefined) {
        const detail = `existing one at ${address.host}:${address.port} (${prefix}_HOST)`;
        onProgress({ type: 'ready', part, ms: Math.round(performance.now() - startedAt), detail });
        return undefined;
      }
      onProgress({ type: 'failed', part, error });
      return faultText(check, error, answerMs);
    }),
  );
  if (signal?.aborted) throw new StartInterruptedError('stopped while starting');
  const lines = faults.filter((line) => line !== undefined);
  if (lines.length > 0) throw new ExistingServiceError(lines.join('\n✖ '));
}

function checksOf({ mysql, redis, rtpengine, edge, core, freeswitch }: ExistingServices): Check[] {
  const checks: Check[] = [];
  if (mysql) {
    const login = () => ensureDatabase(mysql);
    checks.push(named('mysql', 'MYSQL', mysql, ['MYSQL_USER', 'MYSQL_PASSWORD', 'MYSQL_DATABASE'], login));
  }
  if (redis) {
    const login = (signal: AbortSignal) => pingRedis(redis, signal);
    checks.push(named('redis', 'REDIS', redis, ['REDIS_USERNAME', 'REDIS_PASSWORD'], login));
  }
  if (rtpengine) checks.push(named('rtpengine', 'RTPENGINE', rtpengine, [], (signal) => pingRelay(rtpengine, signal)));
  for (const [side, server] of [['edge', edge] as const, ['core', core] as const]) {
    if (server === undefined) continue;
    const prefix = `DRACHTIO_${side.toUpperCase()}`;
    const login = (signal: AbortSignal) => authenticateDrachtio(server, signal);
    checks.push(named(`sip-server-${side}`, prefix, server, [`${prefix}_SECRET`], login));
  }
  if (freeswitch) {
    const login = (signal: AbortSignal) => authenticateEventSocket(freeswitch, signal);
    checks.push(named('media-server', 'FREESWITCH', freeswitch, ['FREESWITCH_PASSWORD'], login));
  }
  return checks;
}

function named(
  part: string,
  prefix: string,
  { host, port }: Address,
  credentials: string[],
  login: Check['login'],
): Check {
  return { part, prefix, address: { host, port }, credentials, login };
}

/** The class of a deadline's error is what tells it from the service's own. */
class NoAnswer extends Error {}

async function withDeadline(check: Check, answerMs: number, signal?: AbortSignal): Promise<Error | undefined> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(new NoAnswer('no answer')), answerMs);
  const interrupt = (): void => over.abort(signal?.reason);
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    const late = new Promise<never>((_, reject) =>
      over.signal.addEventListener('abort', () => reject(over.signal.reason), { once: true }),
    );
    // Whichever comes second is not looked at, but must not count as unhandled either.
    late.catch(() => undefined);
    const login = check.login(over.signal);
    login.catch(() => undefined);
    await Promise.race([login, late]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', interrupt);
    over.abort(new NoAnswer('over'));
  }
}

function faultText({ part, prefix, address, credentials }: Check, error: Error, answerMs: number): string {
  const where = `${part}: the existing one at ${address.host}:${address.port} (${prefix}_HOST)`;
  const location = `${prefix}_HOST and ${prefix}_PORT`;
  const code = codeOf(error);
  if (error instanceof NoAnswer || code === 'ETIMEDOUT')
    return `${where} gave no answer within ${answerMs / 1000} s: correct ${location}`;
  if (code === 'ECONNREFUSED')
    return `${where} refused the connection, so nothing listens there: start it or correct ${location}`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `${where} is no known host: correct ${prefix}_HOST`;
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH')
    return `${where} cannot be reached (${code}): correct ${prefix}_HOST`;
  const said = oneLine(rootOf(error).message);
  if (error instanceof LoginRefused || /^ER_.*(ACCESS|PASSWORD|AUTH)/.test(code ?? ''))
    return `${where} refused the login (${said}): correct ${credentials.join(', ')}`;
  if (error instanceof StrangeAnswer) return `${where} is something else (${said}): correct ${location}`;
  return `${where} cannot be used (${said}): correct ${[location, ...credentials].join(', ')}`;
}

function rootOf(error: Error): Error {
  let root = error;
  while (root.cause instanceof Error) root = root.cause;
  // Several addresses of one name were tried: the first says as much as the others.
  return root instanceof AggregateError && root.errors[0] instanceof Error ? root.errors[0] : root;
}

const codeOf = (error: Error): string | undefined => (rootOf(error) as NodeJS.ErrnoException).code;

const oneLine = (text: string): string =>
  text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, SHOWN_LENGTH);

async function pingRedis(address: NonNullable<ExistingServices['redis']>, signal: AbortSignal): Promise<void> {
  const logger = createLogger({ name: 'launcher', level: 'silent' });
  const redis = openRedis(address, { logger, name: 'launcher-check' });
  const end = (): void => redis.disconnect();
  signal.addEventListener('abort', end, { once: true });
  try {
    const failed = new Promise<never>((_, reject) => redis.once('error', reject));
    failed.catch(() => undefined);
    const ping = redis.ping();
    ping.catch(() => undefined);
    await Promise.race([ping, failed]);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (/WRONGPASS|NOAUTH|NOPERM|AUTH|invalid.*password/i.test(text)) throw new LoginRefused(text);
    throw error;
  } finally {
    signal.removeEventListener('abort', end);
    await closeRedis(redis);
  }
}

/** The relay's `ng` protocol: a cookie, a space, a bencoded command. */
function pingRelay({ host, port }: Address, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const ask = (): void => socket.send('ringwire d7:command4:pinge');
    let timer: NodeJS.Timeout | undefined;
    const settle = (error?: Error): void => {
      signal.removeEventListener('abort', abort);
      clearInterval(timer);
      socket.removeAllListeners().on('error', () => undefined);
      socket.close();
      if (error === undefined) resolve();
      else reject(error);
    };
    const abort = (): void => settle(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', settle);
    socket.on('message', (answer) => {
      const text = answer.toString('latin1');
      settle(text.includes('4:pong') ? undefined : new StrangeAnswer(`it answers ${oneLine(text)}`));
    });
    socket.on('connect', () => {
      ask();
      timer = setInterval(ask, RESEND_MS);
    });
    socket.connect(port, host);
  });
}

/** drachtio's control protocol: `<length>#<id>|authenticate|<secret>`, answered by `…|response|<id>|OK|…`. */
async function authenticateDrachtio(address: Address & { secret: string }, signal: AbortSignal): Promise<void> {
  const request = `ringwire-check|authenticate|${address.secret}`;
  await converse(address, signal, (received, send) => {
    if (received === '') send(`${Buffer.byteLength(request)}#${request}`);
    const answer = /^\d+#[^|]*\|response\|ringwire-check\|([A-Z]+)\|?([^|\r\n]*)/.exec(received);
    if (answer !== null) {
      if (answer[1] === 'OK') return true;
      throw new LoginRefused(answer[2] === '' ? 'wrong secret' : answer[2]);
    }
    if (received !== '' && !/^\d/.test(received)) throw new StrangeAnswer(`it answers ${oneLine(received)}`);
    return false;
  });
}

/** FreeSWITCH's event socket: `auth/request`, `auth <password>`, then `+OK` or `-ERR invalid`. */
async function authenticateEventSocket(address: Address & { password: string }, signal: AbortSignal): Promise<void> {
  let asked = false;
  await converse(address, signal, (received, send) => {
    const rejected = /text\/rude-rejection/.test(received);
    if (rejected) throw new LoginRefused('its access list does not admit this machine');
    if (!asked && /^Content-Type: auth\/request\r?\n\r?\n/im.test(received)) {
      asked = true;
      send(`auth ${address.password}\n\n`);
    }
    const reply = /^Reply-Text: (.*)$/m.exec(received)?.[1];
    if (reply !== undefined) {
      if (reply.startsWith('+OK')) return true;
      throw new LoginRefused(oneLine(reply));
    }
    if (received.length >= 8 && !/^Content-/i.test(received)) throw new StrangeAnswer(`it says ${oneLine(received)}`);
    return false;
  });
}

/**
 * Talks over TCP until `step` says that all went well. It is called with '' after connecting, then with all that has
 * come so far.
 */
function converse(
  { host, port }: Address,
  signal: AbortSignal,
  step: (received: string, send: (text: string) => void) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let received = '';
    const settle = (error?: Error): void => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const abort = (): void => settle(signal.reason as Error);
    const advance = (): void => {
      try {
        if (step(received, (text) => socket.write(text))) settle();
        else if (received.length > MAX_ANSWER_BYTES) settle(new StrangeAnswer('it does not stop talking'));
      } catch (error) {
        settle(error as Error);
      }
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.on('connect', advance);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      advance();
    });
    socket.on('error', settle);
    socket.on('close', () => settle(new StrangeAnswer('it closes the connection')));
  });
}
