import { parseArgs } from 'node:util';
import { RingwireError } from '../errors.js';

/** A command line that cannot be understood. */
export class RatesUsageError extends RingwireError {
  readonly code = 'rates/usage';
}

/** How to call the command. */
export const RATES_USAGE = `usage: npm run rates -- import <file.csv> --carrier <name or sid> [--account <name or sid>] [options]
       npm run rates -- list
       npm run rates -- remove <rate deck sid>

  The file has a header with the columns prefix and rate (price of a minute), and where wanted effective_from and effective_to (dates,
  UTC unless they say otherwise). It counts as a whole, once all of it is stored, or not at all.

  --account <a>      whose prices they are; without it they are the service provider's, for all its accounts
  --carrier <c>      whose prices they are: a carrier of that account, or one that its service provider shares
  --name <text>      name of the deck (default: the file's)
  --currency <code>  three letters (default USD)
  --delimiter <c>    between cells (default ,; "tab" for a tab)
  --skip-bad-rows    let the good rows count although others are bad

  The database is that of MYSQL_HOST and REDIS_HOST and their companions (docs/interfaces.md), or of the platform that "npm start" runs.
`;

/** What the command was asked to do. */
export type RatesCommand =
  | { command: 'help' }
  | { command: 'list' }
  | { command: 'remove'; rateDeckSid: string }
  | {
      command: 'import';
      file: string;
      account?: string;
      carrier: string;
      name?: string;
      currency: string;
      delimiter: string;
      skipBadRows: boolean;
    };

const text = { type: 'string' } as const;
const OPTIONS = {
  account: text,
  carrier: text,
  name: text,
  currency: text,
  delimiter: text,
  'skip-bad-rows': { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/** Reads the command line. @throws {@link RatesUsageError} naming what is wrong */
export function parseRatesCommand(args: readonly string[]): RatesCommand {
  const { values, positionals } = parse(args);
  const [command, argument, ...more] = positionals;
  if (values.help || (command === undefined && args.length === 0)) return { command: 'help' };
  if (more.length > 0) throw new RatesUsageError(`"${more.join(' ')}" is one argument too many`);
  if (command === 'list' && argument === undefined) return { command };
  if (command === 'remove' && argument !== undefined) return { command, rateDeckSid: argument };
  if (command !== 'import')
    throw new RatesUsageError(`the commands are import, list and remove <sid>; not "${positionals.join(' ')}"`);
  if (argument === undefined) throw new RatesUsageError('import needs a file');
  const { account, carrier, name, currency = 'USD', delimiter = ',' } = values;
  if (carrier === undefined || carrier === '') throw new RatesUsageError('import needs --carrier');
  if (!/^[A-Z]{3}$/.test(currency)) throw new RatesUsageError('--currency needs three capital letters, such as USD');
  const isTab = delimiter === 'tab';
  if (!isTab && (delimiter.length !== 1 || delimiter === '"'))
    throw new RatesUsageError('--delimiter needs one character, or tab');
  return {
    command,
    file: argument,
    carrier,
    currency,
    delimiter: isTab ? '\t' : delimiter,
    skipBadRows: values['skip-bad-rows'] ?? false,
    ...(account === undefined ? {} : { account }),
    ...(name === undefined ? {} : { name }),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  } catch (err) {
    throw new RatesUsageError(err instanceof Error ? err.message : String(err));
  }
}
