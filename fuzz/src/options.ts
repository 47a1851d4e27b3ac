import { parseArgs } from 'node:util';

/** How to call the fuzzer. */
export const USAGE = `usage: npm run fuzz -- sip|media [options]

  sip                parser, stream framer, live transactions, a whole SIP server
  media              packets to a live media server, files to its decoders

  --seed <n>         the same seed gives the same inputs (default: another each time)
 sip:
  --inputs <n>       how many inputs (default 100000)
  --only <n>         runs input n alone
 media:
  --packets <n>      how many packets (default 1000000)
  --files <n>        how many files (default 200000)
  --out <folder>     where inputs that failed are written (default: fuzz-failures)
  --replay <file>    runs only what was written there
`;

/** A command line that cannot be understood. */
export class FuzzUsageError extends Error {
  readonly code = 'fuzz/usage';
}

/** What the command line asks for. */
export type FuzzCommand =
  | { target: 'sip'; inputs: number; seed: number; only: number | undefined }
  | { target: 'media'; packets: number; files: number; seed: number; outDir: string; replay: string | undefined };

/** Flags that only one target has. */
const FLAGS = { sip: ['inputs', 'only'], media: ['packets', 'files', 'out', 'replay'] } as const;

/** Reads the command line. @throws FuzzUsageError naming what is wrong */
export function parseFuzzOptions(args: readonly string[]): FuzzCommand {
  const { values, positionals } = parse(args);
  const [target] = positionals;
  if (positionals.length !== 1 || (target !== 'sip' && target !== 'media')) {
    throw new FuzzUsageError(`the target is sip or media; not "${positionals.join(' ')}"`);
  }
  const strange = FLAGS[target === 'sip' ? 'media' : 'sip'].find((name) => values[name] !== undefined);
  if (strange) throw new FuzzUsageError(`${target} has no --${strange}`);
  const number = (name: string, text: string): number => {
    if (!/^\d{1,9}$/.test(text)) throw new FuzzUsageError(`--${name} needs a whole number`);
    return Number(text);
  };
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : number('seed', values.seed);
  if (target === 'sip') {
    const only = values.only === undefined ? undefined : number('only', values.only);
    return { target, inputs: number('inputs', values.inputs ?? '100000'), seed, only };
  }
  return {
    target,
    packets: number('packets', values.packets ?? '1000000'),
    files: number('files', values.files ?? '200000'),
    seed,
    outDir: values.out ?? 'fuzz-failures',
    replay: values.replay,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = { inputs: text, seed: text, only: text, packets: text, files: text, out: text, replay: text };
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (err) {
    throw new FuzzUsageError(err instanceof Error ? err.message : String(err), { cause: err });
  }
}
