import { access, open, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { UsageError } from './errors.js';
import { INSTANCE_FILE } from './instance.js';

/** What `npm run call` was asked to do. */
export interface CliOptions {
  target: string;
  from: string;
  dtmf?: string;
  /** From answer to the first digit; when absent the digits follow `sayAfterMs`. */
  dtmfAfterMs?: number;
  /** From answer to the begin of `play` (and of the digits, unless they have their own delay). */
  sayAfterMs: number;
  play?: string;
  record?: string;
  /** From answer to our BYE; when absent the other side ends the call. */
  hangupAfterMs?: number;
  localHost?: string;
  /** How long the whole call may take. */
  timeoutMs: number;
  json: boolean;
  instanceFile: string;
}

/** How to call the phone. */
export const USAGE = `usage: npm run call -- <number or sip uri> [options]

  --from <number>       who is calling (default 15551234567)
  --dtmf <digits>       press these keys (0-9 * # A-D) after the answer
  --dtmf-after <ms>     milliseconds from the answer to the first key
  --say-after <s>       seconds from the answer until --play and --dtmf begin (default 0; keys 1)
  --play <in.wav>       speak this WAV file into the call
  --record <out.wav>    save what was heard, also before the answer
  --hangup-after <s>    hang up this many seconds after the answer
  --local-host <ip>     local address to call from
  --timeout <s>         give up after this many seconds (default 120)
  --instance <file>     description of the running instance (default .data/ringwire.json)
  --json                print one JSON object instead of text
`;

/** Keys are pressed this long after the answer unless told otherwise: a prompt should have begun. */
const DEFAULT_DTMF_AFTER_MS = 1_000;

/**
 * Reads the command line of the phone.
 *
 * @throws UsageError naming the flag that is wrong.
 */
export function parseCliOptions(args: readonly string[]): CliOptions | 'help' {
  const { values, positionals } = parse(args);
  if (values.help) return 'help';
  const [target, extra] = positionals;
  if (target === undefined || target === '') throw new UsageError('say whom to call: a number or a SIP URI');
  if (extra !== undefined) throw new UsageError(`only one number or SIP URI can be called; unexpected "${extra}"`);
  const sayAfterMs = seconds('say-after', values['say-after']);
  const dtmfAfterMs =
    milliseconds('dtmf-after', values['dtmf-after']) ?? sayAfterMs ?? (values.dtmf ? DEFAULT_DTMF_AFTER_MS : undefined);
  return {
    target,
    from: values.from ?? '15551234567',
    ...optional('dtmf', digits(values.dtmf)),
    ...optional('dtmfAfterMs', dtmfAfterMs),
    sayAfterMs: sayAfterMs ?? 0,
    ...optional('play', values.play),
    ...optional('record', values.record),
    ...optional('hangupAfterMs', seconds('hangup-after', values['hangup-after'])),
    ...optional('localHost', values['local-host']),
    timeoutMs: positive('timeout', seconds('timeout', values.timeout)) ?? 120_000,
    json: values.json ?? false,
    instanceFile: values.instance ?? INSTANCE_FILE,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        from: text,
        dtmf: text,
        'dtmf-after': text,
        'say-after': text,
        play: text,
        record: text,
        'hangup-after': text,
        'local-host': text,
        timeout: text,
        instance: text,
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(readable(error));
  }
}

/** What Node's parser says is for programmers: it advises on `--` and on positional arguments. */
function readable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const option = /'(--?[^' ]+)/.exec(message)?.[1] ?? '';
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return `there is no option ${option}`;
  if (code !== 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') return message;
  // Node names an option together with its short form, if it has one.
  const flag = /(--[\w-]+)/.exec(message)?.[1] ?? option;
  return /does not take/.test(message) ? `${flag} takes no value` : `${flag} needs a value`;
}

/**
 * Makes sure that the recording can be written, before anybody is called. Leaves no file behind.
 *
 * @throws UsageError naming --record.
 */
export async function checkRecordFile(file: string): Promise<void> {
  try {
    const existed = await access(file).then(
      () => true,
      () => false,
    );
    await (await open(file, 'a')).close();
    if (!existed) await rm(file);
  } catch (error) {
    throw new UsageError(`--record: ${file} cannot be written (${whyNot(error)})`, { file });
  }
}

function whyNot(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'its folder does not exist';
  if (code === 'EISDIR') return 'it is a folder';
  return code === 'EACCES' ? 'permission denied' : message;
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

function seconds(flag: string, value: string | undefined): number | undefined {
  const number = decimal(flag, value, 'seconds');
  return number === undefined ? undefined : Math.round(number * 1000);
}

function milliseconds(flag: string, value: string | undefined): number | undefined {
  return decimal(flag, value, 'milliseconds');
}

function decimal(flag: string, value: string | undefined, unit: string): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d+(\.\d+)?$/.test(value)) throw new UsageError(`--${flag} needs a number of ${unit}, not "${value}"`);
  return Number(value);
}

function positive(flag: string, ms: number | undefined): number | undefined {
  if (ms === 0) throw new UsageError(`--${flag} must be more than 0`);
  return ms;
}

function digits(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (!/^[0-9*#A-Da-d]+$/.test(value)) throw new UsageError(`--dtmf takes the keys 0-9, *, # and A-D, not "${value}"`);
  return value.toUpperCase();
}
