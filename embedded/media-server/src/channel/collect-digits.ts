import type { Playlists } from '../files/playlists.js';
import type { Channel } from './channel.js';
import type { Execution } from './execute-queue.js';
import { playList, splitArguments } from './media-applications.js';

interface CollectSettings {
  min: number;
  max: number;
  tries: number;
  timeoutMs: number;
  terminators: string;
  file: string;
  invalidFile: string;
  variable: string;
  pattern: RegExp | undefined;
  digitTimeoutMs: number;
}

interface Collected {
  digits: string;
  terminator: string | undefined;
}

/**
 * `play_and_get_digits <min> <max> <tries> <timeout> <terminators> <file> <invalid_file> <variable> <regexp> <digit_timeout>`: plays,
 * stops at the first digit, collects until max, a terminator or a timeout; what does not match is asked for again.
 */
export async function collectDigits(
  playlists: Playlists,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<undefined> {
  const settings = parseSettings(argument);
  channel.setVariable(settings.variable, undefined);
  channel.setVariable(`${settings.variable}_invalid`, undefined);
  for (let attempt = 0; attempt < settings.tries && !channel.isEnded; attempt++) {
    const { digits, terminator } = await collectOnce(playlists, channel, settings, execution);
    channel.setVariable('read_terminator_used', terminator);
    if (digits.length >= settings.min && (settings.pattern?.test(digits) ?? true)) {
      channel.setVariable(settings.variable, digits);
      channel.setVariable('read_result', 'success');
      return undefined;
    }
    channel.setVariable(`${settings.variable}_invalid`, digits);
    channel.setVariable('read_result', digits === '' ? 'timeout' : 'failure');
    if (!channel.isEnded) await playList(playlists, channel, settings.invalidFile, execution);
  }
  return undefined;
}

function parseSettings(argument: string): CollectSettings {
  const [min, max, tries, timeout, terminators, file, invalidFile, variable, expression, digitTimeout] =
    splitArguments(argument);
  return {
    min: Math.max(0, Number(min) || 0),
    max: Math.min(128, Math.max(1, Number(max) || 1)),
    tries: Math.min(100, Math.max(1, Number(tries) || 1)),
    timeoutMs: Math.max(0, Number(timeout) || 0),
    terminators: terminators === 'none' ? '' : (terminators ?? '#'),
    file: file ?? 'silence_stream://1',
    invalidFile: invalidFile ?? 'silence_stream://1',
    variable: variable ?? 'myDigitBuffer',
    pattern: compile(expression),
    digitTimeoutMs: Number(digitTimeout) || Number(timeout) || 0,
  };
}

function compile(expression: string | undefined): RegExp | undefined {
  if (!expression) return undefined;
  try {
    return new RegExp(expression);
  } catch {
    // Not a regular expression: like FreeSWITCH, which then matches nothing.
    return /(?!)/;
  }
}

function collectOnce(
  playlists: Playlists,
  channel: Channel,
  settings: CollectSettings,
  execution: Execution,
): Promise<Collected> {
  return new Promise((resolve) => {
    let digits = '';
    let timer: NodeJS.Timeout | undefined;
    let done = false;
    const playing: Pick<Execution, 'stop'> = { stop: undefined };
    const finish = (terminator?: string): void => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      removeDigits();
      removeEnd();
      playing.stop?.();
      execution.stop = undefined;
      resolve({ digits, terminator });
    };
    const wait = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(finish, ms, undefined);
    };
    const take = (digit: string): void => {
      playing.stop?.();
      if (settings.terminators.includes(digit)) {
        finish(digit);
        return;
      }
      digits += digit;
      if (digits.length >= settings.max) finish();
      else wait(settings.digitTimeoutMs);
    };
    const removeDigits = channel.onDigit(take);
    const removeEnd = channel.onEnd(() => finish());
    execution.stop = () => finish();
    // What was pressed before the prompt; what is more than wanted is left for the next.
    const early = [...channel.takeBufferedDigits()];
    while (early.length > 0 && !done) take(early.shift()!);
    channel.returnDigits(early.join(''));
    if (done || digits !== '') return;
    void playList(playlists, channel, settings.file, playing).then(() => {
      if (!done && digits === '') wait(settings.timeoutMs);
    });
  });
}
