import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a sipp run needs. */
export interface SippRun {
  /** Folder for scenario, call data, statistics and logs; what was in it is removed. */
  dir: string;
  /** Scenario as XML. */
  scenario: string;
  /** One line per call for `[field0]`, `[field1]`…: the first line (`SEQUENTIAL`) is added. */
  callData?: string[][];
  target: { host: string; port: number };
  /** `[service]`: who is called. */
  service?: string;
  /** UDP with one socket, TCP with one connection, or one for each call. @defaultValue u1 */
  transport?: 'u1' | 't1' | 'tn';
  /** @defaultValue 127.0.0.1 */
  localHost?: string;
  /** @defaultValue a free one */
  localPort?: number;
  /** Of a hundred packets this many are lost, sent and received ones. */
  lostPercent?: number;
  /** Base of the RTP ports that sipp names in its SDP. */
  mediaPort?: number;
  callsPerSecond: number;
  calls: number;
  /** Most calls in progress at once. */
  limit?: number;
  /** The whole run must be over after this. */
  timeoutMs: number;
  /** Ends the run at once. */
  signal?: AbortSignal;
}

/** What came out of a run. */
export interface SippResult {
  exitCode: number | null;
  successful: number;
  failed: number;
  /** What the scenario's first counter counted. */
  counted: number;
  retransmissions: number;
  /** Response times in ms by call, of the first response timer. */
  responseTimesMs: number[];
  /** What the scenario's `<log>` actions said, a line each. */
  logged: string[];
  /** Last lines of the error log: what sipp says about failed calls. */
  errors: string;
}

/** Where Debian's sip-tester keeps captured RFC 4733 digits. */
export const DIGIT_PCAPS = '/usr/share/sip-tester';

/** Runs Debian's sipp to its end. */
export async function runSipp(run: SippRun): Promise<SippResult> {
  const { dir, target, localHost = '127.0.0.1', callData = [] } = run;
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'scenario.xml'), run.scenario);
  await writeFile(join(dir, 'calls.csv'), `SEQUENTIAL\n${callData.map((row) => row.join(';')).join('\n')}\n`);
  const args = [
    `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`,
    ...['-sf', 'scenario.xml', '-i', localHost, '-mi', localHost],
    ...(callData.length > 0 ? ['-inf', 'calls.csv'] : []),
    ...(run.service === undefined ? [] : ['-s', run.service]),
    // What sipp takes for granted is more than a process may open on most machines.
    ...(run.transport ? ['-t', run.transport, '-max_socket', '1000'] : []),
    ...(run.localPort ? ['-p', String(run.localPort)] : []),
    ...(run.lostPercent ? ['-lost', String(run.lostPercent)] : []),
    ...['-r', String(run.callsPerSecond), '-m', String(run.calls), '-l', String(run.limit ?? run.calls)],
    ...(run.mediaPort ? ['-mp', String(run.mediaPort)] : []),
    ...['-trace_err', '-error_file', 'errors.log', '-trace_rtt', '-rtt_freq', '1', '-timer_resol', '1'],
    ...['-trace_stat', '-stf', 'stat.csv', '-fd', '1', '-nostdin', '-aa', '-recv_timeout', '60000'],
    ...['-trace_logs', '-log_file', 'actions.log'],
    ...['-timeout', `${Math.ceil(run.timeoutMs / 1000)}s`, '-timeout_error', '-default_behaviors', 'all'],
  ];
  const child = spawn('sipp', args, { cwd: dir, stdio: ['ignore', 'ignore', 'ignore'] });
  const kill = setTimeout(() => child.kill('SIGKILL'), run.timeoutMs + 10_000);
  const stop = (): void => void child.kill('SIGKILL');
  run.signal?.addEventListener('abort', stop, { once: true });
  if (run.signal?.aborted) stop();
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearTimeout(kill);
  run.signal?.removeEventListener('abort', stop);
  return {
    exitCode,
    ...(await readStatistics(join(dir, 'stat.csv'))),
    responseTimesMs: await readResponseTimes(dir),
    logged: (await textOf(join(dir, 'actions.log'))).split('\n').filter(Boolean),
    errors: (await textOf(join(dir, 'errors.log'))).slice(-1_500),
  };
}

async function readStatistics(
  file: string,
): Promise<Pick<SippResult, 'successful' | 'failed' | 'counted' | 'retransmissions'>> {
  const [header = '', ...rows] = (await textOf(file)).trim().split('\n');
  const names = header.split(';');
  const last = (rows.at(-1) ?? '').split(';');
  const value = (name: string): number => Number(last[names.indexOf(name)] ?? 0);
  return {
    successful: value('SuccessfulCall(C)'),
    failed: value('FailedCall(C)'),
    counted: value('GenericCounter1(C)'),
    retransmissions: value('Retransmissions(C)'),
  };
}

/** `-trace_rtt` writes `Date_ms;response_time_ms;rtd_no` per call. */
async function readResponseTimes(dir: string): Promise<number[]> {
  const file = (await readdir(dir)).find((name) => name.endsWith('_rtt.csv'));
  if (!file) return [];
  const rows = (await textOf(join(dir, file))).trim().split('\n').slice(1);
  return rows.map((row) => Number(row.split(';')[1])).filter(Number.isFinite);
}

async function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => ''); // sipp writes some files only when there is something to say.
}

/** Whether something takes datagrams or connections at a port, as the kernel lists it. */
export function isOpen(protocol: 'udp' | 'tcp', port: number): boolean {
  // Local address, peer (none), state of a socket that waits: 07 for datagrams, 0A for connections.
  const local = `[0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const waiting = new RegExp(`^ *\\d+: ${local} [0-9A-F]+:0000 (07|0A) `, 'm');
  return [protocol, `${protocol}6`].some((table) => waiting.test(readFileSync(`/proc/net/${table}`, 'utf8')));
}
