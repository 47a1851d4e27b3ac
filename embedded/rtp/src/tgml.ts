import { ToneSyntaxError } from './errors.js';
import { dtmfFrequencies } from './tone.js';

/** What a tone script sets for the tones after it. */
type ToneSetting = 'd' | 'w' | 'v' | 'r' | 'l' | '+' | '>' | '<';

/** One command of a tone script. */
export type ToneCommand =
  | { kind: 'set'; name: ToneSetting; value: number }
  /** A tone; lengths below zero stand for those that were set before. */
  | { kind: 'tone'; onMs: number; offMs: number; frequenciesHz: readonly number[] }
  /** A mistake: what follows it is not played. */
  | { kind: 'stop' };

/** One script: its commands, and how often they are run (`L=`). */
export interface ToneScript {
  commands: readonly ToneCommand[];
  runs: number;
}

/** A parsed tone description. */
export interface ToneProgram {
  /** Run one after the other; what one sets holds for the next. */
  scripts: readonly ToneScript[];
  /** How often all of it is played; −1 is for ever. */
  loops: number;
}

const SETTINGS: ReadonlySet<string> = new Set<ToneSetting>(['d', 'w', 'v', 'r', 'l', '+', '>', '<']);
const MAX_FREQUENCIES = 18;
const MAX_COMMANDS = 1000;
const MAX_INT = 2 ** 31 - 1;

/**
 * Parses what follows `tone_stream://`: TGML, and `;loops=<n>` after it.
 *
 * @throws ToneSyntaxError when it is longer than any real one.
 */
export function parseToneStream(description: string): ToneProgram {
  const { script, loops } = splitLoops(description);
  return { scripts: parseTgml(script), loops };
}

/** Takes `;loops=<n>` off; what follows it is left out, as FreeSWITCH does. Once without it. */
export function splitLoops(description: string): { script: string; loops: number } {
  const at = description.search(/;loops=/i);
  if (at < 0) return { script: description, loops: 1 };
  return { script: description.slice(0, at), loops: integer(description.slice(at + 7)) };
}

/**
 * Parses FreeSWITCH's TGML, one script a line. Parts are separated by `;`:
 *
 * - `%(on,off,f1[,f2…])` sounds up to 18 frequencies for `on` ms, then is silent for `off`;
 * - `0`–`9`, `*`, `#`, `A`–`D` are DTMF; `5(100,50)` gives one its lengths, others have those of `d=` and `w=` (250 ms and 62.5 ms);
 * - `v=` the level in dBm0 (−7), `>=`/`<=` softer or louder every so many ms by `+=` dB (1), within −63 to 0;
 * - `l=` how often the next tone is played, `L=` how often the script is; `r=` the rate at which it was meant to be played.
 *
 * As in FreeSWITCH what cannot be read is passed over, and a tone without frequencies ends its script.
 *
 * @throws ToneSyntaxError when it has more than 1000 commands.
 */
export function parseTgml(text: string): ToneScript[] {
  const scripts: ToneScript[] = [];
  let commands = 0;
  for (const line of text.split(/\r?\n/)) {
    const script: { commands: ToneCommand[]; runs: number } = { commands: [], runs: 1 };
    for (const part of line.split(';')) if (!parsePart(part.trimStart(), script)) break;
    commands += script.commands.length;
    if (commands > MAX_COMMANDS) throw new ToneSyntaxError(`more than ${MAX_COMMANDS} tones`);
    if (script.commands.length > 0) scripts.push(script);
  }
  return scripts;
}

/** Adds the commands of one part; false when nothing after it counts. */
function parsePart(part: string, script: { commands: ToneCommand[]; runs: number }): boolean {
  if (part[1] === '=') {
    const [name, value] = [part[0]!, part.slice(2)];
    if (name === 'L') {
      // The first counts.
      if (script.runs === 1 && integer(value) > 0) script.runs = integer(value);
    } else if (SETTINGS.has(name)) {
      const number = name === 'v' || name === '+' ? real(value) : integer(value);
      script.commands.push({ kind: 'set', name: name as ToneSetting, value: number });
    }
    return true;
  }
  for (let at = 0; at < part.length && script.commands.length <= MAX_COMMANDS; ) {
    const character = part[at]!;
    if (part[at + 1] !== '(') {
      const digit = dtmfFrequencies(character, 'upper');
      if (digit) script.commands.push({ kind: 'tone', onMs: -1, offMs: -1, frequenciesHz: digit });
      at++;
      continue;
    }
    const close = part.indexOf(')', at);
    const end = close < 0 ? part.length : close;
    const command = parseTone(character, part.slice(at + 2, end));
    if (command) script.commands.push(command);
    if (command?.kind === 'stop') return false;
    at = end + 1;
  }
  return true;
}

/** `%(on,off,f…)`, or `5(on,off)`. */
function parseTone(character: string, inner: string): ToneCommand | undefined {
  const [on = '', off, ...rest] = inner.split(',', MAX_FREQUENCIES + 2);
  if (off === undefined || rest.length > 0 !== (character === '%')) return { kind: 'stop' };
  const lengths = { onMs: integer(on), offMs: integer(off) };
  const digit = dtmfFrequencies(character, 'upper');
  if (digit) return { kind: 'tone', ...lengths, frequenciesHz: digit };
  const frequenciesHz = rest.map(real);
  const zero = frequenciesHz.indexOf(0);
  if (zero >= 0) frequenciesHz.length = zero;
  return frequenciesHz.length > 0 ? { kind: 'tone', ...lengths, frequenciesHz } : undefined;
}

/** As C's atoi reads it. */
function integer(text: string): number {
  const number = Number.parseInt(text, 10) || 0;
  return Math.max(-MAX_INT, Math.min(MAX_INT, number));
}

/** As C's atof reads it. */
function real(text: string): number {
  const number = Number.parseFloat(text) || 0;
  return Math.max(-MAX_INT, Math.min(MAX_INT, number));
}
